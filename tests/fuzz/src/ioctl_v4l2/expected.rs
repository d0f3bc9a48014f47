//! What the dispatch does to arguments on their way in and out, by offsets in the C structures
//! (linux/videodev2.h, 64-bit) and the rules of the V4L2 specification.

use vloopback_abi::v4l2::{
    V4L2_BUF_FLAG_REQUEST_FD, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_COLORSPACE_DCI_P3, V4L2_HSV_ENC_180, V4L2_HSV_ENC_256, V4L2_MODE_HIGHQUALITY,
    V4L2_PIX_FMT_PRIV_MAGIC, V4L2_QUANTIZATION_LIM_RANGE, V4L2_XFER_FUNC_SMPTE2084, V4L2_YCBCR_ENC_SMPTE240M,
};
use vloopback_ioctl::V4l2Row;

/// Bytes of a list's head.
pub const HEAD_LEN: usize = 32;
/// Bytes of a control in a list.
pub const CONTROL_LEN: usize = 20;
/// The most controls of a list.
pub const MOST_CONTROLS: usize = 1024;

/// Where in a format the union of formats is.
const UNION: usize = 8;
/// Where in a format `fmt.pix.priv` is.
pub const PRIV: usize = UNION + 28;
/// Where in a format the picture's colours are.
pub const COLOURS: [usize; 4] = [UNION + 24, UNION + 36, UNION + 40, UNION + 44];
/// Where in a format the picture's ends.
const PIX_END: usize = UNION + 48;
/// Where in `struct v4l2_create_buffers` the format is, and where it ends.
const CREATE_FORMAT: std::ops::Range<usize> = 16..224;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

/// What a handler gets of the bytes that the program may say.
pub fn given(row: &V4l2Row, kept: &[u8]) -> Vec<u8> {
    let mut bytes = kept.to_vec();
    bytes.resize(row.len(), 0);
    match row.argument {
        "struct v4l2_format" => format_in(&mut bytes),
        "struct v4l2_create_buffers" => {
            format_in(&mut bytes[CREATE_FORMAT]);
            // capabilities
            set_word(&mut bytes, 224, 0);
        }
        // capabilities
        "struct v4l2_requestbuffers" => set_word(&mut bytes, 12, 0),
        "struct v4l2_streamparm" => {
            // parm.capture and parm.output: the mode, extendedmode, reserved and the rest.
            let mode = word(&bytes, 8) & V4L2_MODE_HIGHQUALITY;
            set_word(&mut bytes, 8, mode);
            set_word(&mut bytes, 20, 0);
            bytes[28..].fill(0);
        }
        _ => {}
    }
    bytes
}

/// What a program gets of a handler's answer.
pub fn answered(row: &V4l2Row, mut answer: Vec<u8>) -> Vec<u8> {
    match row.argument {
        "struct v4l2_format" => format_out(&mut answer),
        "struct v4l2_create_buffers" => format_out(&mut answer[CREATE_FORMAT]),
        "struct v4l2_buffer" => {
            // reserved2, and request_fd if nothing says that there is one.
            set_word(&mut answer, 76, 0);
            if word(&answer, 12) & V4L2_BUF_FLAG_REQUEST_FD == 0 {
                set_word(&mut answer, 80, 0);
            }
        }
        _ => {}
    }
    answer
}

fn is_picture(format: &[u8]) -> bool {
    [V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT].contains(&word(format, 0))
}

fn format_in(format: &mut [u8]) {
    if !is_picture(format) {
        return;
    }
    let [colorspace, priv_, flags, encoding, quantization, transfer] =
        [24, 28, 32, 36, 40, 44].map(|at| word(format, UNION + at));
    let extended = priv_ == V4L2_PIX_FMT_PRIV_MAGIC;
    let colorspace = if colorspace > V4L2_COLORSPACE_DCI_P3 { 0 } else { colorspace };
    // What refines a colorspace says nothing without one, nor in a program that does not know of it.
    let refined = |value: u32, exists: bool| if extended && colorspace != 0 && exists { value } else { 0 };
    let encoding_exists = match &format[UNION + 8..UNION + 12] {
        b"HSV3" | b"HSV4" => encoding == V4L2_HSV_ENC_180 || encoding == V4L2_HSV_ENC_256,
        _ => encoding <= V4L2_YCBCR_ENC_SMPTE240M,
    };
    for (at, value) in [
        (24, colorspace),
        (28, V4L2_PIX_FMT_PRIV_MAGIC),
        (32, if extended { flags } else { 0 }),
        (36, refined(encoding, encoding_exists)),
        (40, refined(quantization, quantization <= V4L2_QUANTIZATION_LIM_RANGE)),
        (44, refined(transfer, transfer <= V4L2_XFER_FUNC_SMPTE2084)),
    ] {
        set_word(format, UNION + at, value);
    }
    format[PIX_END..].fill(0);
}

fn format_out(format: &mut [u8]) {
    if is_picture(format) {
        set_word(format, PRIV, V4L2_PIX_FMT_PRIV_MAGIC);
        format[PIX_END..].fill(0);
    }
}

/// How many controls a list's head says there are, and at which address.
pub fn count_and_array(head: &[u8]) -> (usize, u64) {
    let array = u64::from_ne_bytes(head[24..32].try_into().expect("eight bytes"));
    (word(head, 4) as usize, array)
}

/// A list's head as a handler gets it: without an address, and nothing has failed yet.
pub fn entered_head(head: &[u8]) -> Vec<u8> {
    let mut head = head.to_vec();
    let count = word(&head, 4);
    set_word(&mut head, 8, count);
    set_word(&mut head, 16, 0);
    head[24..32].fill(0);
    head
}

/// A list's head as the program gets it back, with the control that a handler named.
pub fn left_head(mut head: Vec<u8>, named: Option<usize>, array: u64) -> Vec<u8> {
    if let Some(named) = named {
        set_word(&mut head, 8, named as u32);
    }
    head[24..32].copy_from_slice(&array.to_ne_bytes());
    head
}

/// A list as a handler gets it: the head, then the controls with their reserved field zero. Where a value has a
/// size, its address is as long as the program's pointers.
pub fn given_list(head: &[u8], controls: &[u8], is_narrow: bool) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for control in controls.chunks_exact(CONTROL_LEN) {
        let start = bytes.len();
        bytes.extend_from_slice(control);
        set_word(&mut bytes, start + 8, 0);
        if is_narrow && word(control, 4) != 0 {
            set_word(&mut bytes, start + 16, 0);
        }
    }
    bytes
}

/// The first of these controls, with the value that the device here sets.
pub fn changed_control(controls: &[u8]) -> Vec<u8> {
    let mut control = controls[..CONTROL_LEN].to_vec();
    control[12..].iter_mut().for_each(|byte| *byte = !*byte);
    control
}
