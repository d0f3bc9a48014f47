//! Formats that a program asks for.

use arbitrary::Unstructured;
use vloopback_abi::v4l2::pixel::{DEFAULT, Layout, PADDING, SIZES, nearest, with_lines};
use vloopback_abi::v4l2::{Fourcc, PixelFormat, V4L2_FIELD_NONE, V4L2_PIX_FMT_PRIV_MAGIC, V4l2PixFormat};
use zerocopy::FromBytes;

/// Any format becomes one that a node can have, and that one stays as it is; lengths fit the pixels.
pub fn check(data: &[u8]) {
    let Ok((code, mut asked)) = read(data) else { return };
    near(&asked);
    asked.pixelformat = code.0;
    near(&asked);
    lengths(code, asked.width, asked.height, asked.bytesperline);
}

/// A format, and the code of one that there is, which chance seldom finds.
fn read(data: &[u8]) -> arbitrary::Result<(Fourcc, V4l2PixFormat)> {
    let mut u = Unstructured::new(data);
    let code = u.choose(PixelFormat::ALL)?.fourcc;
    // Sizes on both sides of the smallest and of the largest, or any.
    let below = *u.choose(&[32, 2 * SIZES.1, u32::MAX])?;
    let bytes = u.bytes(size_of::<V4l2PixFormat>())?;
    let mut asked = V4l2PixFormat::read_from_bytes(bytes).expect("as long as it is");
    asked.width %= below;
    asked.height %= below;
    Ok((code, asked))
}

fn near(asked: &V4l2PixFormat) {
    let got = nearest(asked);
    assert_eq!(nearest(&got), got, "asked for again, from {asked:?}");

    let known = PixelFormat::of(asked.fourcc());
    let code = known.map_or(DEFAULT.fourcc(), |format| format.fourcc);
    assert_eq!(got.fourcc(), code);
    let format = PixelFormat::of(code).expect("known");
    for (wanted, is, default) in
        [(asked.width, got.width, DEFAULT.width), (asked.height, got.height, DEFAULT.height)]
    {
        let expected = if wanted == 0 { default } else { wanted.clamp(SIZES.0, SIZES.1) };
        assert_eq!(is, expected, "{asked:?}");
    }
    let padded = with_lines(got, asked);
    assert_eq!(with_lines(nearest(&padded), &padded), padded, "asked for again, from {asked:?}");
    assert!((got.bytesperline..=got.bytesperline + PADDING).contains(&padded.bytesperline), "{asked:?}");
    if padded != got {
        assert_eq!(padded.bytesperline, asked.bytesperline);
        assert!(asked.sizeimage == 0 || asked.sizeimage >= padded.sizeimage, "{asked:?}");
    }
    assert_eq!(Some(got.bytesperline), format.bytesperline(got.width));
    let least = format.sizeimage(got.width, got.height).expect("such a frame");
    if format.is_compressed() {
        assert!(got.sizeimage >= least, "a frame may be longer than {} bytes: {asked:?}", got.sizeimage);
        assert!(got.sizeimage == least || got.sizeimage <= asked.sizeimage, "{asked:?}");
    } else {
        assert_eq!(got.sizeimage, least);
    }
    let field = if matches!(asked.field, 2..=6 | 8 | 9) { asked.field } else { V4L2_FIELD_NONE };
    assert_eq!((got.field, got.priv_, got.flags), (field, V4L2_PIX_FMT_PRIV_MAGIC, 0));
    let colours = |pix: &V4l2PixFormat| [pix.colorspace, pix.ycbcr_enc, pix.quantization, pix.xfer_func];
    match asked.colorspace {
        0 => assert_eq!(colours(&got), [format.colorspace(), 0, 0, 0]),
        _ => assert_eq!(colours(&got), colours(asked)),
    }
}

/// Bytes of a frame, counted plane by plane in numbers that hold them all; `None` if a length does not
/// fit an int.
fn counted(format: &PixelFormat, width: u32, height: u32) -> Option<u32> {
    let (w, h) = (u128::from(width), u128::from(height));
    let bytes = match format.layout {
        Layout::Packed { bits, across } | Layout::Mosaic { bits, across } => {
            w.next_multiple_of(across.into()) * u128::from(bits) / 8 * h
        }
        Layout::Planar { across, down } => {
            w * h + 2 * w.div_ceil(across.into()) * h.div_ceil(down.into())
        }
        Layout::SemiPlanar { across, down, bytes } => {
            (w * h + 2 * w.div_ceil(across.into()) * h.div_ceil(down.into())) * u128::from(bytes)
        }
        Layout::Compressed => (2 * w * h).max(4096),
    };
    i32::try_from(bytes).ok().map(|bytes| bytes as u32)
}

fn lengths(code: Fourcc, width: u32, height: u32, stride: u32) {
    let format = PixelFormat::of(code).expect("known");
    let (across, down) = format.granularity();
    let whole = width != 0 && height != 0;
    let image = format.sizeimage(width, height);
    assert_eq!(image, if whole { counted(&format, width, height) } else { None }, "{width}x{height} {code}");
    // Never panics, whatever the distance of the lines; without padding it says the same.
    let padded = format.sizeimage_with(stride, height);
    if let Some(planes) = format.planes(width, height, stride) {
        let bytes: u64 = planes.iter().map(|plane| u64::from(plane.stride) * u64::from(plane.lines)).sum();
        assert_eq!(Some(bytes), padded.map(u64::from), "{width}x{height} {code} {stride}");
    }
    if let (Some(line), false) = (format.bytesperline(width), format.is_compressed()) {
        assert_eq!(format.sizeimage_with(line, height), image);
    }
    assert_eq!(format.pix(width, height).map(|pix| pix.sizeimage), image);
    let (w, h) = format.fit(width, height);
    assert!(w != 0 && h != 0 && w % across == 0 && h % down == 0);
    assert_eq!(format.fit(w, h), (w, h));
}
