//! The V4L2 structures of controls, 64-bit shape.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::{assert_layout, zero_default};

/// A control and its value.
#[doc(alias = "v4l2_control")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Control {
    /// `V4L2_CID_*`.
    pub id: u32,
    /// The value.
    pub value: i32,
}

/// Description of a control.
#[doc(alias = "v4l2_queryctrl")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Queryctrl {
    /// `V4L2_CID_*`; the caller sets it, with `V4L2_CTRL_FLAG_NEXT_CTRL` to ask for the next one.
    pub id: u32,
    /// `V4L2_CTRL_TYPE_*`.
    pub type_: u32,
    /// Name for people, NUL-terminated.
    pub name: [u8; 32],
    /// Smallest value.
    pub minimum: i32,
    /// Largest value.
    pub maximum: i32,
    /// From a value to the next.
    pub step: i32,
    /// Value at the start.
    pub default_value: i32,
    /// Set of `V4L2_CTRL_FLAG_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

/// Most dimensions of a control that is an array.
pub const V4L2_CTRL_MAX_DIMS: usize = 4;

/// Description of a control of any type.
#[doc(alias = "v4l2_query_ext_ctrl")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2QueryExtCtrl {
    /// `V4L2_CID_*`; the caller sets it, with `V4L2_CTRL_FLAG_NEXT_CTRL` or
    /// `V4L2_CTRL_FLAG_NEXT_COMPOUND` to ask for the next one.
    pub id: u32,
    /// `V4L2_CTRL_TYPE_*`.
    pub type_: u32,
    /// Name for people, NUL-terminated.
    pub name: [u8; 32],
    /// Smallest value.
    pub minimum: i64,
    /// Largest value.
    pub maximum: i64,
    /// From a value to the next.
    pub step: u64,
    /// Value at the start.
    pub default_value: i64,
    /// Set of `V4L2_CTRL_FLAG_*`.
    pub flags: u32,
    /// Bytes of an element.
    pub elem_size: u32,
    /// Number of elements.
    pub elems: u32,
    /// Number of dimensions.
    pub nr_of_dims: u32,
    /// Elements in each dimension.
    pub dims: [u32; V4L2_CTRL_MAX_DIMS],
    /// Zero.
    pub reserved: [u32; 32],
}

/// An item of a menu control.
#[doc(alias = "v4l2_querymenu")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Querymenu {
    /// `V4L2_CID_*`; the caller sets it.
    pub id: u32,
    /// Number of the item; the caller sets it.
    pub index: u32,
    /// Name for people, NUL-terminated; a union with the value of an integer menu's item, see
    /// [`V4l2Querymenu::value`].
    pub name: [u8; 32],
    /// Zero.
    pub reserved: u32,
}

impl V4l2Querymenu {
    /// The value of the item of an integer menu.
    #[must_use]
    pub const fn value(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.name;
        i64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    /// Sets the value of the item of an integer menu and clears the rest of the union.
    pub fn set_value(&mut self, value: i64) {
        self.name = [0; 32];
        self.name[..8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// A control and its value, an element of the list of [`V4l2ExtControls`].
#[doc(alias = "v4l2_ext_control")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2ExtControl {
    /// `V4L2_CID_*`.
    pub id: u32,
    /// Bytes of a value that is a text or an array, else 0.
    pub size: u32,
    /// Zero.
    pub reserved2: u32,
    /// A union, not aligned: see [`V4l2ExtControl::value`], [`V4l2ExtControl::value64`]. With a
    /// size, the address of the value.
    pub payload: [u8; 8],
}

impl V4l2ExtControl {
    /// The value of a control of 32 bits or fewer.
    #[must_use]
    pub const fn value(&self) -> i32 {
        let [a, b, c, d, ..] = self.payload;
        i32::from_ne_bytes([a, b, c, d])
    }

    /// Sets the value of a control of 32 bits or fewer and leaves the rest of the union alone, as
    /// the kernel does.
    pub fn set_value(&mut self, value: i32) {
        self.payload[..4].copy_from_slice(&value.to_ne_bytes());
    }

    /// The value of a control of 64 bits.
    #[must_use]
    pub const fn value64(&self) -> i64 {
        i64::from_ne_bytes(self.payload)
    }

    /// Sets the value of a control of 64 bits.
    pub const fn set_value64(&mut self, value: i64) {
        self.payload = value.to_ne_bytes();
    }
}

/// Most controls in one list.
pub const V4L2_CID_MAX_CTRLS: usize = 1024;

/// A list of controls to get, set or try at once, 64-bit shape.
#[doc(alias = "v4l2_ext_controls")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2ExtControls {
    /// `V4L2_CTRL_WHICH_*`, or the class that all controls of the list belong to.
    pub which: u32,
    /// Number of controls, at most [`V4L2_CID_MAX_CTRLS`].
    pub count: u32,
    /// The control that failed, answered; equal to the count if none did or nothing was tried.
    pub error_idx: u32,
    /// Descriptor of a request, for `V4L2_CTRL_WHICH_REQUEST_VAL`.
    pub request_fd: i32,
    /// Zero.
    pub reserved: u32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// Address of an array of [`V4l2ExtControl`].
    pub controls: u64,
}

zero_default! { V4l2Queryctrl, V4l2QueryExtCtrl, V4l2Querymenu, V4l2ExtControls }

assert_layout! {
    V4l2Control: 8 { id: 0, value: 4 }
    V4l2Queryctrl: 68 {
        id: 0, type_: 4, name: 8, minimum: 40, maximum: 44, step: 48, default_value: 52,
        flags: 56, reserved: 60,
    }
    V4l2QueryExtCtrl: 232 {
        id: 0, type_: 4, name: 8, minimum: 40, maximum: 48, step: 56, default_value: 64,
        flags: 72, elem_size: 76, elems: 80, nr_of_dims: 84, dims: 88, reserved: 104,
    }
    V4l2Querymenu: 44 { id: 0, index: 4, name: 8, reserved: 40 }
    V4l2ExtControl: 20 { id: 0, size: 4, reserved2: 8, payload: 12 }
    V4l2ExtControls: 32 {
        which: 0, count: 4, error_idx: 8, request_fd: 12, reserved: 16, pad: 20, controls: 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_of_values() {
        let mut control = V4l2ExtControl::default();
        control.set_value64(-1);
        control.set_value(7);
        assert_eq!(control.value(), 7);
        assert_eq!(control.payload[4..], [0xff; 4]);
        control.set_value64(i64::MIN);
        assert_eq!(control.value64(), i64::MIN);

        let mut item = V4l2Querymenu { name: [9; 32], ..V4l2Querymenu::default() };
        item.set_value(-3);
        assert_eq!(item.value(), -3);
        assert_eq!(item.name[8..], [0; 24]);
    }
}
