//! JPEG pictures as planes: the one thing here that allocates (some fifty times a picture, about as many bytes as its
//! planes have).
//!
//! Taken are baseline and extended sequential pictures of 8 bits with Huffman codes, grey or of luma and differences:
//! what Motion-JPEG is. The decoder is built without its feature `std`: so it has no threads, no environment, and no
//! pool for each thread, which a signal handler would find in use.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use rusty_jpeg::decode::{Decoder, Error, PlanarComponent, Source};

use crate::picture::{Depth, Kind, View};

/// A decoded picture.
pub(crate) struct Image {
    kind: Kind,
    width: usize,
    height: usize,
    planes: Vec<PlanarComponent>,
}

impl Image {
    pub(crate) fn view(&self) -> View<'_> {
        let (mut strides, mut planes) = ([0; 3], [&[][..]; 3]);
        for (k, plane) in self.planes.iter().enumerate().take(3) {
            (strides[k], planes[k]) = (plane.stride, &plane.data);
        }
        View { kind: self.kind, width: self.width, height: self.height, strides, planes }
    }
}

/// Decodes a picture that is at most so many pixels wide and high. None: it is larger, damaged, or not of the kind that
/// is taken. What is behind its end does not matter.
pub(crate) fn decode(frame: &[u8], most: (usize, usize)) -> Option<Image> {
    let head = Head::read(frame)?;
    if head.width == 0 || head.height == 0 || head.width > most.0 || head.height > most.1 {
        return None;
    }
    let (start, rest) = frame.split_at(2);
    let tables: &[u8] = if head.has_tables { &[] } else { TABLES };
    // A decoder that panicked would end a program that is not ours; so far it has not been seen to.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = Decoder::new(Parts([start, tables, rest]));
        decoder.set_single_threaded(true);
        decoder.decode_planar().ok()
    }));
    let image = decoded.ok()??;
    let (width, height) = (usize::from(image.width), usize::from(image.height));
    let kind = match image.components.len() {
        1 => Kind::Grey(Depth::Byte),
        3 => {
            let (across, down) = image.chroma_subsampling()?;
            Kind::Planes { across, down, together: false, swapped: false }
        }
        _ => return None,
    };
    let (across, down) = if image.components.len() == 1 { (1, 1) } else { kind.sharing() };
    if (width, height) != (head.width, head.height) || ![across, down].iter().all(|n| matches!(n, 1 | 2 | 4))
    {
        return None;
    }
    let sizes = [(1, 1), (across, down), (across, down)];
    let whole = image.components.iter().zip(sizes).all(|(plane, (across, down))| {
        plane.width >= width.div_ceil(across)
            && plane.height >= height.div_ceil(down)
            && plane.stride >= plane.width
            && plane.data.len() >= plane.stride * (plane.height - 1) + plane.width
    });
    whole.then_some(Image { kind, width, height, planes: image.components })
}

/// What has to be known of a picture before it is decoded.
struct Head {
    width: usize,
    height: usize,
    /// Whether it brings its Huffman tables. Frames of many cameras leave them out.
    has_tables: bool,
}

impl Head {
    /// Reads the segments up to the first scan.
    fn read(frame: &[u8]) -> Option<Self> {
        let mut rest = frame.strip_prefix(&[0xff, 0xd8])?;
        let (mut size, mut has_tables, mut is_rgb, mut components) = (None, false, false, 0);
        loop {
            let (0xff, marker) = (*rest.first()?, *rest.get(1)?) else { return None };
            match marker {
                // Filling before a marker; markers without a segment.
                0xff => rest = &rest[1..],
                0x01 | 0xd0..=0xd7 => rest = &rest[2..],
                _ => {
                    let len = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
                    let segment = rest.get(4..2 + len)?;
                    match marker {
                        0xc0 | 0xc1 => {
                            let [8, h, eight, w, idth, count, ..] = *segment else { return None };
                            let number = |upper, lower| usize::from(u16::from_be_bytes([upper, lower]));
                            size = Some((number(w, idth), number(h, eight)));
                            components = count;
                        }
                        0xc4 => has_tables = true,
                        // Other ways of coding, and the end.
                        0xc2..=0xcf | 0xd8 | 0xd9 => return None,
                        // Adobe's: red, green and blue are not changed into luma.
                        0xee => is_rgb = segment.starts_with(b"Adobe") && segment.get(11) == Some(&0),
                        0xda => break,
                        _ => {}
                    }
                    rest = &rest[2 + len..];
                }
            }
        }
        let (width, height) = size.filter(|_| components == 1 || components == 3 && !is_rgb)?;
        Some(Self { width, height, has_tables })
    }
}

/// Bytes one after the other.
struct Parts<'a>([&'a [u8]; 3]);

impl Source for Parts<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let Some(part) = self.0.iter_mut().find(|part| !part.is_empty()) else { return Ok(0) };
        let (now, later) = part.split_at(part.len().min(into.len()));
        into[..now.len()].copy_from_slice(now);
        *part = later;
        Ok(now.len())
    }
}

/// The tables that Motion-JPEG has where a frame brings none: ITU-T T.81, annex K.3, as a DHT segment.
#[rustfmt::skip]
const TABLES: &[u8; 420] = &[
    0xff, 0xc4, 0x01, 0xa2,
    0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    0x10, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125,
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    0x11, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119,
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
    0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
    0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
