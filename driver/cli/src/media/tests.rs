//! Tests of [`super::Source`] over real files.

use super::*;
use std::io::Write;

use vloopback_abi::v4l2::fourcc;
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_picture::Rgb;

const YUV420: PixelFormat = PixelFormat::of(fourcc::YUV420).unwrap();

fn temp(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Whether `ffmpeg` can be started here.
fn have_ffmpeg() -> bool {
    std::process::Command::new("ffmpeg").arg("-version").stdout(std::process::Stdio::null()).status().is_ok()
}

#[test]
fn the_clip_keeps_its_promises() {
    assert!(CLIP.len() <= 600_000);
    let mut source = Source::open(None).unwrap();
    assert_eq!(source.size(), (320, 180));
    assert_eq!(source.rate(), (25, 2));
    let mut frames = Vec::new();
    while let Some(picture) = source.next_in_round().unwrap() {
        frames.push(picture.frame(&YUV420).unwrap());
    }
    assert!(frames.len() >= 60, "{} frames", frames.len());
    // A client knows a frame by its pixels: no two may be alike.
    let mut sorted = frames.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), frames.len());
    // And it loops.
    let again = source.next().unwrap().unwrap();
    assert_eq!(again.frame(&YUV420).unwrap(), frames[0]);
}

#[test]
fn the_clip_as_avi_gives_the_same_frames() {
    let pictures = split(CLIP).unwrap();
    let mut movi = b"movi".to_vec();
    for range in &pictures[..3] {
        movi.extend(b"00dc");
        movi.extend((range.len() as u32).to_le_bytes());
        movi.extend(&CLIP[range.clone()]);
        if range.len() % 2 == 1 {
            movi.push(0);
        }
    }
    let mut file = b"RIFF\0\0\0\0AVI LIST".to_vec();
    file.extend((movi.len() as u32).to_le_bytes());
    file.extend(movi);
    let whole = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&whole.to_le_bytes());
    let file = temp(&file);
    let avi = Source::open(Some(file.path())).unwrap();
    let clip = Source::open(None).unwrap();
    for (a, b) in avi.take(3).zip(clip) {
        assert_eq!(a.unwrap(), b.unwrap());
    }
}

#[test]
fn a_row_cut_short_names_frame_and_offset() {
    let pictures = split(CLIP).unwrap();
    let file = temp(&CLIP[..pictures[2].start + 1000]);
    let error = Source::open(Some(file.path())).unwrap_err().to_string();
    assert!(error.contains("frame 2"), "{error}");
    assert!(error.contains(&format!("byte {}", pictures[2].start)), "{error}");
}

#[test]
fn a_still_repeats() {
    let pictures = split(CLIP).unwrap();
    let file = temp(&CLIP[pictures[0].clone()]);
    let mut source = Source::open(Some(file.path())).unwrap();
    let first = source.next().unwrap().unwrap();
    assert_eq!(source.next().unwrap().unwrap(), first);
    assert!(source.is_still());
}

#[test]
fn png_pictures_of_every_kind() {
    for (kind, samples) in [
        (png::ColorType::Grayscale, 1),
        (png::ColorType::GrayscaleAlpha, 2),
        (png::ColorType::Rgb, 3),
        (png::ColorType::Rgba, 4),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(kind);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![77; 6 * samples]).unwrap();
        writer.finish().unwrap();
        let file = temp(&bytes);
        let mut source = Source::open(Some(file.path())).unwrap();
        let want = Picture::Rgb(Rgb::new(3, 2, [77; 3]));
        assert_eq!(source.next().unwrap().unwrap(), want);
    }
}

#[test]
fn frames_are_passed_over() {
    let mut source = Source::open(None).unwrap();
    let all: Vec<Picture> = std::iter::from_fn(|| source.next_in_round().unwrap()).collect();
    assert!(!source.is_still());
    let pictures = split(CLIP).unwrap();
    for (number, frame) in all.iter().enumerate() {
        assert_eq!(source.next_jpeg().unwrap(), &CLIP[pictures[number].clone()]);
        if number % 3 == 1 {
            assert_eq!(&source.next_in_round().unwrap().unwrap(), frame);
        } else {
            assert!(source.skip_in_round().unwrap());
        }
    }
    assert_eq!(source.next_jpeg(), None);
    assert!(!source.skip_in_round().unwrap());
    assert_eq!(source.next_jpeg().unwrap(), &CLIP[pictures[0].clone()]);
    assert!(source.skip_in_round().unwrap());
    assert_eq!(source.next_in_round().unwrap().unwrap(), all[1]);
}

#[test]
fn y4m_loops_and_tells_its_rate() {
    let mut bytes = b"YUV4MPEG2 W2 H2 F10:1\n".to_vec();
    for value in [10u8, 20] {
        bytes.extend(b"FRAME\n");
        bytes.extend([value; 6]);
    }
    let file = temp(&bytes);
    let source = Source::open(Some(file.path())).unwrap();
    assert_eq!(source.rate(), (10, 1));
    let lumas: Vec<u8> = source.take(5).map(|picture| picture.unwrap().frame(&YUV420).unwrap()[0]).collect();
    assert_eq!(lumas, [10, 20, 10, 20, 10]);
}

#[test]
fn what_needs_ffmpeg_goes_through_it_or_says_so() {
    let file = temp(b"neither film nor picture");
    let error = Source::open(Some(file.path())).unwrap_err();
    if have_ffmpeg() {
        assert!(matches!(error, MediaError::Ffmpeg { .. }), "{error}");
        assert!(!error.to_string().contains("without a message"), "{error}");
    } else {
        assert!(error.to_string().contains("apt-get install"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Source::open(Some(Path::new("/nonexistent/film.avi"))).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/film.avi: "));
}

#[test]
fn the_clips_frames_never_change() {
    // FNV-1a over all frames, so that no change of the decoder or of the conversion goes unseen.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut source = Source::open(None).unwrap();
    while let Some(picture) = source.next_in_round().unwrap() {
        for byte in picture.frame(&YUV420).unwrap() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    assert_eq!(hash, 0x5f1b_1180_e773_0f03, "{hash:#018x}");
}
