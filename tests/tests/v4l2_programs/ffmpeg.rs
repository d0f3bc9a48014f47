//! ffmpeg as client (libavdevice's v4l2 demuxer) and as pusher (its v4l2 muxer).

use std::fs;
use std::path::Path;

use vloopback_tests::{Env, Job, have, skip};

use super::{HEIGHT, Palette, RGB32, WIDTH, YUV420P, YUYV, fails, feeds, saves, until_written};

/// `ffmpeg` under `vloopback run`, quiet unless something is wrong.
fn ffmpeg(env: &Env, words: &[&str]) -> Job {
    let mut command = vec!["ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin", "-y"];
    command.extend(words);
    env.run(&command)
}

fn saves_raw(palette: Palette, more: &[&str]) {
    saves(palette, 20, |env, device| {
        let mut words = vec!["-f", "v4l2"];
        words.extend(more);
        words.extend(["-i", device, "-frames:v", "20", "-fps_mode", "passthrough", "-f", "rawvideo", "-"]);
        let ended = ffmpeg(env, &words).output().ok();
        // driver/docs/clients.md, "What a device must answer" 4: a frame whose bytesused is not exact is dropped with
        // this word.
        assert!(!ended.says("corrupt"), "{}", ended.stderr);
        ended.stdout
    });
}

#[test]
fn ffmpeg_reads_yuv420p() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    saves_raw(YUV420P, &[]);
}

/// With a format, a size and a rate asked for.
#[test]
fn ffmpeg_reads_yuyv_asked_for() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let size = format!("{WIDTH}x{HEIGHT}");
    saves_raw(YUYV, &["-input_format", "yuyv422", "-video_size", &size, "-framerate", "30"]);
}

/// ffmpeg's bgr0 is XR24, the later of V4L2's two names of what V4L1 calls RGB32: it has to be given back.
#[test]
fn ffmpeg_reads_bgr0_asked_for() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    saves(RGB32, 20, |env, device| {
        let words = ["-f", "v4l2", "-input_format", "bgr0", "-i", device, "-frames:v", "20"];
        let ended = ffmpeg(env, &[&words[..], &["-fps_mode", "passthrough", "-f", "rawvideo", "-"]].concat());
        let ended = ended.output().ok();
        assert!(!ended.says("changed the pixel format"), "{}", ended.stderr);
        ended.stdout
    });
}

/// `-sources` opens every node and lists those that capture.
#[test]
fn ffmpeg_lists_the_outputs() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let env = Env::new(3);
    let list = ffmpeg(&env, &["-sources", "v4l2"]).output().ok().text();
    let listed = |node: &str| list.split_whitespace().filter(|word| *word == node).count();
    for pipe in env.pipes() {
        assert_eq!((listed(&pipe.input), listed(&pipe.output)), (0, 1), "{pipe:?}: {list}");
    }
}

fn feeds_raw(pix_fmt: &str, len: usize) {
    feeds(len, 2, |env, pipe| {
        let size = format!("{WIDTH}x{HEIGHT}");
        let source = ["-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", &size, "-r", "50", "-i", "-"];
        let mut words = vec!["-probesize", "32", "-analyzeduration", "0"];
        words.extend(source);
        words.extend(["-pix_fmt", pix_fmt, "-f", "v4l2", &pipe.input]);
        ffmpeg(env, &words).start()
    });
}

#[test]
fn ffmpeg_pushes_yuyv() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    feeds_raw("yuyv422", YUYV.len);
}

#[test]
fn ffmpeg_pushes_yuv420p() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    feeds_raw("yuv420p", YUV420P.len);
}

/// The pictures of a Motion-JPEG film, byte by byte.
pub(super) fn pictures(film: &[u8]) -> Vec<Vec<u8>> {
    let mut pictures = Vec::new();
    let mut start = 0;
    // Within a picture's data FF is followed by 00 or a restart mark, so FF D9 is its end.
    while let Some(end) = film[start..].windows(2).position(|w| w == [0xff, 0xd9]) {
        pictures.push(film[start..start + end + 2].to_vec());
        start += end + 2;
    }
    assert_eq!(start, film.len(), "the film ends with a picture");
    pictures
}

/// A Motion-JPEG film of a test picture.
pub(super) fn film(path: &Path, picture: &str, frames: u32) -> Vec<Vec<u8>> {
    let source = format!("{picture}=size={WIDTH}x{HEIGHT}:rate=50");
    Job::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &source])
        .args(["-frames:v", &frames.to_string(), "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "4"])
        .args(["-f", "mjpeg"])
        .arg(path)
        .output()
        .ok();
    let pictures = pictures(&fs::read(path).expect("the film"));
    assert_eq!(pictures.len(), frames as usize);
    pictures
}

/// An ffmpeg that pushes a film's pictures as they are, over and over.
pub(super) fn push_film(env: &Env, path: &Path, device: &str) -> Job {
    let path = path.to_str().expect("a name of letters");
    let source = ["-re", "-stream_loop", "-1", "-f", "mjpeg", "-framerate", "50", "-i", path];
    ffmpeg(env, &[&source[..], &["-c:v", "copy", "-f", "v4l2", device]].concat())
}

/// The pictures that were saved follow each other in the film as they do here.
fn in_film(saved: &[Vec<u8>], film: &[Vec<u8>]) -> Result<(), String> {
    let mut place = None;
    for (n, picture) in saved.iter().enumerate() {
        let found = film.iter().position(|p| p == picture).ok_or(format!("picture {n} is not the film's"))?;
        if place.is_some_and(|p| found == p) {
            return Err(format!("picture {n} comes twice"));
        }
        place = Some(found);
    }
    Ok(())
}

/// Motion-JPEG, whose frames vary in length, in and out.
#[test]
fn ffmpeg_pushes_and_reads_motion_jpeg() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let path = env.dir().join("film.mjpg");
    let right = film(&path, "testsrc", 100);
    let other = film(&env.dir().join("other.mjpg"), "testsrc2", 100);
    let _pusher = push_film(&env, &path, &pipe.input).start();
    env.until("ffmpeg has the pipe", |pipes| pipes[0].input_status == "W");
    let words = ["-f", "v4l2", "-input_format", "mjpeg", "-i", &pipe.output, "-frames:v", "20"];
    let out = ["-fps_mode", "passthrough", "-c:v", "copy", "-f", "mjpeg", "-"];
    let ended = ffmpeg(&env, &[&words[..], &out[..]].concat()).output().ok();
    let saved = pictures(&ended.stdout);
    assert_eq!(saved.len(), 20);
    assert_eq!(in_film(&saved, &right), Ok(()));
    fails(in_film(&saved, &other), "not the film's");
    let mut wrong = saved.clone();
    wrong[7][100] ^= 1;
    fails(in_film(&wrong, &right), "picture 7");
}

/// A raw film of test pictures: its frames. (The source draws no odd sizes.)
pub(super) fn raw_film(path: &Path, pix_fmt: &str, size: &str) -> Vec<Vec<u8>> {
    Job::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2"])
        .args(["-s", size, "-frames:v", "12", "-pix_fmt", pix_fmt, "-f", "rawvideo"])
        .arg(path)
        .output()
        .ok();
    let film = fs::read(path).expect("the film");
    film.chunks(film.len() / 12).map(<[u8]>::to_vec).collect()
}

/// Odd sizes (a screen's region, a telephone's film, one line): ffmpeg looks neither at `bytesperline` nor at what S_FMT
/// gave; its frames go in and out as they are.
#[test]
fn ffmpeg_moves_odd_sizes() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    for (pix_fmt, size, bytes) in [
        ("nv12", "853x480", 614_400),
        ("yuv420p", "641x481", 463_043),
        ("yuyv422", "853x480", 819_840),
        ("yuv410p", "641x481", 308_321 + 2 * 161 * 121),
        ("bgr24", "2048x1", 6144),
        ("gray", "1x1", 1),
    ] {
        // No card: all that comes is the film's.
        let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
        let pipe = env.pipe(0);
        let path = env.dir().join("film");
        let right = raw_film(&path, pix_fmt, size);
        assert_eq!(right[0].len(), bytes, "{pix_fmt} {size}");
        let path = path.to_str().expect("a name of letters");
        let film =
            ["-re", "-stream_loop", "-1", "-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", size, "-r", "50"];
        let out = ["-i", path, "-pix_fmt", pix_fmt, "-f", "v4l2", &pipe.input];
        let pusher = ffmpeg(&env, &[&film[..], &out[..]].concat()).start();
        until_written(&env, 0);
        let words = ["-f", "v4l2", "-i", &pipe.output, "-frames:v", "5", "-fps_mode", "passthrough"];
        let ended = ffmpeg(&env, &[&words[..], &["-f", "rawvideo", "-"]].concat()).output().ok();
        drop(pusher);
        let saved: Vec<Vec<u8>> = ended.stdout.chunks(right[0].len()).map(<[u8]>::to_vec).collect();
        assert_eq!(saved.len(), 5, "{pix_fmt} {size}: {}", ended.stderr);
        for frame in &saved {
            assert!(right.contains(frame), "{pix_fmt} {size}: a frame is none of the film's");
            let mut wrong = frame.clone();
            let last = wrong.len() - 1;
            wrong[last] ^= 1;
            assert!(!right.contains(&wrong), "{pix_fmt} {size}: a wrong last byte is seen");
        }
    }
}

/// The frames of an H.264 film whose every frame begins with a delimiter.
fn access_units(film: &[u8]) -> Vec<Vec<u8>> {
    const MARK: [u8; 5] = [0, 0, 0, 1, 9];
    let starts: Vec<usize> = (0..film.len()).filter(|&at| film[at..].starts_with(&MARK)).collect();
    let ends = starts.iter().skip(1).copied().chain([film.len()]);
    starts.iter().zip(ends).map(|(&start, end)| film[start..end].to_vec()).collect()
}

/// H.264 as it is (`-c copy`), in and out: frames of many lengths, whole ones against differences.
#[test]
fn ffmpeg_copies_h264() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let path = env.dir().join("film");
    let source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=50", "-frames:v", "500", "-g", "10"];
    let encoder = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-x264-params", "aud=1", "-f", "h264"];
    let made = Job::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args([&source[..], &encoder[..]].concat())
        .arg(&path)
        .output();
    if made.code() != 0 {
        skip!("ffmpeg has no libx264");
    }
    let film = access_units(&fs::read(&path).expect("the film"));
    assert_eq!(film.len(), 500);
    let words = ["-re", "-f", "h264", "-framerate", "50", "-i", path.to_str().expect("letters")];
    let _pusher = ffmpeg(&env, &[&words[..], &["-c", "copy", "-f", "v4l2", &pipe.input]].concat()).start();
    until_written(&env, 0);
    // It may begin between two whole frames.
    let words = ["-f", "v4l2", "-input_format", "h264", "-i", &pipe.output, "-frames:v", "20"];
    let out = ["-c", "copy", "-copyinkf", "-f", "h264", "-"];
    let ended = ffmpeg(&env, &[&words[..], &out[..]].concat()).output().ok();
    let saved = access_units(&ended.stdout);
    assert_eq!(saved.len(), 20);
    // A machine that is busy misses one now and then.
    let follow = |saved: &[Vec<u8>]| {
        let mut rest = film.iter();
        saved.iter().all(|frame| rest.any(|right| right == frame))
    };
    assert!(follow(&saved), "in order, byte for byte");
    let mut wrong = saved.clone();
    wrong[7][9] ^= 1;
    assert!(!follow(&wrong), "a wrong byte is seen");
    wrong.clone_from(&saved);
    wrong.swap(3, 4);
    assert!(!follow(&wrong), "another order is seen");
}
