//! Arguments in the shape of the calling program.

use vloopback_abi::v4l1::shapes32::{VideoBuffer32, VideoCode32, VideoTuner32, VideoWindow32};
use vloopback_abi::v4l1::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Abi, Errno, UserMemory};

/// A value that requests carry: a structure, an `int` or an `unsigned long`.
pub(crate) trait Shape: Sized {
    /// Reads the value that a program of this ABI has at an address.
    fn fetch<M: UserMemory + ?Sized>(mem: &M, abi: Abi, addr: usize) -> Result<Self, Errno>;

    /// Writes the value where a program of this ABI expects it.
    fn store<M: UserMemory + ?Sized>(self, mem: &M, abi: Abi, addr: usize) -> Result<(), Errno>;
}

fn fetch_plain<T, M>(mem: &M, addr: usize) -> Result<T, Errno>
where
    T: FromBytes + IntoBytes,
    M: UserMemory + ?Sized,
{
    let mut value = T::new_zeroed();
    mem.read(addr, value.as_mut_bytes())?;
    Ok(value)
}

fn store_plain<T, M>(value: &T, mem: &M, addr: usize) -> Result<(), Errno>
where
    T: IntoBytes + Immutable,
    M: UserMemory + ?Sized,
{
    Ok(mem.write(addr, value.as_bytes())?)
}

/// Values with the same bytes for every program.
macro_rules! one_shape {
    ($($ty:ty),* $(,)?) => {$(
        impl Shape for $ty {
            fn fetch<M: UserMemory + ?Sized>(
                mem: &M,
                _abi: Abi,
                addr: usize,
            ) -> Result<Self, Errno> {
                fetch_plain(mem, addr)
            }

            fn store<M: UserMemory + ?Sized>(
                self,
                mem: &M,
                _abi: Abi,
                addr: usize,
            ) -> Result<(), Errno> {
                store_plain(&self, mem, addr)
            }
        }
    )*};
}

/// Values with their own shape in a 32-bit program.
///
/// A value that does not fit is EOVERFLOW: a cut address would be another address.
macro_rules! two_shapes {
    ($($wide:ty: $narrow:ty),* $(,)?) => {$(
        impl Shape for $wide {
            fn fetch<M: UserMemory + ?Sized>(
                mem: &M,
                abi: Abi,
                addr: usize,
            ) -> Result<Self, Errno> {
                match abi {
                    Abi::Lp64 => fetch_plain(mem, addr),
                    Abi::Ilp32 => fetch_plain::<$narrow, M>(mem, addr).map(Into::into),
                }
            }

            fn store<M: UserMemory + ?Sized>(
                self,
                mem: &M,
                abi: Abi,
                addr: usize,
            ) -> Result<(), Errno> {
                match abi {
                    Abi::Lp64 => store_plain(&self, mem, addr),
                    Abi::Ilp32 => {
                        let narrow =
                            <$narrow>::try_from(self).map_err(|_| Errno::EOVERFLOW)?;
                        store_plain(&narrow, mem, addr)
                    }
                }
            }
        }
    )*};
}

one_shape! {
    i32, VideoCapability, VideoChannel, VideoPicture, VideoAudio, VideoMmap, VideoKey, VideoMbuf,
    VideoUnit, VideoCapture, VbiFormat, VideoInfo, VideoPlayMode,
}

two_shapes! {
    u64: u32,
    VideoTuner: VideoTuner32,
    VideoWindow: VideoWindow32,
    VideoBuffer: VideoBuffer32,
    VideoCode: VideoCode32,
}
