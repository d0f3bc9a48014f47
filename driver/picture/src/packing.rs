//! Frames of luma and colour.

use crate::planes::Planes;
use crate::shape::YuvShape;

/// What stands for colour where a frame has none.
const NO_COLOUR: u8 = 128;

/// The planes as a frame; their samples of colour are those of the shape.
pub(crate) fn pack(shape: YuvShape, planes: &Planes) -> Vec<u8> {
    let (luma, u, v) = planes.parts();
    match shape {
        YuvShape::Luma => luma.to_vec(),
        YuvShape::WideLuma(shift) => {
            luma.iter().flat_map(|&luma| (u16::from(luma) << shift).to_le_bytes()).collect()
        }
        YuvShape::Packed(group) => {
            // Spare bytes are opaque alpha for whoever takes them so.
            let mut frame = vec![255; luma.len() / group.luma.len() * group.length];
            // A line is whole groups, so that neither planes nor frame need be cut by lines.
            for (places, samples) in [(group.luma, luma), (group.u, u), (group.v, v)] {
                for (k, &at) in places.iter().enumerate() {
                    let from = samples.iter().skip(k).step_by(places.len());
                    let to = frame.iter_mut().skip(at).step_by(group.length);
                    to.zip(from).for_each(|(to, &sample)| *to = sample);
                }
            }
            frame
        }
        YuvShape::Planar { v_first, .. } => {
            let (first, second) = if v_first { (v, u) } else { (u, v) };
            [luma, first, second].concat()
        }
        YuvShape::SemiPlanar { v_first, .. } => {
            let (first, second) = if v_first { (v, u) } else { (u, v) };
            let mut frame = Vec::with_capacity(luma.len() + 2 * u.len());
            frame.extend_from_slice(luma);
            frame.extend(first.iter().zip(second).flat_map(|(&first, &second)| [first, second]));
            frame
        }
    }
}

/// The planes of a whole frame.
pub(crate) fn unpack(shape: YuvShape, width: u32, height: u32, frame: &[u8]) -> Planes {
    let (across, down) = shape.sampling();
    let (columns, rows) = ((width as usize).div_ceil(across), (height as usize).div_ceil(down));
    let pixels = width as usize * height as usize;
    let none = || vec![NO_COLOUR; columns * rows];
    let (luma, u, v) = match shape {
        YuvShape::Luma => (frame.to_vec(), none(), none()),
        YuvShape::WideLuma(shift) => {
            let luma = |word: &[u8]| (u16::from_le_bytes([word[0], word[1]]) >> shift).min(255) as u8;
            (frame.chunks_exact(2).map(luma).collect(), none(), none())
        }
        YuvShape::Packed(group) => {
            let pick = |places: &'static [usize]| {
                let mut samples = vec![0; frame.len() / group.length * places.len()];
                for (k, &at) in places.iter().enumerate() {
                    let from = frame.iter().skip(at).step_by(group.length);
                    let to = samples.iter_mut().skip(k).step_by(places.len());
                    to.zip(from).for_each(|(to, &byte)| *to = byte);
                }
                samples
            };
            (pick(group.luma), pick(group.u), pick(group.v))
        }
        YuvShape::Planar { v_first, .. } => {
            let (luma, colour) = frame.split_at(pixels);
            let (first, second) = colour.split_at(columns * rows);
            let (u, v) = if v_first { (second, first) } else { (first, second) };
            (luma.to_vec(), u.to_vec(), v.to_vec())
        }
        YuvShape::SemiPlanar { v_first, .. } => {
            let (luma, colour) = frame.split_at(pixels);
            let pick = |at: usize| colour.chunks_exact(2).map(|both| both[at]).collect();
            (luma.to_vec(), pick(usize::from(v_first)), pick(usize::from(!v_first)))
        }
    };
    Planes::of_parts((width as usize, height as usize), (across, down), luma, u, v)
}
