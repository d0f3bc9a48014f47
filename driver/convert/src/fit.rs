//! Where a picture is in a frame of another size.

use crate::picture::Picture;

/// What happens to a picture whose shape is not that of the frame that it is to fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It keeps its shape; what it leaves free, above and below or at both sides, is black.
    Letterbox,
    /// It fills the frame: its shape changes.
    Stretch,
}

/// Where the picture is in its frame, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Place {
    /// Of a picture of so many pixels in the frame `to`.
    pub(crate) fn new(from: (usize, usize), to: &Picture, fit: Fit) -> Self {
        let (mut width, mut height) = (to.width, to.height);
        if fit == Fit::Stretch {
            return Self { x: 0, y: 0, width, height };
        }
        let (across, down) = to.kind.sharing();
        // Whole samples of colour, but never nothing, and all where it nearly is all.
        let whole = |len: u64, step: usize, all: usize| match len as usize {
            len if len >= all => all,
            len => (len / step * step).max(step).min(all),
        };
        // Less than 2^32 pixels each: the products fit.
        let [fw, fh, tw, th] = [from.0, from.1, to.width, to.height].map(|len| len as u64);
        if fw * th < tw * fh {
            width = whole((fw * th + fh / 2) / fh, across, to.width);
        } else if fw * th > tw * fh {
            height = whole((fh * tw + fw / 2) / fw, down, to.height);
        }
        // Lines are drawn two at a time.
        let (x, y) = ((to.width - width) / 2, (to.height - height) / 2);
        Self { x: x / across * across, y: y / down * down, width, height }
    }

    /// Whether the picture keeps its size.
    pub(crate) fn is_size(&self, size: (usize, usize)) -> bool {
        (self.width, self.height) == size
    }
}
