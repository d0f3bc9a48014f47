//! The project's own `linux/videodev.h` and this crate say the same, as a C compiler sees it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use vloopback_abi::v4l1::request as r;
use vloopback_abi::v4l1::shapes32::*;
use vloopback_abi::v4l1::*;
use vloopback_abi::v4l2::fourcc;

/// The folder that goes on the C compiler's include path.
const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pusher-sdk/include");

/// Runs the C compiler over a source text, front end only; `None` if there is no compiler.
fn compile(arguments: &[&str], source: &str) -> Option<Output> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let spawned = Command::new(cc)
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", INCLUDE])
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

fn assert_compiles(arguments: &[&str], source: &str) {
    if let Some(output) = compile(arguments, source) {
        assert!(output.status.success(), "cc {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes a C assertion for a structure's size and for each field's offset and size.
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

/// Writes a C assertion for each constant.
macro_rules! c_constants {
    ($out:ident, $($name:ident),* $(,)?) => {$(
        writeln!($out, "_Static_assert({0} == {1}, \"{0}\");", stringify!($name), $name)
            .expect("a String takes all");
    )*};
}

/// Writes a C assertion for each request number.
fn c_requests(out: &mut String, requests: &[(&str, u32)]) {
    for (name, number) in requests {
        writeln!(out, "_Static_assert(VIDIOC{name} == {number:#x}u, \"VIDIOC{name}\");")
            .expect("a String takes all");
    }
}

/// What is the same for 64-bit and 32-bit programs.
fn common() -> String {
    let mut out = String::from("#include <stddef.h>\n#include <linux/videodev.h>\n");
    c_struct!(out, "video_capability", VideoCapability {
        name, type_ = "type", channels, audios, maxwidth, maxheight, minwidth, minheight,
    });
    c_struct!(out, "video_channel", VideoChannel {
        channel, name, tuners, flags, type_ = "type", norm,
    });
    c_struct!(
        out,
        "video_picture",
        VideoPicture { brightness, hue, colour, contrast, whiteness, depth, palette }
    );
    c_struct!(
        out,
        "video_audio",
        VideoAudio { audio, volume, bass, treble, flags, name, mode, balance, step }
    );
    c_struct!(out, "video_capture", VideoCapture { x, y, width, height, decimation, flags });
    c_struct!(out, "video_mmap", VideoMmap { frame, height, width, format });
    c_struct!(out, "video_key", VideoKey { key, flags });
    c_struct!(out, "video_mbuf", VideoMbuf { size, frames, offsets });
    c_struct!(out, "video_unit", VideoUnit { video, vbi, radio, audio, teletext });
    c_struct!(
        out,
        "vbi_format",
        VbiFormat { sampling_rate, samples_per_line, sample_format, start, count, flags }
    );
    c_struct!(
        out,
        "video_info",
        VideoInfo {
            frame_count,
            h_size,
            v_size,
            smpte_timecode,
            picture_type,
            temporal_reference,
            user_data,
        }
    );
    c_struct!(out, "video_play_mode", VideoPlayMode { mode, p1, p2 });
    c_constants!(
        out,
        VID_TYPE_CAPTURE,
        VID_TYPE_TUNER,
        VID_TYPE_TELETEXT,
        VID_TYPE_OVERLAY,
        VID_TYPE_CHROMAKEY,
        VID_TYPE_CLIPPING,
        VID_TYPE_FRAMERAM,
        VID_TYPE_SCALES,
        VID_TYPE_MONOCHROME,
        VID_TYPE_SUBCAPTURE,
        VID_TYPE_MPEG_DECODER,
        VID_TYPE_MPEG_ENCODER,
        VID_TYPE_MJPEG_DECODER,
        VID_TYPE_MJPEG_ENCODER,
        VIDEO_VC_TUNER,
        VIDEO_VC_AUDIO,
        VIDEO_TYPE_TV,
        VIDEO_TYPE_CAMERA,
        VIDEO_MODE_PAL,
        VIDEO_MODE_NTSC,
        VIDEO_MODE_SECAM,
        VIDEO_MODE_AUTO,
        VIDEO_TUNER_PAL,
        VIDEO_TUNER_NTSC,
        VIDEO_TUNER_SECAM,
        VIDEO_TUNER_LOW,
        VIDEO_TUNER_NORM,
        VIDEO_TUNER_STEREO_ON,
        VIDEO_TUNER_RDS_ON,
        VIDEO_TUNER_MBS_ON,
        VIDEO_PALETTE_GREY,
        VIDEO_PALETTE_HI240,
        VIDEO_PALETTE_RGB565,
        VIDEO_PALETTE_RGB24,
        VIDEO_PALETTE_RGB32,
        VIDEO_PALETTE_RGB555,
        VIDEO_PALETTE_YUV422,
        VIDEO_PALETTE_YUYV,
        VIDEO_PALETTE_UYVY,
        VIDEO_PALETTE_YUV420,
        VIDEO_PALETTE_YUV411,
        VIDEO_PALETTE_RAW,
        VIDEO_PALETTE_YUV422P,
        VIDEO_PALETTE_YUV411P,
        VIDEO_PALETTE_YUV420P,
        VIDEO_PALETTE_YUV410P,
        VIDEO_PALETTE_PLANAR,
        VIDEO_PALETTE_COMPONENT,
        VIDEO_AUDIO_MUTE,
        VIDEO_AUDIO_MUTABLE,
        VIDEO_AUDIO_VOLUME,
        VIDEO_AUDIO_BASS,
        VIDEO_AUDIO_TREBLE,
        VIDEO_AUDIO_BALANCE,
        VIDEO_SOUND_MONO,
        VIDEO_SOUND_STEREO,
        VIDEO_SOUND_LANG1,
        VIDEO_SOUND_LANG2,
        VIDEO_WINDOW_INTERLACE,
        VIDEO_WINDOW_CHROMAKEY,
        VIDEO_CLIP_BITMAP,
        VIDEO_CLIPMAP_SIZE,
        VIDEO_CAPTURE_ODD,
        VIDEO_CAPTURE_EVEN,
        VIDEO_NO_UNIT,
        VBI_UNSYNC,
        VBI_INTERLACED,
        VID_WRITE_MPEG_AUD,
        VID_WRITE_MPEG_VID,
        VID_WRITE_OSD,
        VID_WRITE_TTX,
        VID_WRITE_CC,
        VID_WRITE_MJPEG,
        VIDEO_MAX_FRAME,
    );
    c_requests(
        &mut out,
        &[
            ("GCAP", r::GCAP),
            ("GCHAN", r::GCHAN),
            ("SCHAN", r::SCHAN),
            ("GPICT", r::GPICT),
            ("SPICT", r::SPICT),
            ("CAPTURE", r::CAPTURE),
            ("KEY", r::KEY),
            ("GAUDIO", r::GAUDIO),
            ("SAUDIO", r::SAUDIO),
            ("SYNC", r::SYNC),
            ("MCAPTURE", r::MCAPTURE),
            ("GMBUF", r::GMBUF),
            ("GUNIT", r::GUNIT),
            ("GCAPTURE", r::GCAPTURE),
            ("SCAPTURE", r::SCAPTURE),
            ("SPLAYMODE", r::SPLAYMODE),
            ("SWRITEMODE", r::SWRITEMODE),
            ("GPLAYINFO", r::GPLAYINFO),
            ("GVBIFMT", r::GVBIFMT),
            ("SVBIFMT", r::SVBIFMT),
            ("SINVALID", r::SINVALID),
        ],
    );
    writeln!(out, "_Static_assert(BASE_VIDIOCPRIVATE == {}, \"\");", r::BASE_PRIVATE)
        .expect("a String takes all");
    out
}

/// What only a 64-bit program sees.
fn lp64() -> String {
    let mut out = String::new();
    c_struct!(out, "video_tuner", VideoTuner { tuner, name, rangelow, rangehigh, flags, mode, signal });
    c_struct!(out, "video_clip", VideoClip { x, y, width, height, next });
    c_struct!(out, "video_window", VideoWindow { x, y, width, height, chromakey, flags, clips, clipcount });
    c_struct!(out, "video_buffer", VideoBuffer { base, height, width, depth, bytesperline });
    c_struct!(out, "video_code", VideoCode { loadwhat, datasize, data });
    c_requests(
        &mut out,
        &[
            ("GTUNER", r::GTUNER),
            ("STUNER", r::STUNER),
            ("GWIN", r::GWIN),
            ("SWIN", r::SWIN),
            ("GFBUF", r::GFBUF),
            ("SFBUF", r::SFBUF),
            ("GFREQ", r::GFREQ),
            ("SFREQ", r::SFREQ),
            ("SMICROCODE", r::SMICROCODE),
        ],
    );
    out
}

/// What only a 32-bit program sees.
fn ilp32() -> String {
    let mut out = String::new();
    c_struct!(out, "video_tuner", VideoTuner32 { tuner, name, rangelow, rangehigh, flags, mode, signal });
    c_struct!(out, "video_clip", VideoClip32 { x, y, width, height, next });
    c_struct!(out, "video_window", VideoWindow32 { x, y, width, height, chromakey, flags, clips, clipcount });
    c_struct!(out, "video_buffer", VideoBuffer32 { base, height, width, depth, bytesperline });
    c_struct!(out, "video_code", VideoCode32 { loadwhat, datasize, data });
    c_requests(
        &mut out,
        &[
            ("GTUNER", r::GTUNER32),
            ("STUNER", r::STUNER32),
            ("GWIN", r::GWIN32),
            ("SWIN", r::SWIN32),
            ("GFBUF", r::GFBUF32),
            ("SFBUF", r::SFBUF32),
            ("GFREQ", r::GFREQ32),
            ("SFREQ", r::SFREQ32),
            ("SMICROCODE", r::SMICROCODE32),
        ],
    );
    out
}

#[test]
fn layouts_and_numbers_of_this_machine() {
    let native = if size_of::<usize>() == 8 { lp64() } else { ilp32() };
    assert_compiles(&["-x", "c"], &(common() + &native));
}

/// The front end alone needs no 32-bit libraries, only the kernel's headers, which are the same.
#[cfg(target_arch = "x86_64")]
#[test]
fn layouts_and_numbers_of_a_32_bit_program() {
    // Where the kernel's asm/ folder is; the compiler does not look there by itself with -m32.
    let headers = "/usr/include/x86_64-linux-gnu";
    let arguments = ["-x", "c", "-m32", "-isystem", headers];
    match compile(&arguments, "#include <linux/types.h>\n") {
        Some(probe) if probe.status.success() => {
            assert_compiles(&arguments, &(common() + &ilp32()));
        }
        Some(_) => println!("SKIP: the C compiler has no -m32"),
        None => {}
    }
}

#[test]
fn old_and_new_compilers_take_the_header() {
    let source = "#include <linux/videodev.h>\n#include <linux/videodev.h>\nstruct video_window w;\n";
    for standard in ["-std=gnu89", "-std=gnu99", "-std=gnu17"] {
        assert_compiles(&["-x", "c", standard], source);
    }
}

#[test]
fn the_header_goes_with_v4l2s() {
    let old = "#include <linux/videodev.h>\n";
    let new = "#include <linux/videodev2.h>\n";
    match compile(&["-x", "c"], new) {
        Some(probe) if probe.status.success() => {}
        Some(_) => return println!("SKIP: no linux/videodev2.h"),
        None => return,
    }
    let uses = "struct video_mbuf m; struct v4l2_buffer b;\n";
    assert_compiles(&["-x", "c"], &[old, new, uses].concat());
    assert_compiles(&["-x", "c"], &[new, old, uses].concat());

    // While V4L2's header is at hand: are the fourccs its own?
    let mut source = String::from(new);
    for (name, format) in [
        ("GREY", fourcc::GREY),
        ("HI240", fourcc::HI240),
        ("RGB555", fourcc::RGB555),
        ("XRGB555", fourcc::XRGB555),
        ("RGB565", fourcc::RGB565),
        ("BGR24", fourcc::BGR24),
        ("RGB24", fourcc::RGB24),
        ("BGR32", fourcc::BGR32),
        ("XBGR32", fourcc::XBGR32),
        ("RGB32", fourcc::RGB32),
        ("YUYV", fourcc::YUYV),
        ("UYVY", fourcc::UYVY),
        ("YUV422P", fourcc::YUV422P),
        ("YUV411P", fourcc::YUV411P),
        ("YUV420", fourcc::YUV420),
        ("YVU420", fourcc::YVU420),
        ("YUV410", fourcc::YUV410),
        ("NV12", fourcc::NV12),
        ("MJPEG", fourcc::MJPEG),
        ("JPEG", fourcc::JPEG),
    ] {
        writeln!(source, "_Static_assert(V4L2_PIX_FMT_{name} == {}u, \"{name}\");", format.0)
            .expect("a String takes all");
    }
    writeln!(
        source,
        "_Static_assert(VIDIOC_QUERYCAP == {:#x}u, \"QUERYCAP\");",
        vloopback_abi::v4l2::request::QUERYCAP
    )
    .expect("a String takes all");
    assert_compiles(&["-x", "c"], &source);
}
