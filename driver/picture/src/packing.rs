//! Frames of luma and colour.

use crate::pixels::{cut, stretched};
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
            let (width, height) = (planes.width() as usize, planes.height() as usize);
            let groups = width.div_ceil(group.luma.len());
            let stride = groups * group.length;
            let mut frame = vec![group.spare; stride * height];
            for (places, samples) in [(group.luma, luma), (group.u, u), (group.v, v)] {
                let per_line = samples.len() / height.max(1);
                for (k, &at) in places.iter().enumerate() {
                    let lines = frame.chunks_exact_mut(stride).zip(samples.chunks_exact(per_line));
                    for (line, samples) in lines {
                        let to = line.iter_mut().skip(at).step_by(group.length);
                        // What the last group of a line has beyond the picture is as the last sample.
                        let last = samples[per_line - 1];
                        let from = samples.iter().skip(k).step_by(places.len());
                        let from = from.chain(core::iter::repeat(&last));
                        to.zip(from).for_each(|(to, &sample)| *to = sample);
                    }
                }
            }
            frame
        }
        YuvShape::Word(fields) => {
            let word = |((&luma, &u), &v): ((&u8, &u8), &u8)| {
                let samples = fields.iter().zip([luma, u, v]);
                samples.fold(0, |word, (&(shift, bits), byte)| word | cut(byte, bits) << shift) as u16
            };
            luma.iter().zip(u).zip(v).flat_map(|pixel| word(pixel).to_le_bytes()).collect()
        }
        YuvShape::Planar { v_first, .. } => {
            let (first, second) = if v_first { (v, u) } else { (u, v) };
            [luma, first, second].concat()
        }
        YuvShape::SemiPlanar { v_first, bytes, .. } => {
            let (first, second) = if v_first { (v, u) } else { (u, v) };
            let mut frame = Vec::with_capacity((luma.len() + 2 * u.len()) * bytes);
            frame.extend_from_slice(luma);
            frame.extend(first.iter().zip(second).flat_map(|(&first, &second)| [first, second]));
            if bytes == 2 {
                return frame.into_iter().flat_map(|sample| [0, sample]).collect();
            }
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
            let stride = (width as usize).div_ceil(group.luma.len()) * group.length;
            let pick = |places: &'static [usize], per_line: usize| {
                let mut samples = vec![0; per_line * height as usize];
                for (k, &at) in places.iter().enumerate() {
                    for (line, samples) in
                        frame.chunks_exact(stride).zip(samples.chunks_exact_mut(per_line.max(1)))
                    {
                        let from = line.iter().skip(at).step_by(group.length);
                        let to = samples.iter_mut().skip(k).step_by(places.len());
                        to.zip(from).for_each(|(to, &byte)| *to = byte);
                    }
                }
                samples
            };
            if group.u.is_empty() {
                (pick(group.luma, width as usize), none(), none())
            } else {
                (pick(group.luma, width as usize), pick(group.u, columns), pick(group.v, columns))
            }
        }
        YuvShape::Word(fields) => {
            let pick = |(shift, bits): (u32, u32)| -> Vec<u8> {
                let sample = |word: &[u8]| {
                    let word = u32::from(u16::from_le_bytes([word[0], word[1]]));
                    stretched(word >> shift & ((1 << bits) - 1), bits)
                };
                frame.chunks_exact(2).map(sample).collect()
            };
            (pick(fields[0]), pick(fields[1]), pick(fields[2]))
        }
        YuvShape::Planar { v_first, .. } => {
            let (luma, colour) = frame.split_at(pixels);
            let (first, second) = colour.split_at(columns * rows);
            let (u, v) = if v_first { (second, first) } else { (first, second) };
            (luma.to_vec(), u.to_vec(), v.to_vec())
        }
        YuvShape::SemiPlanar { v_first, bytes, .. } => {
            let (luma, colour) = frame.split_at(pixels * bytes);
            // Of two bytes the upper one comes last.
            let luma = luma.iter().skip(bytes - 1).step_by(bytes).copied().collect();
            let pick = |second: bool| {
                let at = bytes * (usize::from(second) + 1) - 1;
                colour.chunks_exact(2 * bytes).map(|both| both[at]).collect()
            };
            (luma, pick(v_first), pick(!v_first))
        }
    };
    Planes::of_parts((width as usize, height as usize), (across, down), luma, u, v)
}
