//! Every V4L2 row through a mock device, lists of controls, and any request with any bytes.

use proptest::prelude::*;
use vloopback_abi::ioc;
use vloopback_abi::v4l2::request as r;
use vloopback_abi::v4l2::shapes32::*;
use vloopback_abi::v4l2::*;
use vloopback_ioctl::{
    Abi, BufferMemory, ControlList, Direction, Errno, V4L2, V4l2Device, V4l2Request, V4l2Row, dispatch_v4l2,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Where the tests' buffers appear.
const BASE: usize = 0x1000;

/// Knows everything, remembers what it was given, answers with what it holds.
#[derive(Default)]
struct Mock {
    /// Handlers run so far.
    calls: usize,
    /// Requests asked about so far.
    asked: Vec<V4l2Request>,
    /// The last value that came in.
    given: Vec<u8>,
    /// The bytes to answer with; zeros beyond its end. `None` to answer with what came in.
    answer: Option<Vec<u8>>,
    /// What to fail with.
    error: Option<Errno>,
    /// What not to admit ranked requests with.
    refuses: Option<Errno>,
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
        for (to, from) in value.as_mut_bytes().iter_mut().zip(self.answer.as_ref().unwrap_or(&self.given)) {
            *to = *from;
        }
        self.done().map(|()| value)
    }

    fn list(&mut self, head: &mut V4l2ExtControls, controls: &mut dyn ControlList) -> Result<(), Errno> {
        assert_eq!(head.controls, 0, "a handler sees no address");
        assert_eq!((head.error_idx, head.count as usize), (head.count, controls.len()));
        assert_eq!(controls.get(controls.len()), Err(Errno::EINVAL));
        self.given.clear();
        for index in 0..controls.len() {
            let mut control = controls.get(index)?;
            self.given.extend_from_slice(control.as_bytes());
            if self.error.is_some() {
                head.error_idx = index as u32;
            } else {
                control.set_value(control.value() + 1);
                controls.set(index, control)?;
            }
        }
        self.done()
    }
}

macro_rules! mock {
    ($(get $get:ident $get_ty:ty;)* $(set $set:ident $set_ty:ty;)* $(both $both:ident $both_ty:ty;)*
     $(list $list:ident;)*) => {
        impl V4l2Device for Mock {
            fn knows(&self, _row: &V4l2Row) -> bool {
                true
            }
            fn admit(&mut self, row: &V4l2Row) -> Result<(), Errno> {
                self.asked.push(row.id);
                match self.refuses {
                    Some(errno) if row.ranked => Err(errno),
                    _ => Ok(()),
                }
            }
            fn log_status(&mut self) -> Result<(), Errno> {
                self.done()
            }
            $(fn $get(&mut self) -> Result<$get_ty, Errno> {
                self.given.clear();
                self.give()
            })*
            $(fn $set(&mut self, value: $set_ty) -> Result<(), Errno> {
                self.take(value)
            })*
            $(fn $both(&mut self, value: $both_ty) -> Result<$both_ty, Errno> {
                self.given = value.as_bytes().to_vec();
                self.give()
            })*
            $(fn $list(
                &mut self,
                head: &mut V4l2ExtControls,
                controls: &mut dyn ControlList,
            ) -> Result<(), Errno> {
                self.list(head, controls)
            })*
        }

        /// Rows that have a method.
        fn answered(row: &V4l2Row) -> bool {
            const NAMES: &[&str] =
                &["log_status", $(stringify!($get),)* $(stringify!($set),)* $(stringify!($both),)*
                  $(stringify!($list),)*];
            let method = row.name.trim_start_matches("VIDIOC_").to_lowercase();
            NAMES.contains(&method.as_str())
        }
    };
}

mock! {
    get querycap V4l2Capability;
    get g_std u64;
    get g_audio V4l2Audio;
    get g_input i32;
    get g_output i32;
    get querystd u64;
    get g_priority u32;
    get dqevent V4l2Event;
    set streamon i32;
    set streamoff i32;
    set s_std u64;
    set s_tuner V4l2Tuner;
    set s_audio V4l2Audio;
    set s_frequency V4l2Frequency;
    set s_crop V4l2Crop;
    set s_priority u32;
    set subscribe_event V4l2EventSubscription;
    set unsubscribe_event V4l2EventSubscription;
    both enum_fmt V4l2Fmtdesc;
    both g_fmt V4l2Format;
    both s_fmt V4l2Format;
    both reqbufs V4l2Requestbuffers;
    both querybuf V4l2Buffer;
    both qbuf V4l2Buffer;
    both expbuf V4l2Exportbuffer;
    both dqbuf V4l2Buffer;
    both g_parm V4l2Streamparm;
    both s_parm V4l2Streamparm;
    both enumstd V4l2Standard;
    both enuminput V4l2Input;
    both g_ctrl V4l2Control;
    both s_ctrl V4l2Control;
    both g_tuner V4l2Tuner;
    both queryctrl V4l2Queryctrl;
    both querymenu V4l2Querymenu;
    both s_input i32;
    both s_output i32;
    both enumoutput V4l2Output;
    both g_frequency V4l2Frequency;
    both cropcap V4l2Cropcap;
    both g_crop V4l2Crop;
    both try_fmt V4l2Format;
    both enumaudio V4l2Audio;
    both enum_framesizes V4l2Frmsizeenum;
    both enum_frameintervals V4l2Frmivalenum;
    both create_bufs V4l2CreateBuffers;
    both prepare_buf V4l2Buffer;
    both g_selection V4l2Selection;
    both s_selection V4l2Selection;
    both enum_freq_bands V4l2FrequencyBand;
    both query_ext_ctrl V4l2QueryExtCtrl;
    list g_ext_ctrls;
    list s_ext_ctrls;
    list try_ext_ctrls;
}

/// Implements nothing.
struct Bare;
impl V4l2Device for Bare {}

/// Implements nothing and knows everything.
struct Curious;
impl V4l2Device for Curious {
    fn knows(&self, _row: &V4l2Row) -> bool {
        true
    }
}

/// Bytes each different from its neighbours.
fn pattern(len: usize, start: u8) -> Vec<u8> {
    (0..len).map(|index| start.wrapping_add(index as u8)).collect()
}

fn call<D: V4l2Device + ?Sized>(dev: &mut D, request: u32, bytes: &mut [u8]) -> Result<i32, Errno> {
    let memory = BufferMemory::new(BASE, bytes);
    dispatch_v4l2(dev, &memory, Abi::Lp64, request.into(), BASE)
}

/// Rows that copy a value of their own: all that are answered, but for lists.
fn plain_rows() -> impl Iterator<Item = &'static V4l2Row> {
    V4L2.iter().filter(|row| answered(row) && !row.copies_on_error)
}

/// A value that passes as it is: it has a type that is none of a picture, or nothing in the fields
/// that are cleared one by one.
fn neutral(row: &V4l2Row) -> Vec<u8> {
    let mut bytes = pattern(row.len(), 1);
    match row.argument {
        "struct v4l2_streamparm" => {
            let mut parm = V4l2Streamparm { type_: 1, ..V4l2Streamparm::default() };
            parm.set_capture(V4l2Captureparm { capability: 3, readbuffers: 4, ..Default::default() });
            bytes = parm.as_bytes().to_vec();
        }
        "struct v4l2_requestbuffers" => bytes[12..16].fill(0),
        "struct v4l2_create_buffers" => bytes[224..228].fill(0),
        _ => {}
    }
    bytes
}

#[test]
fn the_program_says_what_is_kept_and_the_rest_is_zero() {
    for row in plain_rows() {
        let mut mock = Mock::default();
        let sent = neutral(row);
        let mut bytes = sent.clone();
        assert_eq!(call(&mut mock, row.lp64, &mut bytes), Ok(0), "{}", row.name);
        assert_eq!((mock.calls, mock.asked.as_slice()), (1, [row.id].as_slice()), "{}", row.name);
        if matches!(row.direction, Direction::Set | Direction::Exchange) {
            let mut expected = sent.clone();
            expected[row.kept..].fill(0);
            assert_eq!(mock.given, expected, "{}", row.name);
        } else {
            assert!(mock.given.is_empty(), "{}", row.name);
        }
        if matches!(row.direction, Direction::Plain | Direction::Set) {
            assert_eq!(bytes, sent, "{} writes nothing", row.name);
        }
    }
}

#[test]
fn answers_go_out_whole() {
    for row in plain_rows() {
        let answer = neutral(row);
        let mut mock = Mock { answer: Some(answer.clone()), ..Mock::default() };
        let mut bytes = vec![0xee; row.len()];
        assert_eq!(call(&mut mock, row.lp64, &mut bytes), Ok(0), "{}", row.name);
        if matches!(row.direction, Direction::Plain | Direction::Set) {
            continue;
        }
        let mut expected = answer;
        if row.argument == "struct v4l2_buffer" {
            // What a buffer's answer never has.
            expected[76..84].fill(0);
        }
        assert_eq!(bytes, expected, "{}", row.name);
    }
}

#[test]
fn only_what_is_kept_has_to_be_readable() {
    for row in plain_rows().filter(|row| row.kept > 0 && row.kept < row.len()) {
        // The program's value ends where the page does: the handler runs, the answer has no room.
        let mut mock = Mock::default();
        assert_eq!(call(&mut mock, row.lp64, &mut pattern(row.kept, 1)), Err(Errno::EFAULT));
        assert_eq!(mock.calls, 1, "{}", row.name);
        let mut mock = Mock::default();
        assert_eq!(call(&mut mock, row.lp64, &mut pattern(row.kept - 1, 1)), Err(Errno::EFAULT));
        assert_eq!(mock.calls, 0, "{}", row.name);
    }
}

#[test]
fn formats_are_tidied_both_ways() {
    let pix = V4l2PixFormat {
        width: 640,
        height: 480,
        pixelformat: fourcc::YUYV.0,
        colorspace: 99,
        priv_: 1,
        flags: 0xff,
        xfer_func: 99,
        ..V4l2PixFormat::default()
    };
    let tidy = V4l2PixFormat { colorspace: 0, priv_: V4L2_PIX_FMT_PRIV_MAGIC, flags: 0, xfer_func: 0, ..pix };
    for request in [r::S_FMT, r::TRY_FMT] {
        let mut mock = Mock::default();
        let mut format = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_CAPTURE, pix);
        format.fmt[48..].fill(7);
        assert_eq!(call(&mut mock, request, format.as_mut_bytes()), Ok(0));
        let expected = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_CAPTURE, tidy);
        assert_eq!(mock.given, expected.as_bytes());
        assert_eq!(format, expected);
    }
    // A handler need not set the mark.
    let answer = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_OUTPUT, V4l2PixFormat { priv_: 0, ..tidy });
    let mut mock = Mock { answer: Some(answer.as_bytes().to_vec()), ..Mock::default() };
    let mut format = V4l2Format { type_: V4L2_BUF_TYPE_VIDEO_OUTPUT, pad: [0; 4], fmt: [7; 200] };
    assert_eq!(call(&mut mock, r::G_FMT, format.as_mut_bytes()), Ok(0));
    assert_eq!(format.pix(), tidy);
    assert!(mock.given[48..].iter().all(|&byte| byte == 0));
}

#[test]
fn unknown_is_enotty_also_with_null() {
    let memory = BufferMemory::new(BASE, &mut []);
    for abi in [Abi::Lp64, Abi::Ilp32] {
        for request in [0, 0x5421, 0x5600, 0x56ff, 0x803c_7601, u64::MAX] {
            let result = dispatch_v4l2(&mut Mock::default(), &memory, abi, request, 0);
            assert_eq!(result, Err(Errno::ENOTTY), "{request:#x}");
        }
        for row in V4L2 {
            // Known to no node, and no method even where it is known.
            let request = row.lp64.into();
            if !(row.on_input || row.on_output) {
                assert_eq!(dispatch_v4l2(&mut Bare, &memory, abi, request, 0), Err(Errno::ENOTTY));
            }
            if !answered(row) {
                assert_eq!(dispatch_v4l2(&mut Curious, &memory, abi, request, 0), Err(Errno::ENOTTY));
                assert!(!(row.on_input || row.on_output), "{}", row.name);
            }
        }
    }
}

#[test]
fn shapes_of_another_abi_are_unknown() {
    for row in V4L2 {
        let numbers = [(Abi::Ilp32, row.lp64), (Abi::Lp64, row.ilp32), (Abi::Lp64, row.ilp32_time64)];
        for (abi, number) in numbers {
            let mut bytes = vec![0; row.len()];
            let memory = BufferMemory::new(BASE, &mut bytes);
            let result = dispatch_v4l2(&mut Mock::default(), &memory, abi, number.into(), BASE);
            let same = number == row.request(abi) || number == row.lp64 && abi == Abi::Lp64;
            let expected = if same && answered(row) { Ok(0) } else { Err(Errno::ENOTTY) };
            assert_eq!(result, expected, "{} {number:#x}", row.name);
        }
    }
}

/// What the handler of a 32-bit program's request is given, and what the program gets of the answer.
fn narrow<W, N>(request: u32, program: N, answer: W) -> (W, N)
where
    W: FromBytes + IntoBytes + Immutable,
    N: FromBytes + IntoBytes + Immutable,
{
    let mut bytes = program.as_bytes().to_vec();
    assert_eq!(bytes.len(), ioc::ioc_size(request));
    // Behind the structure lies something of the program's.
    bytes.extend([0xaa; 32]);
    let memory = BufferMemory::new(BASE, &mut bytes);
    let mut mock = Mock { answer: Some(answer.as_bytes().to_vec()), ..Mock::default() };
    assert_eq!(dispatch_v4l2(&mut mock, &memory, Abi::Ilp32, request.into(), BASE), Ok(0));
    assert_eq!(bytes.split_off(size_of::<N>()), [0xaa; 32]);
    let given = W::read_from_bytes(&mock.given).expect("a whole structure");
    (given, N::read_from_bytes(&bytes).expect("a whole structure"))
}

#[test]
fn buffers_of_32_bit_programs() {
    let asked = V4l2Buffer32 {
        index: 3,
        type_: V4L2_BUF_TYPE_VIDEO_OUTPUT,
        bytesused: 77,
        timestamp: V4l2Timeval32 { sec: -2, usec: 5 },
        sequence: 9,
        m: 0x8000_1000,
        length: 4096,
        ..V4l2Buffer32::default()
    };
    let timestamp = V4l2Timeval { sec: 1_000_000, usec: 999_999 };
    let answer = V4l2Buffer { index: 4, timestamp, m: 0xffff_f000, ..V4l2Buffer::default() };
    let (given, got) = narrow(r::QBUF32, asked, answer);
    assert_eq!(given, asked.into());
    assert_eq!((given.timestamp.sec, given.m, given.length), (-2, 0x8000_1000, 4096));
    let timestamp = V4l2Timeval32 { sec: 1_000_000, usec: 999_999 };
    assert_eq!(got, V4l2Buffer32 { index: 4, timestamp, m: 0xffff_f000, ..V4l2Buffer32::default() });

    let late = V4l2Timeval { sec: 1 << 40, usec: 1 };
    let asked = V4l2Buffer32Time64 { index: 3, timestamp: late.into(), ..V4l2Buffer32Time64::default() };
    let (given, got) = narrow(r::DQBUF32_TIME64, asked, V4l2Buffer { timestamp: late, ..answer });
    assert_eq!((given.index, given.timestamp), (3, late));
    assert_eq!((V4l2Timeval::from(got.timestamp), got.m), (late, 0xffff_f000));

    // What is not the program's to say.
    let asked = V4l2Buffer32 { reserved2: 8, request_fd: 9, length: 7, ..V4l2Buffer32::default() };
    let (given, _) = narrow(r::QUERYBUF32, asked, answer);
    assert_eq!(given, V4l2Buffer { length: 7, ..V4l2Buffer::default() });
}

#[test]
fn an_address_that_a_32_bit_program_cannot_hold_is_refused() {
    let mut bytes = [0; 68];
    let memory = BufferMemory::new(BASE, &mut bytes);
    let answer = V4l2Buffer { m: 1 << 32, ..V4l2Buffer::default() };
    let mut mock = Mock { answer: Some(answer.as_bytes().to_vec()), ..Mock::default() };
    let result = dispatch_v4l2(&mut mock, &memory, Abi::Ilp32, r::QUERYBUF32.into(), BASE);
    assert_eq!(result, Err(Errno::EOVERFLOW));
    assert_eq!(bytes, [0; 68]);
}

#[test]
fn formats_and_lists_of_32_bit_programs() {
    let pix = V4l2PixFormat { width: 640, height: 480, ..V4l2PixFormat::default() };
    let wide = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_OUTPUT, pix);
    let (given, got) = narrow(r::S_FMT32, V4l2Format32::from(wide), wide);
    assert_eq!((given.type_, given.pix().width, given.pix().priv_), (2, 640, V4L2_PIX_FMT_PRIV_MAGIC));
    assert_eq!((got.type_, V4l2Format::from(got).pix().height), (2, 480));
    // Of G_FMT's argument only the type is looked at.
    let asked = V4l2Format32 { type_: 2, fmt: [9; 200] };
    let (given, _) = narrow(r::G_FMT32, asked, wide);
    assert_eq!((given.type_, given.fmt[48..].iter().all(|&byte| byte == 0)), (2, true));

    let create = V4l2CreateBuffers { count: 2, format: wide, ..V4l2CreateBuffers::default() };
    let (given, got) = narrow(r::CREATE_BUFS32, V4l2CreateBuffers32::from(create), create);
    assert_eq!((given.count, given.format.pix().width), (2, 640));
    assert_eq!((got.count, got.format.type_), (2, 2));

    let input = V4l2Input { index: 1, std: 0x0123_4567_89ab_cdef, status: 2, ..V4l2Input::default() };
    let (given, got) = narrow(r::ENUMINPUT32, V4l2Input32::from(input), input);
    assert_eq!(given, V4l2Input { index: 1, ..V4l2Input::default() });
    assert_eq!(got, input.into());
    let standard = V4l2Standard { id: 0x0123_4567_89ab_cdef, framelines: 625, ..V4l2Standard::default() };
    let (_, got) = narrow(r::ENUMSTD32, V4l2Standard32::default(), standard);
    assert_eq!((got.id.into(), got.framelines), (0x0123_4567_89ab_cdefu64, 625));
}

#[test]
fn controls_of_32_bit_programs() {
    let mut bytes = vec![0; 24 + 2 * 20];
    let head = V4l2ExtControls32 { count: 2, controls: 0x1018, ..V4l2ExtControls32::default() };
    assert_eq!(BASE, 0x1000);
    bytes[..24].copy_from_slice(head.as_bytes());
    // A text at an address, whose upper half the program does not know of, and a number of 64 bits.
    for (at, size) in [(24, 5u8), (44, 0)] {
        bytes[at + 4] = size;
        bytes[at + 12..at + 20].fill(0xbb);
    }
    struct Reads(Vec<i64>);
    impl V4l2Device for Reads {
        fn knows(&self, _row: &V4l2Row) -> bool {
            true
        }
        fn g_ext_ctrls(
            &mut self,
            head: &mut V4l2ExtControls,
            controls: &mut dyn ControlList,
        ) -> Result<(), Errno> {
            for index in 0..controls.len() {
                let mut control = controls.get(index)?;
                self.0.push(control.value64());
                control.id = 0x55;
                controls.set(index, control)?;
            }
            head.error_idx = 1;
            Ok(())
        }
    }
    let mut device = Reads(Vec::new());
    let memory = BufferMemory::new(BASE, &mut bytes);
    assert_eq!(dispatch_v4l2(&mut device, &memory, Abi::Ilp32, r::G_EXT_CTRLS32.into(), BASE), Ok(0));
    assert_eq!(device.0, [0xbbbb_bbbb, i64::from_ne_bytes([0xbb; 8])]);
    assert_eq!((bytes[8], bytes[24], bytes[44], &bytes[20..24]), (1, 0x55, 0x55, &[0x18, 0x10, 0, 0][..]));
}

#[test]
fn known_with_a_bad_address_is_efault() {
    for row in V4L2.iter().filter(|row| answered(row)) {
        let mut bytes = pattern(row.len(), 1);
        let memory = BufferMemory::new(BASE, &mut bytes);
        // NULL, an integer, before and after the buffer, the end of the address space.
        for arg in [0, 1, BASE - 1, BASE + row.len(), usize::MAX] {
            let mut mock = Mock::default();
            let result = dispatch_v4l2(&mut mock, &memory, Abi::Lp64, row.lp64.into(), arg);
            if row.direction == Direction::Plain {
                assert_eq!(result, Ok(0), "{} looks at no argument", row.name);
                continue;
            }
            assert_eq!(result, Err(Errno::EFAULT), "{} {arg:#x}", row.name);
            let reads = row.direction != Direction::Get;
            assert!(!(reads && mock.calls + mock.asked.len() > 0), "{} was asked", row.name);
        }
    }
}

#[test]
fn a_handlers_error_is_the_answer_and_nothing_is_written() {
    for row in plain_rows() {
        let mut mock = Mock { error: Some(Errno::EBUSY), ..Mock::default() };
        let sent = pattern(row.len(), 3);
        let mut bytes = sent.clone();
        assert_eq!(call(&mut mock, row.lp64, &mut bytes), Err(Errno::EBUSY), "{}", row.name);
        assert_eq!(bytes, sent, "{}", row.name);
    }
}

#[test]
fn what_is_not_admitted_does_not_run() {
    for row in V4L2.iter().filter(|row| answered(row)) {
        let mut mock = Mock { refuses: Some(Errno::EBUSY), ..Mock::default() };
        let mut bytes = vec![0; row.len()];
        let result = call(&mut mock, row.lp64, &mut bytes);
        let expected = if row.ranked { Err(Errno::EBUSY) } else { Ok(0) };
        assert_eq!(result, expected, "{}", row.name);
        assert_eq!(mock.calls, usize::from(!row.ranked), "{}", row.name);
    }
}

#[test]
fn what_a_device_does_not_implement_is_enotty() {
    for row in V4L2 {
        let sent = pattern(row.len(), 3);
        for known in [false, true] {
            let mut bytes = sent.clone();
            if row.copies_on_error {
                // No controls: the list's head is all there is.
                bytes.fill(0);
            }
            let before = bytes.clone();
            let result = match known {
                false => call(&mut Bare, row.lp64, &mut bytes),
                true => call(&mut Curious, row.lp64, &mut bytes),
            };
            assert_eq!(result, Err(Errno::ENOTTY), "{}", row.name);
            assert_eq!(bytes, before, "{}", row.name);
        }
    }
}

#[test]
fn sign_extended_requests_are_cut() {
    let mut bytes = [0; 104];
    let memory = BufferMemory::new(BASE, &mut bytes);
    let request = r::QUERYCAP as i32 as i64 as u64;
    assert_eq!(request, 0xffff_ffff_8068_5600);
    assert_eq!(dispatch_v4l2(&mut Mock::default(), &memory, Abi::Lp64, request, BASE), Ok(0));
}

#[test]
fn a_device_behind_a_pointer_is_served() {
    let mut mock = Mock::default();
    let device: &mut dyn V4l2Device = &mut mock;
    assert_eq!(call(device, r::QUERYCAP, &mut [0; 104]), Ok(0));
}

/// A list's head, and after it the controls, with values from 10 up.
fn list(count: u32, present: usize) -> Vec<u8> {
    let head = V4l2ExtControls {
        count,
        error_idx: 77,
        reserved: 5,
        controls: (BASE + size_of::<V4l2ExtControls>()) as u64,
        ..V4l2ExtControls::default()
    };
    let mut bytes = head.as_bytes().to_vec();
    for index in 0..present {
        let mut control =
            V4l2ExtControl { id: V4L2_CID_BRIGHTNESS + index as u32, reserved2: 9, ..Default::default() };
        control.set_value(10 + index as i32);
        bytes.extend_from_slice(control.as_bytes());
    }
    bytes
}

fn head_of(bytes: &[u8]) -> V4l2ExtControls {
    V4l2ExtControls::read_from_prefix(bytes).expect("a head").0
}

fn control_of(bytes: &[u8], index: usize) -> V4l2ExtControl {
    V4l2ExtControl::read_from_prefix(&bytes[32 + 20 * index..]).expect("a control").0
}

const LISTS: [u32; 3] = [r::G_EXT_CTRLS, r::S_EXT_CTRLS, r::TRY_EXT_CTRLS];

#[test]
fn controls_of_a_list_go_both_ways() {
    for request in LISTS {
        let mut mock = Mock::default();
        let mut bytes = list(3, 3);
        let array = head_of(&bytes).controls;
        assert_eq!(call(&mut mock, request, &mut bytes), Ok(0));
        let head = head_of(&bytes);
        assert_eq!((head.count, head.error_idx, head.reserved, head.controls), (3, 3, 0, array));
        for index in 0..3 {
            let control = control_of(&bytes, index);
            assert_eq!((control.value(), control.reserved2), (11 + index as i32, 0));
        }
        let first = V4l2ExtControl::read_from_prefix(&mock.given).expect("a control").0;
        assert_eq!((first.id, first.value(), first.reserved2), (V4L2_CID_BRIGHTNESS, 10, 0));
    }
}

#[test]
fn a_list_that_fails_says_where() {
    for request in LISTS {
        let mut mock = Mock { error: Some(Errno::ERANGE), ..Mock::default() };
        let mut bytes = list(2, 2);
        assert_eq!(call(&mut mock, request, &mut bytes), Err(Errno::ERANGE));
        assert_eq!(head_of(&bytes).error_idx, 1);
        // ENOTTY is as if the request were unknown: nothing is written.
        mock.error = Some(Errno::ENOTTY);
        let mut bytes = list(2, 2);
        let before = bytes.clone();
        assert_eq!(call(&mut mock, request, &mut bytes), Err(Errno::ENOTTY));
        assert_eq!(bytes, before);
    }
}

#[test]
fn lists_that_cannot_be_are_refused_before_the_handler() {
    for request in LISTS {
        for (count, present, errno) in [
            (3, 2, Errno::EFAULT),
            (1, 0, Errno::EFAULT),
            (1024, 0, Errno::EFAULT),
            (1025, 0, Errno::EINVAL),
            (u32::MAX, 2, Errno::EINVAL),
        ] {
            let mut mock = Mock::default();
            let mut bytes = list(count, present);
            let before = bytes.clone();
            assert_eq!(call(&mut mock, request, &mut bytes), Err(errno), "{count} of {present}");
            assert_eq!((mock.calls, bytes), (0, before));
        }
        // An array at the end of the address space, and none at all, which is fine if it is empty.
        let mut mock = Mock::default();
        let mut bytes = list(2, 2);
        bytes[24..32].copy_from_slice(&(u64::MAX - 20).to_ne_bytes());
        assert_eq!(call(&mut mock, request, &mut bytes), Err(Errno::EFAULT));
        let mut bytes = list(0, 0);
        bytes[24..32].fill(0);
        assert_eq!(call(&mut mock, request, &mut bytes), Ok(0));
        assert_eq!(mock.calls, 1);
    }
}

fn any_request() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        // Of the right type, with any size and direction.
        (0u32..4, any::<u8>(), 0usize..400)
            .prop_map(|(dir, nr, size)| u64::from(ioc::ioc(dir, b'V', nr, size))),
        // Known, with any upper half.
        (0..V4L2.len(), 0usize..3, any::<u32>()).prop_map(|(index, which, high)| {
            let row = &V4L2[index];
            u64::from(high) << 32 | u64::from([row.lp64, row.ilp32, row.ilp32_time64][which])
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
        answer in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
    ) {
        let abi = if wide { Abi::Lp64 } else { Abi::Ilp32 };
        let before = bytes.clone();
        let known = V4L2
            .iter()
            .find(|row| V4l2Request::find(request, abi) == Some(row.id) && answered(row));
        let mut mock = Mock { answer, ..Mock::default() };
        let memory = BufferMemory::new(BASE, &mut bytes);
        let result = dispatch_v4l2(&mut mock, &memory, abi, request, arg);
        let Some(row) = known else {
            prop_assert_eq!(result, Err(Errno::ENOTTY));
            prop_assert_eq!(bytes, before);
            return Ok(());
        };
        let len = ioc::ioc_size(request as u32);
        let fits = row.is_empty() || arg >= BASE && arg - BASE + len <= before.len();
        match result {
            Ok(value) => prop_assert!(value == 0 && fits),
            Err(Errno::EFAULT) => prop_assert!(!fits || row.copies_on_error),
            Err(Errno::EINVAL) => prop_assert!(row.copies_on_error),
            Err(Errno::EOVERFLOW) => prop_assert!(abi == Abi::Ilp32),
            Err(other) => prop_assert!(false, "{other}"),
        }
        let writes = result == Ok(0)
            && matches!(row.direction, Direction::Get | Direction::Exchange)
            && !row.copies_on_error;
        if writes {
            // Nothing outside the argument changes.
            let (start, end) = (arg - BASE, arg - BASE + len);
            prop_assert_eq!(&bytes[..start], &before[..start]);
            prop_assert_eq!(&bytes[end..], &before[end..]);
        } else if !row.copies_on_error {
            prop_assert_eq!(bytes, before);
        }
    }
}
