//! The system's `linux/videodev2.h` and this crate say the same, as a C compiler sees it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use vloopback_abi::v4l2::request::REQUESTS;
#[cfg(target_arch = "x86_64")]
use vloopback_abi::v4l2::shapes32::*;
use vloopback_abi::v4l2::*;

/// Runs the C compiler over a source text, front end only; `None` if there is no compiler.
fn compile(arguments: &[&str], source: &str) -> Option<Output> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let spawned = Command::new(cc)
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c"])
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIP: no C compiler");
            return None;
        }
        Err(error) => panic!("the C compiler does not start: {error}"),
    };
    let mut stdin = child.stdin.take().expect("stdin was piped");
    // A compiler that rejects its options exits without reading; its own message tells then.
    let _ = stdin.write_all(source.as_bytes());
    drop(stdin);
    Some(child.wait_with_output().expect("the C compiler ends"))
}

/// The header, and that it is new enough to know every name here (Linux 6.1).
const HEADER: &str = "#include <stddef.h>\n#include <linux/version.h>\n#include <linux/videodev2.h>\n\
    _Static_assert(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0), \"old\");\n";

/// Asserts that the C compiler agrees with what is claimed after a prelude and the header; SKIP
/// where it has no such header or does not take the arguments.
fn assert_compiles_as(arguments: &[&str], prelude: &str, claims: &str) {
    match compile(arguments, &[prelude, HEADER].concat()) {
        Some(probe) if probe.status.success() => {}
        Some(_) => return println!("SKIP: no linux/videodev2.h of Linux 6.1 or later for {arguments:?}"),
        None => return,
    }
    if let Some(output) = compile(arguments, &[prelude, HEADER, claims].concat()) {
        assert!(output.status.success(), "cc {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn assert_compiles(claims: &str) {
    assert_compiles_as(&[], "", claims);
}

/// Writes a C assertion for a structure's size and for each field's offset and size.
///
/// The union members of a field are named by the text after `=`.
macro_rules! c_struct {
    ($out:ident, $c:literal, $ty:ident { $($field:ident $(= $cfield:literal)?),* $(,)? }) => {
        writeln!($out, "_Static_assert(sizeof(struct {0}) == {1}, \"{0}\");", $c, size_of::<$ty>())
            .expect("a String takes all");
        let value = $ty::default();
        $(
            let name = [$($cfield,)? stringify!($field)][0];
            writeln!(
                $out,
                "_Static_assert(offsetof(struct {0}, {1}) == {2} && \
                 sizeof(((struct {0} *)0)->{1}) == {3}, \"{0}.{1}\");",
                $c, name, std::mem::offset_of!($ty, $field), size_of_val(&value.$field),
            )
            .expect("a String takes all");
        )*
    };
}

/// What has the same layout in 64-bit and 32-bit programs.
fn common() -> String {
    let mut out = String::new();
    c_struct!(
        out,
        "v4l2_capability",
        V4l2Capability { driver, card, bus_info, version, capabilities, device_caps, reserved }
    );
    c_struct!(out, "v4l2_fmtdesc", V4l2Fmtdesc {
        index, type_ = "type", flags, description, pixelformat, mbus_code, reserved,
    });
    c_struct!(out, "v4l2_pix_format", V4l2PixFormat {
        width, height, pixelformat, field, bytesperline, sizeimage, colorspace, priv_ = "priv", flags,
        ycbcr_enc, quantization, xfer_func,
    });
    c_struct!(out, "v4l2_requestbuffers", V4l2Requestbuffers {
        count, type_ = "type", memory, capabilities, flags, reserved,
    });
    c_struct!(out, "v4l2_timecode", V4l2Timecode {
        type_ = "type", flags, frames, seconds, minutes, hours, userbits,
    });
    c_struct!(out, "v4l2_exportbuffer", V4l2Exportbuffer {
        type_ = "type", index, plane, flags, fd, reserved,
    });
    c_struct!(out, "v4l2_rect", V4l2Rect { left, top, width, height });
    c_struct!(out, "v4l2_fract", V4l2Fract { numerator, denominator });
    c_struct!(out, "v4l2_cropcap", V4l2Cropcap { type_ = "type", bounds, defrect, pixelaspect });
    c_struct!(out, "v4l2_crop", V4l2Crop { type_ = "type", c });
    c_struct!(out, "v4l2_selection", V4l2Selection { type_ = "type", target, flags, r, reserved });
    c_struct!(
        out,
        "v4l2_captureparm",
        V4l2Captureparm { capability, capturemode, timeperframe, extendedmode, readbuffers, reserved }
    );
    c_struct!(
        out,
        "v4l2_outputparm",
        V4l2Outputparm { capability, outputmode, timeperframe, extendedmode, writebuffers, reserved }
    );
    c_struct!(out, "v4l2_streamparm", V4l2Streamparm { type_ = "type", parm });
    c_struct!(
        out,
        "v4l2_frmsize_stepwise",
        V4l2FrmsizeStepwise { min_width, max_width, step_width, min_height, max_height, step_height }
    );
    c_struct!(out, "v4l2_frmsizeenum", V4l2Frmsizeenum {
        index, pixel_format, type_ = "type", size = "stepwise", reserved,
    });
    c_struct!(out, "v4l2_frmival_stepwise", V4l2FrmivalStepwise { min, max, step });
    c_struct!(out, "v4l2_frmivalenum", V4l2Frmivalenum {
        index, pixel_format, width, height, type_ = "type", interval = "stepwise", reserved,
    });
    c_struct!(out, "v4l2_output", V4l2Output {
        index, name, type_ = "type", audioset, modulator, std, capabilities, reserved,
    });
    c_struct!(out, "v4l2_control", V4l2Control { id, value });
    c_struct!(out, "v4l2_queryctrl", V4l2Queryctrl {
        id, type_ = "type", name, minimum, maximum, step, default_value, flags, reserved,
    });
    c_struct!(out, "v4l2_query_ext_ctrl", V4l2QueryExtCtrl {
        id, type_ = "type", name, minimum, maximum, step, default_value, flags, elem_size, elems,
        nr_of_dims, dims, reserved,
    });
    c_struct!(out, "v4l2_querymenu", V4l2Querymenu { id, index, name, reserved });
    c_struct!(out, "v4l2_ext_control", V4l2ExtControl { id, size, reserved2, payload = "value64" });
    c_struct!(out, "v4l2_event_subscription", V4l2EventSubscription {
        type_ = "type", id, flags, reserved,
    });
    c_struct!(out, "v4l2_tuner", V4l2Tuner {
        index, name, type_ = "type", capability, rangelow, rangehigh, rxsubchans, audmode, signal, afc,
        reserved,
    });
    c_struct!(out, "v4l2_frequency", V4l2Frequency { tuner, type_ = "type", frequency, reserved });
    c_struct!(out, "v4l2_frequency_band", V4l2FrequencyBand {
        tuner, type_ = "type", index, capability, rangelow, rangehigh, modulation, reserved,
    });
    c_struct!(out, "v4l2_audio", V4l2Audio { index, name, capability, mode, reserved });
    out.push_str(
        "_Static_assert(offsetof(struct v4l2_frmsizeenum, discrete.height) == 16, \"\");\n\
         _Static_assert(offsetof(struct v4l2_frmivalenum, discrete) == 20, \"\");\n\
         _Static_assert(offsetof(struct v4l2_querymenu, value) == 8, \"\");\n",
    );
    out
}

/// What only a 64-bit program has in this shape.
fn lp64() -> String {
    let mut out = String::new();
    c_struct!(out, "v4l2_format", V4l2Format { type_ = "type", fmt });
    c_struct!(out, "v4l2_plane", V4l2Plane { bytesused, length, m, data_offset, reserved });
    c_struct!(out, "v4l2_buffer", V4l2Buffer {
        index, type_ = "type", bytesused, flags, field, timestamp, timecode, sequence, memory, m, length,
        reserved2, request_fd,
    });
    c_struct!(
        out,
        "v4l2_create_buffers",
        V4l2CreateBuffers { index, count, memory, format, capabilities, flags, reserved }
    );
    c_struct!(out, "v4l2_input", V4l2Input {
        index, name, type_ = "type", audioset, tuner, std, status, capabilities, reserved,
    });
    c_struct!(out, "v4l2_standard", V4l2Standard { index, id, name, frameperiod, framelines, reserved });
    c_struct!(
        out,
        "v4l2_ext_controls",
        V4l2ExtControls { which, count, error_idx, request_fd, reserved, controls }
    );
    c_struct!(out, "v4l2_event_ctrl", V4l2EventCtrl {
        changes, type_ = "type", value64, flags, minimum, maximum, step, default_value,
    });
    c_struct!(out, "v4l2_event", V4l2Event {
        type_ = "type", u, pending, sequence, timestamp, id, reserved,
    });
    for (name, number) in REQUESTS {
        // A request may be newer than the header.
        writeln!(out, "#ifdef {name}\n_Static_assert({name} == {number:#x}u, \"{name}\");\n#endif")
            .expect("a String takes all");
    }
    out
}

#[test]
#[cfg(target_pointer_width = "64")]
fn layouts_and_requests() {
    assert_compiles(&(common() + &lp64()));
}

#[test]
fn layouts_that_do_not_depend_on_the_program() {
    assert_compiles(&common());
}

/// What only a 32-bit program sees, whatever its `time_t`.
#[cfg(target_arch = "x86_64")]
fn ilp32() -> String {
    let mut out = String::new();
    c_struct!(out, "v4l2_format", V4l2Format32 { type_ = "type", fmt });
    c_struct!(out, "v4l2_plane", V4l2Plane32 { bytesused, length, m, data_offset, reserved });
    c_struct!(
        out,
        "v4l2_create_buffers",
        V4l2CreateBuffers32 { index, count, memory, format, capabilities, flags, reserved }
    );
    c_struct!(out, "v4l2_input", V4l2Input32 {
        index, name, type_ = "type", audioset, tuner, std, status, capabilities, reserved,
    });
    c_struct!(out, "v4l2_standard", V4l2Standard32 { index, id, name, frameperiod, framelines, reserved });
    c_struct!(
        out,
        "v4l2_ext_controls",
        V4l2ExtControls32 { which, count, error_idx, request_fd, reserved, controls }
    );
    out
}

/// What only a 32-bit program with a 32-bit `time_t` sees.
#[cfg(target_arch = "x86_64")]
fn time32() -> String {
    let mut out = String::new();
    c_struct!(out, "v4l2_buffer", V4l2Buffer32 {
        index, type_ = "type", bytesused, flags, field, timestamp, timecode, sequence, memory, m, length,
        reserved2, request_fd,
    });
    c_struct!(out, "v4l2_event", V4l2Event32 {
        type_ = "type", u, pending, sequence, timestamp, id, reserved,
    });
    out
}

/// What only a 32-bit program with a 64-bit `time_t` sees.
#[cfg(target_arch = "x86_64")]
fn time64() -> String {
    let mut out = String::new();
    c_struct!(out, "v4l2_buffer", V4l2Buffer32Time64 {
        index, type_ = "type", bytesused, flags, field, timestamp, timecode, sequence, memory, m, length,
        reserved2, request_fd,
    });
    c_struct!(out, "v4l2_event", V4l2Event32Time64 {
        type_ = "type", u, pending, sequence, timestamp, id, reserved,
    });
    out
}

/// The front end alone needs no 32-bit libraries: of the C library's headers only the one with
/// `struct timeval` is included, and the prelude stands in for it.
#[cfg(target_arch = "x86_64")]
fn assert_compiles_as_32_bits(prelude: &str, shapes: &str, lists: &[&[(&str, u32)]]) {
    // Where the kernel's asm/ folder is; the compiler does not look there by itself with -m32.
    let arguments = ["-m32", "-D_SYS_TIME_H", "-isystem", "/usr/include/x86_64-linux-gnu"];
    let mut claims = common() + &ilp32() + shapes;
    for (name, wide) in REQUESTS {
        // The last list that has a number for it is the one of this program.
        let own = lists.iter().rev().find_map(|list| list.iter().find(|(own, _)| own == name));
        let number = own.map_or(wide, |(_, number)| number);
        writeln!(claims, "#ifdef {name}\n_Static_assert({name} == {number:#x}u, \"{name}\");\n#endif")
            .expect("a String takes all");
    }
    assert_compiles_as(&arguments, prelude, &claims);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn layouts_and_requests_of_a_32_bit_program() {
    let prelude = "struct timeval { long tv_sec, tv_usec; };\nstruct timespec { long tv_sec, tv_nsec; };\n";
    assert_compiles_as_32_bits(prelude, &time32(), &[request::REQUESTS32]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn layouts_and_requests_of_a_32_bit_program_with_a_long_time() {
    let prelude = "struct timeval { long long tv_sec, tv_usec; };\n\
        struct timespec { long long tv_sec; long tv_nsec; int : 32; };\n";
    assert_compiles_as_32_bits(prelude, &time64(), &[request::REQUESTS32, request::REQUESTS32_TIME64]);
}

#[test]
fn constants_and_fourccs() {
    let mut out = String::new();
    for (name, value) in CONSTANTS {
        writeln!(out, "_Static_assert({name} == {value}, \"{name}\");").expect("a String takes all");
    }
    // Newer than the oldest header that will do; v4l2loopback has had it longer.
    out.push_str(
        "#ifndef V4L2_PIX_FMT_AV1\n#define V4L2_PIX_FMT_AV1 v4l2_fourcc('A', 'V', '0', '1')\n#endif\n",
    );
    for format in PixelFormat::ALL {
        writeln!(out, "_Static_assert({0} == {1}u, \"{0}\");", format.name, format.fourcc.0)
            .expect("a String takes all");
    }
    for (name, value) in [
        ("VIDEO_MAX_FRAME", VIDEO_MAX_FRAME),
        ("VIDEO_MAX_PLANES", VIDEO_MAX_PLANES),
        ("V4L2_CTRL_MAX_DIMS", V4L2_CTRL_MAX_DIMS),
        ("V4L2_CID_MAX_CTRLS", V4L2_CID_MAX_CTRLS),
        ("BASE_VIDIOC_PRIVATE", usize::from(request::BASE_PRIVATE)),
    ] {
        writeln!(out, "_Static_assert({name} == {value}, \"{name}\");").expect("a String takes all");
    }
    for buf_type in 1..=14 {
        writeln!(
            out,
            "_Static_assert(V4L2_TYPE_IS_OUTPUT({buf_type}) == {}, \"\");\n\
             _Static_assert(V4L2_TYPE_IS_MULTIPLANAR({buf_type}) == {}, \"\");",
            i32::from(is_output(buf_type)),
            i32::from(is_multiplanar(buf_type)),
        )
        .expect("a String takes all");
    }
    assert_compiles(&out);
}

/// Every request of the header is in the list.
#[test]
fn no_request_is_missing() {
    let Ok(header) = std::fs::read_to_string("/usr/include/linux/videodev2.h") else {
        return println!("SKIP: no linux/videodev2.h");
    };
    for name in header
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("#define"))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("VIDIOC_"))
    {
        assert!(REQUESTS.iter().any(|(known, _)| *known == name), "{name} is not in the list");
    }
}
