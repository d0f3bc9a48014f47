//! The list of controls that G_EXT_CTRLS, S_EXT_CTRLS and TRY_EXT_CTRLS point to.

use vloopback_abi::v4l2::{V4L2_CID_MAX_CTRLS, V4l2ExtControl, V4l2ExtControls};
use zerocopy::{FromZeros, IntoBytes};

use super::argument::{Shape, fetch, store};
use crate::{Errno, UserMemory};

/// The controls of a list, in the memory of the calling program.
///
/// The program may change them at any time: what was checked has to be kept, not read again.
pub trait ControlList {
    /// Number of controls, at most [`V4L2_CID_MAX_CTRLS`].
    fn len(&self) -> usize;

    /// Whether there is none: the program asks whether there are controls of a class at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a control, its reserved field zero.
    ///
    /// # Errors
    /// [`Errno::EFAULT`] if it cannot be read, [`Errno::EINVAL`] if the list is not that long.
    fn get(&self, index: usize) -> Result<V4l2ExtControl, Errno>;

    /// Writes a control back.
    ///
    /// # Errors
    /// [`Errno::EFAULT`] if it cannot be written, [`Errno::EINVAL`] if the list is not that long.
    fn set(&mut self, index: usize, control: V4l2ExtControl) -> Result<(), Errno>;
}

/// A list at an address of a program.
struct UserControls<'a, M: ?Sized> {
    mem: &'a M,
    /// Controls are alike in all programs, but the address of a text or an array is as long as the
    /// program's pointers.
    shape: Shape,
    addr: usize,
    len: usize,
}

/// Bytes of a control; the same in 64-bit and 32-bit programs.
const CONTROL_LEN: usize = size_of::<V4l2ExtControl>();

impl<M: UserMemory + ?Sized> UserControls<'_, M> {
    fn addr_of(&self, index: usize) -> Result<usize, Errno> {
        if index >= self.len {
            return Err(Errno::EINVAL);
        }
        self.addr.checked_add(index * CONTROL_LEN).ok_or(Errno::EFAULT)
    }
}

impl<M: UserMemory + ?Sized> ControlList for UserControls<'_, M> {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<V4l2ExtControl, Errno> {
        let mut control = V4l2ExtControl::new_zeroed();
        self.mem.read(self.addr_of(index)?, control.as_mut_bytes())?;
        control.reserved2 = 0;
        if control.size != 0 && self.shape != Shape::Wide {
            control.payload[4..].fill(0);
        }
        Ok(control)
    }

    fn set(&mut self, index: usize, control: V4l2ExtControl) -> Result<(), Errno> {
        Ok(self.mem.write(self.addr_of(index)?, control.as_bytes())?)
    }
}

/// Serves a request with a list: reads the list's head, lets the handler work on the controls,
/// and writes the head back even if the handler fails, because it says which control failed.
///
/// The handler does not see the controls' address.
pub(super) fn serve<M: UserMemory + ?Sized>(
    mem: &M,
    shape: Shape,
    addr: usize,
    handler: impl FnOnce(&mut V4l2ExtControls, &mut dyn ControlList) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut head: V4l2ExtControls = fetch(mem, shape, addr, size_of::<V4l2ExtControls>())?;
    let len = head.count as usize;
    if len > V4L2_CID_MAX_CTRLS {
        return Err(Errno::EINVAL);
    }
    let array = head.controls;
    let first = usize::try_from(array).map_err(|_| Errno::EFAULT)?;
    let mut controls = UserControls { mem, shape, addr: first, len };
    // All of it must be readable before anything is done.
    for index in 0..len {
        controls.get(index)?;
    }
    head.controls = 0;
    let result = handler(&mut head, &mut controls);
    if result == Err(Errno::ENOTTY) {
        return result;
    }
    head.controls = array;
    store(mem, shape, addr, head)?;
    result
}
