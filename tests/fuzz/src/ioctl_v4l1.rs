//! A program's ioctl.

use arbitrary::Unstructured;
use vloopback_abi::v4l1::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};
use vloopback_ioctl::{
    Abi, BufferMemory, Direction, Errno, Row, V4L1, V4l1Device, V4l1Request, dispatch_v4l1, request_number,
};
use zerocopy::{FromBytes, IntoBytes};

/// A device that answers everything with one byte over and over, or with an error.
struct Device {
    fill: u8,
    error: Option<Errno>,
    serves_all: bool,
    calls: u32,
}

impl Device {
    fn answer<T: FromBytes + IntoBytes>(&mut self) -> Result<T, Errno> {
        self.calls += 1;
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut value = T::new_zeroed();
        value.as_mut_bytes().fill(self.fill);
        Ok(value)
    }

    fn take(&mut self) -> Result<(), Errno> {
        self.calls += 1;
        self.error.map_or(Ok(()), Err)
    }
}

macro_rules! methods {
    ($(get $get:ident: $get_ty:ty;)* $(set $set:ident: $set_ty:ty;)* $(exchange $ex:ident: $ex_ty:ty;)*) => {
        impl V4l1Device for Device {
            fn knows(&self, row: &Row) -> bool {
                self.serves_all || row.served
            }

            $(fn $get(&mut self) -> Result<$get_ty, Errno> { self.answer() })*
            $(fn $set(&mut self, _: $set_ty) -> Result<(), Errno> { self.take() })*
            $(fn $ex(&mut self, _: $ex_ty) -> Result<$ex_ty, Errno> { self.answer() })*

            fn sinvalid(&mut self) -> Result<(), Errno> {
                self.take()
            }
        }
    };
}

methods! {
    get gcap: VideoCapability;
    get gpict: VideoPicture;
    get gwin: VideoWindow;
    get gfbuf: VideoBuffer;
    get key: VideoKey;
    get gfreq: u64;
    get gmbuf: VideoMbuf;
    get gunit: VideoUnit;
    get gcapture: VideoCapture;
    get gplayinfo: VideoInfo;
    get gvbifmt: VbiFormat;
    set schan: VideoChannel;
    set stuner: VideoTuner;
    set spict: VideoPicture;
    set capture: i32;
    set swin: VideoWindow;
    set sfbuf: VideoBuffer;
    set sfreq: u64;
    set saudio: VideoAudio;
    set sync: i32;
    set mcapture: VideoMmap;
    set scapture: VideoCapture;
    set splaymode: VideoPlayMode;
    set swritemode: i32;
    set smicrocode: VideoCode;
    set svbifmt: VbiFormat;
    exchange gchan: VideoChannel;
    exchange gtuner: VideoTuner;
    exchange gaudio: VideoAudio;
}

/// A call as a program makes it.
struct Call {
    abi: Abi,
    request: u64,
    base: usize,
    arg: usize,
    memory: Vec<u8>,
    device: Device,
}

fn call(u: &mut Unstructured<'_>) -> arbitrary::Result<Call> {
    let abi = if u.arbitrary()? { Abi::Lp64 } else { Abi::Ilp32 };
    let row = u.choose(V4L1)?;
    let request = match u.int_in_range(0..=3)? {
        0 => u.arbitrary()?,
        // The number of the other kind of program, and one that went through an int.
        1 => u64::from(row.lp64) | 0xffff_ffff_0000_0000,
        2 => u64::from(row.ilp32),
        _ => u64::from(row.request(abi)),
    };
    let error = if u.arbitrary()? { None } else { Some(Errno::EINVAL) };
    let device = Device { fill: u.arbitrary()?, error, serves_all: u.arbitrary()?, calls: 0 };
    let base: usize = u.arbitrary()?;
    let arg = match u.arbitrary()? {
        true => base.wrapping_add(usize::from(u.arbitrary::<u8>()?)),
        false => u.arbitrary()?,
    };
    let memory = u.bytes(u.len())?.to_vec();
    Ok(Call { abi, request, base, arg, memory, device })
}

/// Unknown is ENOTTY and touches nothing; a bad address is EFAULT before the handler runs where
/// something is read; only an answer's own bytes change.
pub fn check(data: &[u8]) {
    let Ok(mut c) = call(&mut Unstructured::new(data)) else { return };
    let before = c.memory.clone();
    let result = {
        let memory = BufferMemory::new(c.base, &mut c.memory);
        dispatch_v4l1(&mut c.device, &memory, c.abi, c.request, c.arg)
    };
    let known = V4l1Request::find(c.request, c.abi).map(V4l1Request::row);
    let Some(row) = known.filter(|row| c.device.knows(row)) else {
        assert_eq!((result, c.device.calls), (Err(Errno::ENOTTY), 0));
        assert_eq!(c.memory, before);
        return;
    };
    assert_eq!(request_number(c.request), row.request(c.abi));
    assert!(matches!(result, Ok(0) | Err(Errno::EFAULT | Errno::EINVAL | Errno::EOVERFLOW)), "{result:?}");
    let len = if row.is_empty() { 0 } else { row.len(c.abi) };
    let start =
        c.arg.checked_sub(c.base).filter(|start| start.checked_add(len).is_some_and(|e| e <= before.len()));
    match (row.direction, start) {
        (Direction::Plain, _) => assert_eq!(c.device.calls, 1),
        (Direction::Get, None) => assert_ne!(result, Ok(0), "an answer that went nowhere"),
        (Direction::Set | Direction::Exchange, None) => {
            assert_eq!((result, c.device.calls), (Err(Errno::EFAULT), 0));
        }
        (_, Some(_)) => {
            assert_ne!(result, Err(Errno::EFAULT), "{}", row.name);
            assert_eq!(c.device.calls, 1);
        }
    }
    let writes = matches!(row.direction, Direction::Get | Direction::Exchange) && result == Ok(0);
    let allowed = match start {
        Some(start) if writes => start..start + len,
        _ => 0..0,
    };
    // A 32-bit program's own shape is converted to, so that its bytes are not the device's.
    let plain = row.lp64 == row.ilp32 || c.abi == Abi::Lp64;
    for (at, (old, new)) in before.iter().zip(&c.memory).enumerate() {
        if allowed.contains(&at) {
            assert!(!plain || *new == c.device.fill, "{}: byte {at} of the answer was left out", row.name);
        } else {
            assert_eq!(old, new, "{}: byte {at} is none of the answer's", row.name);
        }
    }
}
