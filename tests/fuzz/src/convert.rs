//! Frames of a pusher's that a client's library converts.

use arbitrary::Unstructured;
use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};
use vloopback_convert::picture::{can, others};
use vloopback_convert::{Coding, Conversion, Fit, Picture};

/// The largest width and height: what is behind them is more of the same.
const MOST: u32 = 300;

/// A frame is converted or refused; never a panic, and nothing is written behind the result. A frame that is as long as
/// it should be is not refused, unless it is compressed.
pub fn check(data: &[u8]) {
    let _ = run(data);
}

/// A JPEG picture of 48x32 pixels.
const JPEG: &[u8] = include_bytes!("picture.jpg");

/// That picture with up to 16 changes: of every four bytes two say where, one what, and one whether more is cut off or put in.
/// Or the bytes themselves.
fn damaged(bytes: &[u8]) -> Vec<u8> {
    if bytes.first().is_some_and(|first| first % 4 == 0) {
        return bytes.to_vec();
    }
    let mut frame = JPEG.to_vec();
    for change in bytes.chunks_exact(4).take(16) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % frame.len();
        match change[3] {
            0 => frame.truncate(at + 1),
            1 => frame.insert(at, change[2]),
            _ => frame[at] = change[2],
        }
    }
    frame
}

/// A format, its size and lines.
fn picture(u: &mut Unstructured, formats: &[Fourcc]) -> arbitrary::Result<Option<Picture>> {
    let format = *u.choose(formats)?;
    let (width, height) = (u.int_in_range(1..=MOST)?, u.int_in_range(1..=MOST / 16)?);
    let line = PixelFormat::of(format).and_then(|format| format.bytesperline(width)).expect("a line");
    Ok(Picture::new(format, width, height, line + u.int_in_range(0..=40)?))
}

fn run(data: &[u8]) -> arbitrary::Result<()> {
    let mut u = Unstructured::new(data);
    let all: Vec<Fourcc> = PixelFormat::ALL.iter().map(|format| format.fourcc).collect();
    let mut from: Vec<Fourcc> =
        all.iter().copied().filter(|format| others(*format).next().is_some()).collect();
    // JPEG as often as all others together.
    from.extend(from.clone().iter().map(|_| fourcc::MJPEG));
    let to: Vec<Fourcc> = all.into_iter().filter(|format| can(fourcc::YUYV, *format)).collect();
    let (Some(source), Some(target)) = (picture(&mut u, &from)?, picture(&mut u, &to)?) else {
        return Ok(());
    };
    let coding = Coding::new(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
    let fit = if u.arbitrary()? { Fit::Letterbox } else { Fit::Stretch };
    let short = u.ratio(1, 8)?;
    let conversion = Conversion::new(source, target, coding, fit).expect("a format of the list");
    let mut frame = u.take_rest().to_vec();
    if source.frame_len() == Some(0) {
        frame = damaged(&frame);
    }
    let len = source.frame_len().expect("short");
    if !short && frame.len() < len {
        frame = frame.iter().copied().cycle().take(len).collect();
        frame.resize(len, 7);
    }
    let mut into = vec![0xee; conversion.result_len() + 16];
    let mut workspace = vec![0; conversion.workspace_len()];
    let end = conversion.result_len();
    let done = conversion.run(&frame, &mut into[..end], &mut workspace);
    // A JPEG picture has no least length.
    assert!(done || len == 0 || frame.len() < len, "{source:?} to {target:?} is refused");
    if done && len != 0 {
        let mut again = into.clone();
        assert!(conversion.run(&frame, &mut again[..end], &mut workspace) && again == into, "the same again");
    }
    Ok(())
}
