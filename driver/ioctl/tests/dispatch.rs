//! Every row through a mock device in both ABIs, and any request with any bytes.

use proptest::prelude::*;
use vloopback_abi::ioc;
use vloopback_abi::v4l1::request as r;
use vloopback_abi::v4l1::*;
use vloopback_ioctl::{Abi, BufferMemory, Direction, Errno, Row, V4L1, V4l1Device, dispatch_v4l1};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const ABIS: [Abi; 2] = [Abi::Lp64, Abi::Ilp32];
/// Where the tests' buffers appear.
const BASE: usize = 0x1000;

/// Knows everything, remembers what it was given, answers with what it holds.
#[derive(Default)]
struct Mock {
    /// Handlers run so far.
    calls: usize,
    /// The last value that came in, 64-bit shape.
    given: Vec<u8>,
    /// The bytes to answer with, 64-bit shape; zeros beyond its end.
    answer: Vec<u8>,
    /// What to fail with.
    error: Option<Errno>,
}

impl Mock {
    fn done(&mut self) -> Result<(), Errno> {
        self.calls += 1;
        self.error.map_or(Ok(()), Err)
    }

    fn take<T: IntoBytes + Immutable>(&mut self, value: T) -> Result<(), Errno> {
        self.given = value.as_bytes().to_vec();
        self.done()
    }

    fn give<T: FromBytes + IntoBytes>(&mut self) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        for (to, from) in value.as_mut_bytes().iter_mut().zip(&self.answer) {
            *to = *from;
        }
        self.done().map(|()| value)
    }
}

macro_rules! mock {
    ($(get $get:ident $get_ty:ty;)* $(set $set:ident $set_ty:ty;)* $(both $both:ident $both_ty:ty;)*) => {
        impl V4l1Device for Mock {
            fn knows(&self, _row: &Row) -> bool {
                true
            }
            fn sinvalid(&mut self) -> Result<(), Errno> {
                self.done()
            }
            $(fn $get(&mut self) -> Result<$get_ty, Errno> {
                self.give()
            })*
            $(fn $set(&mut self, value: $set_ty) -> Result<(), Errno> {
                self.take(value)
            })*
            $(fn $both(&mut self, value: $both_ty) -> Result<$both_ty, Errno> {
                self.given = value.as_bytes().to_vec();
                self.give()
            })*
        }
    };
}

mock! {
    get gcap VideoCapability;
    get gpict VideoPicture;
    get gwin VideoWindow;
    get gfbuf VideoBuffer;
    get key VideoKey;
    get gfreq u64;
    get gmbuf VideoMbuf;
    get gunit VideoUnit;
    get gcapture VideoCapture;
    get gplayinfo VideoInfo;
    get gvbifmt VbiFormat;
    set schan VideoChannel;
    set stuner VideoTuner;
    set spict VideoPicture;
    set capture i32;
    set swin VideoWindow;
    set sfbuf VideoBuffer;
    set sfreq u64;
    set saudio VideoAudio;
    set sync i32;
    set mcapture VideoMmap;
    set scapture VideoCapture;
    set splaymode VideoPlayMode;
    set swritemode i32;
    set smicrocode VideoCode;
    set svbifmt VbiFormat;
    both gchan VideoChannel;
    both gtuner VideoTuner;
    both gaudio VideoAudio;
}

/// Implements nothing.
struct Bare;
impl V4l1Device for Bare {}

/// A buffer of a row's length, each byte different from its neighbours.
fn pattern(len: usize, start: u8) -> Vec<u8> {
    (0..len).map(|index| start.wrapping_add(index as u8)).collect()
}

fn call<D: V4l1Device + ?Sized>(dev: &mut D, abi: Abi, request: u32, bytes: &mut [u8]) -> Result<i32, Errno> {
    let memory = BufferMemory::new(BASE, bytes);
    dispatch_v4l1(dev, &memory, abi, request.into(), BASE)
}

/// Every row, every ABI: the value set is the value that a get gives back, byte for byte, for
/// each request whose partner has the same structure.
#[test]
fn every_row_round_trips() {
    for row in V4L1 {
        for abi in ABIS {
            let mut mock = Mock::default();
            let request = row.request(abi);
            let sent = pattern(row.len(abi), 1);
            let mut bytes = sent.clone();
            assert_eq!(call(&mut mock, abi, request, &mut bytes), Ok(0), "{} {abi:?}", row.name);
            assert_eq!(mock.calls, 1, "{}", row.name);
            match row.direction {
                Direction::Plain => assert!(mock.given.is_empty()),
                Direction::Get => assert!(bytes.iter().all(|&byte| byte == 0)),
                Direction::Set => assert_eq!(bytes, sent, "{} writes nothing", row.name),
                Direction::Exchange => assert!(bytes.iter().all(|&byte| byte == 0)),
            }
            if matches!(row.direction, Direction::Plain | Direction::Get) {
                continue;
            }
            // What came in goes out again through a request of the same structure.
            let partner = V4L1.iter().find(|other| {
                other.argument == row.argument
                    && matches!(other.direction, Direction::Get | Direction::Exchange)
            });
            let Some(partner) = partner else { continue };
            mock.answer = std::mem::take(&mut mock.given);
            let mut back = vec![0; partner.len(abi)];
            let result = call(&mut mock, abi, partner.request(abi), &mut back);
            assert_eq!(result, Ok(0), "{}", partner.name);
            let padding = padding(row.argument, abi);
            for (index, (got, want)) in back.iter().zip(&sent).enumerate() {
                if !padding.contains(&index) {
                    assert_eq!(got, want, "{} {abi:?} byte {index}", row.name);
                }
            }
        }
    }
}

/// Bytes of a structure that no field owns.
fn padding(argument: &str, abi: Abi) -> std::ops::Range<usize> {
    match (argument, abi) {
        ("struct video_window", Abi::Lp64) => 36..40,
        ("struct video_tuner", Abi::Lp64) => 36..40,
        _ => 0..0,
    }
}

#[test]
fn narrow_structures_are_widened_field_by_field() {
    let mut mock = Mock::default();
    // x, y, width, height, chromakey, flags, clips, clipcount of a 32-bit program.
    let words: [u32; 8] = [1, 2, 640, 480, 5, 6, 0xffff_0000, 8];
    let mut bytes = words.as_bytes().to_vec();
    assert_eq!(call(&mut mock, Abi::Ilp32, r::SWIN32, &mut bytes), Ok(0));
    let window = VideoWindow::read_from_bytes(&mock.given).expect("a window");
    assert_eq!(
        window,
        VideoWindow {
            x: 1,
            y: 2,
            width: 640,
            height: 480,
            chromakey: 5,
            flags: 6,
            clips: 0xffff_0000,
            clipcount: 8,
            pad: [0; 4],
        }
    );

    let mut frequency = 7u32.to_ne_bytes();
    assert_eq!(call(&mut mock, Abi::Ilp32, r::SFREQ32, &mut frequency), Ok(0));
    assert_eq!(mock.given, 7u64.as_bytes());
}

#[test]
fn answers_that_do_not_fit_a_32_bit_program_are_refused() {
    let mut mock = Mock { answer: (1u64 << 32).as_bytes().to_vec(), ..Mock::default() };
    let mut frequency = [9; 4];
    let result = call(&mut mock, Abi::Ilp32, r::GFREQ32, &mut frequency);
    assert_eq!(result, Err(Errno::EOVERFLOW));
    assert_eq!(frequency, [9; 4]);
}

#[test]
fn an_abi_knows_only_its_own_numbers() {
    for (number, abi) in [
        (r::GTUNER32, Abi::Lp64),
        (r::SWIN32, Abi::Lp64),
        (r::GFREQ32, Abi::Lp64),
        (r::GTUNER, Abi::Ilp32),
        (r::SWIN, Abi::Ilp32),
        (r::SMICROCODE, Abi::Ilp32),
    ] {
        let mut mock = Mock::default();
        assert_eq!(call(&mut mock, abi, number, &mut [0; 64]), Err(Errno::ENOTTY));
        assert_eq!(mock.calls, 0);
    }
}

#[test]
fn unknown_is_enotty_also_with_null() {
    let memory = BufferMemory::new(BASE, &mut []);
    for abi in ABIS {
        for request in [0, 0x5421, 0x7600, 0x76c2, 0x8068_5600, u64::MAX] {
            let result = dispatch_v4l1(&mut Mock::default(), &memory, abi, request, 0);
            assert_eq!(result, Err(Errno::ENOTTY), "{request:#x}");
        }
        for row in V4L1.iter().filter(|row| !row.served) {
            let result = dispatch_v4l1(&mut Bare, &memory, abi, row.request(abi).into(), 0);
            assert_eq!(result, Err(Errno::ENOTTY), "{}", row.name);
        }
    }
}

#[test]
fn known_with_a_bad_address_is_efault() {
    for row in V4L1 {
        for abi in ABIS {
            let mut mock = Mock::default();
            let mut bytes = pattern(row.len(abi), 1);
            let memory = BufferMemory::new(BASE, &mut bytes);
            // NULL, an integer, one byte short, the end of the address space.
            for arg in [0, 1, BASE + 1, usize::MAX] {
                mock.calls = 0;
                let request = row.request(abi).into();
                let result = dispatch_v4l1(&mut mock, &memory, abi, request, arg);
                if row.direction == Direction::Plain {
                    assert_eq!(result, Ok(0), "{} looks at no argument", row.name);
                    continue;
                }
                assert_eq!(result, Err(Errno::EFAULT), "{} {arg:#x}", row.name);
                let reads = row.direction != Direction::Get;
                assert!(!(reads && mock.calls > 0), "{} ran its handler", row.name);
            }
        }
    }
}

#[test]
fn a_handlers_error_is_the_answer_and_nothing_is_written() {
    for row in V4L1 {
        for abi in ABIS {
            let mut mock = Mock { error: Some(Errno::EBUSY), ..Mock::default() };
            let sent = pattern(row.len(abi), 3);
            let mut bytes = sent.clone();
            let result = call(&mut mock, abi, row.request(abi), &mut bytes);
            assert_eq!(result, Err(Errno::EBUSY), "{}", row.name);
            assert_eq!(bytes, sent, "{}", row.name);
        }
    }
}

#[test]
fn what_a_device_does_not_implement_is_enotty() {
    for row in V4L1 {
        for abi in ABIS {
            let mut bytes = vec![0; row.len(abi)];
            let result = call(&mut Bare, abi, row.request(abi), &mut bytes);
            assert_eq!(result, Err(Errno::ENOTTY), "{}", row.name);
        }
    }
}

#[test]
fn sign_extended_requests_are_cut() {
    let mut bytes = [0; 60];
    let memory = BufferMemory::new(BASE, &mut bytes);
    let request = r::GCAP as i32 as i64 as u64;
    assert_eq!(request, 0xffff_ffff_803c_7601);
    let result = dispatch_v4l1(&mut Mock::default(), &memory, Abi::Lp64, request, BASE);
    assert_eq!(result, Ok(0));
}

#[test]
fn sync_reads_four_bytes_of_whatever_is_there() {
    let mut mock = Mock::default();
    let order = VideoMmap { frame: 3, height: 240, width: 320, format: 15 };
    let mut bytes = order.as_bytes().to_vec();
    assert_eq!(call(&mut mock, Abi::NATIVE, r::SYNC, &mut bytes), Ok(0));
    assert_eq!(mock.given, 3i32.as_bytes());
    assert_eq!(call(&mut mock, Abi::NATIVE, r::SYNC, &mut bytes[..4]), Ok(0));
    assert_eq!(call(&mut mock, Abi::NATIVE, r::SYNC, &mut bytes[..3]), Err(Errno::EFAULT));
}

#[test]
fn a_device_behind_a_pointer_is_served() {
    let mut mock = Mock::default();
    let device: &mut dyn V4l1Device = &mut mock;
    assert_eq!(call(device, Abi::NATIVE, r::GMBUF, &mut [0; 136]), Ok(0));
}

fn any_request() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        // Of the right type, with any size and direction.
        (0u32..4, any::<u8>(), 0usize..400)
            .prop_map(|(dir, nr, size)| u64::from(ioc::ioc(dir, b'v', nr, size))),
        // Known, with any upper half.
        (0..V4L1.len(), any::<bool>(), any::<u32>()).prop_map(|(index, wide, high)| {
            let abi = if wide { Abi::Lp64 } else { Abi::Ilp32 };
            u64::from(high) << 32 | u64::from(V4L1[index].request(abi))
        }),
    ]
}

proptest! {
    #[test]
    fn any_request_with_any_bytes_ends(
        request in any_request(),
        wide in any::<bool>(),
        arg in prop_oneof![any::<usize>(), Just(BASE), BASE - 8..BASE + 300],
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        answer in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let abi = if wide { Abi::Lp64 } else { Abi::Ilp32 };
        let before = bytes.clone();
        let known = V4L1.iter().find(|row| row.request(abi) == request as u32);
        let mut mock = Mock { answer, ..Mock::default() };
        let memory = BufferMemory::new(BASE, &mut bytes);
        let result = dispatch_v4l1(&mut mock, &memory, abi, request, arg);
        match known {
            None => prop_assert_eq!(result, Err(Errno::ENOTTY)),
            Some(row) => {
                let fits = row.is_empty()
                    || arg >= BASE && arg - BASE + row.len(abi) <= before.len();
                match result {
                    Ok(value) => prop_assert!(value == 0 && fits),
                    Err(Errno::EFAULT) => prop_assert!(!fits),
                    // Only an answer can be too wide, and only for a 32-bit program.
                    Err(Errno::EOVERFLOW) => {
                        prop_assert!(abi == Abi::Ilp32 && row.lp64 != row.ilp32);
                    }
                    Err(other) => prop_assert!(false, "{other}"),
                }
            }
        }
        let writes = matches!(result, Ok(0))
            && known.is_some_and(|row| {
                matches!(row.direction, Direction::Get | Direction::Exchange)
            });
        let (start, end) = match known {
            Some(row) if writes => (arg - BASE, arg - BASE + row.len(abi)),
            _ => (0, 0),
        };
        // Nothing outside the argument changes.
        prop_assert_eq!(&bytes[..start], &before[..start]);
        prop_assert_eq!(&bytes[end..], &before[end..]);
    }
}
