//! The pages that only the daemon writes.

use vloopback_abi::v4l2::pixel::same_pixels;
use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat};

use crate::{AtomicU32, MAX_ROWS, Ordering, fence};

/// One word for each daemon: a robust futex that it holds while it lives. All others map it read-only.
///
/// The kernel sets FUTEX_OWNER_DIED in it when the daemon's thread ends, however it ends, and wakes
/// a waiter. Nobody has to be asked to see it.
#[repr(C)]
#[derive(Debug)]
pub struct Lifeline {
    /// The lock word of a robust mutex: thread id, waiters bit, died bit.
    pub word: AtomicU32,
}

impl Lifeline {
    /// FUTEX_OWNER_DIED of the kernel's futex ABI.
    pub const DIED: u32 = 0x4000_0000;
    /// FUTEX_WAITERS of the kernel's futex ABI: without it the kernel wakes nobody.
    pub const WAITERS: u32 = 0x8000_0000;

    /// Whether the daemon behind it is gone (or ended properly, which stores 0).
    #[inline]
    pub fn is_dead(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & Self::DIED != 0 || word & !Self::WAITERS == 0
    }
}

/// A pipe's format in V4L2's terms (`struct v4l2_pix_format`). There is always one: the last that was
/// set, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pix {
    /// `V4L2_PIX_FMT_*`.
    pub fourcc: u32,
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes from line to line (of planar formats in the first plane), 0 for compressed formats.
    pub bytesperline: u32,
    /// Bytes of a frame; of compressed formats the most that one can have.
    pub sizeimage: u32,
    /// `V4L2_COLORSPACE_*`.
    pub colorspace: u32,
    /// `V4L2_YCBCR_ENC_*`, `V4L2_QUANTIZATION_*` and `V4L2_XFER_FUNC_*`, a byte each from the lowest up.
    pub colours: u32,
    /// `V4L2_FIELD_*`.
    pub field: u32,
}

impl From<&V4l2PixFormat> for Pix {
    fn from(pix: &V4l2PixFormat) -> Self {
        Self {
            fourcc: pix.pixelformat,
            width: pix.width,
            height: pix.height,
            bytesperline: pix.bytesperline,
            sizeimage: pix.sizeimage,
            colorspace: pix.colorspace,
            colours: pix.ycbcr_enc & 0xff | (pix.quantization & 0xff) << 8 | (pix.xfer_func & 0xff) << 16,
            field: pix.field,
        }
    }
}

impl Pix {
    /// Whether both describe the same frames: the same code (or its other name), size and length.
    pub fn same_frames(&self, other: &Self) -> bool {
        let size = |pix: &Self| (pix.width, pix.height, pix.sizeimage);
        same_pixels(Fourcc(self.fourcc), Fourcc(other.fourcc)) && size(self) == size(other)
    }
}

/// A pipe's format and its pusher's picture settings, as one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// V4L1 palette number, 0 for none.
    pub palette: u32,
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes of one frame; of compressed formats the most that one can have. 0 while nothing can be written.
    pub frame_len: u32,
    /// Bytes of one buffer as V4L1 clients map it, and of a slot: width * height * 4 or what a compressed
    /// frame can have, rounded up to whole pages.
    pub buf_len: u32,
    /// V4L1 frames a client may map.
    pub frames: u32,
    /// Brightness, hue, colour, contrast, whiteness (0 to 65535 each), depth in bits.
    pub picture: [u32; 6],
    /// Which ring the slots belong to; 0 while there is none.
    pub ring: u32,
    /// Slots of that ring.
    pub slots: u32,
    /// Which pusher feeds the pipe, counted from 1; 0 while nobody does.
    pub feed: u32,
    /// 1: frames vary in length (a compressed format).
    pub varies: u32,
    /// The same format for V4L2. While `palette` is one that V4L2 has no name for, an earlier one.
    pub pix: Pix,
    /// Nominal seconds a frame: numerator and denominator, both more than 0.
    pub interval: [u32; 2],
    /// Which zero-copy memory the pipe has, counted from 1; 0 in one-copy mode.
    pub zero: u32,
    /// Which log that ring has: another one for each pusher. Never used twice by a pipe; 0 while there is none.
    pub log: u32,
    /// 1: somebody has set `pix`. 0: it is the default that every V4L2 device has.
    pub chosen: u32,
    /// 1: `interval` was told, by the present pusher or a tool; 0: it is what is assumed.
    pub told: u32,
}

/// Makes of one list, in the order of the board, where each number of a [`Format`] lies there, and how a format
/// becomes words and words a format.
macro_rules! words {
    ($($place:ident($($field:tt)+),)*) => {
        /// Where a number of a [`Format`] lies among the words of one copy.
        #[derive(Clone, Copy)]
        enum Place {
            $($place,)*
        }

        /// Words that a [`Format`] takes on the board.
        pub(crate) const WORDS: usize = [$(Place::$place),*].len();

        impl Format {
            fn words(&self) -> [u32; WORDS] {
                [$(self.$($field)+),*]
            }

            fn of_words(words: [u32; WORDS]) -> Self {
                let mut format = Self::default();
                $(format.$($field)+ = words[Place::$place as usize];)*
                format
            }
        }
    };
}

words! {
    Palette(palette),
    Width(width),
    Height(height),
    FrameLen(frame_len),
    BufLen(buf_len),
    Frames(frames),
    Ring(ring),
    Slots(slots),
    Feed(feed),
    Varies(varies),
    Numerator(interval[0]),
    Denominator(interval[1]),
    Fourcc(pix.fourcc),
    PixWidth(pix.width),
    PixHeight(pix.height),
    BytesPerLine(pix.bytesperline),
    SizeImage(pix.sizeimage),
    Colorspace(pix.colorspace),
    Colours(pix.colours),
    Field(pix.field),
    Zero(zero),
    Brightness(picture[0]),
    Hue(picture[1]),
    Colour(picture[2]),
    Contrast(picture[3]),
    Whiteness(picture[4]),
    Depth(picture[5]),
    Log(log),
    Chosen(chosen),
    Told(told),
}

/// The page that only the daemon writes.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Board {
    /// Its lowest bit tells which of the two formats is whole; see [`Board::set_format`].
    version: AtomicU32,
    /// Number of clients that stream. If it is 0, the writer drops frames without looking further.
    pub streamers: AtomicU32,
    formats: [[AtomicU32; WORDS]; 2],
    /// How many slots the client of each row may hold at a time.
    pub quotas: [AtomicU32; MAX_ROWS],
    /// The highest priority (`V4L2_PRIORITY_*`) that an open file of the node has: input, output. 0: none
    /// is open.
    pub priorities: [AtomicU32; 2],
    /// What a person called the pipe: UTF-8, padded with zeros, in words of the machine's own byte order. All zeros: no
    /// label.
    pub label: [AtomicU32; LABEL_WORDS],
    /// The sizes that a pusher may set: least width, most width, least height, most height.
    pub sizes: [AtomicU32; 4],
    /// The most buffers that one REQBUFS gives.
    pub max_buffers: AtomicU32,
    /// 1: V4L2's programs find vloopback's own names; 0: those of v4l2loopback, which they look for.
    pub own_names: AtomicU32,
    /// 1: the format and the rate are kept: who pushes pushes these.
    pub kept: AtomicU32,
    /// 1: the pipe was deleted while it was open: all calls give ENODEV.
    pub gone: AtomicU32,
    /// v4l2loopback's controls: keep_format, sustain_framerate (0 or 1), timeout (milliseconds).
    pub settings: [AtomicU32; 3],
}

/// The words of a label: 32 bytes, the last one always zero.
pub const LABEL_WORDS: usize = 8;

impl Board {
    /// The format as it stands.
    ///
    /// Never waits: even if the daemon stopped or died in the middle of a change, one of the two copies is
    /// complete. It reads again only if a change comes meanwhile.
    pub fn format(&self) -> Format {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let mut words = [0u32; WORDS];
            for (to, from) in words.iter_mut().zip(self.copy(version)) {
                *to = from.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return Format::of_words(words);
            }
            core::hint::spin_loop();
        }
    }

    /// The label as `struct v4l2_capability` has a card: 32 bytes, zeros behind the text.
    pub fn label(&self) -> [u8; 4 * LABEL_WORDS] {
        let mut bytes = [0; 4 * LABEL_WORDS];
        for (to, word) in bytes.chunks_exact_mut(4).zip(&self.label) {
            to.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        bytes
    }

    /// Sets the label: at most 31 bytes are kept. Only the daemon does.
    pub fn set_label(&self, label: &[u8]) {
        let mut bytes = [0; 4 * LABEL_WORDS];
        let len = label.len().min(bytes.len() - 1);
        bytes[..len].copy_from_slice(&label[..len]);
        for (from, word) in bytes.chunks_exact(4).zip(&self.label) {
            word.store(u32::from_ne_bytes([from[0], from[1], from[2], from[3]]), Ordering::Relaxed);
        }
    }

    fn copy(&self, version: u32) -> &[AtomicU32; WORDS] {
        &self.formats[(version & 1) as usize]
    }

    /// Changes the format; only the daemon's one thread at a time does. While one copy is changed, readers
    /// use the other.
    pub fn set_format(&self, f: &Format) {
        let words = f.words();
        // Odd: the second copy is whole. It may be so already, by a daemon that died here.
        let odd = self.version.load(Ordering::Relaxed) | 1;
        for version in [odd, odd.wrapping_add(1)] {
            self.version.store(version, Ordering::Release);
            fence(Ordering::SeqCst);
            for (to, from) in self.copy(version.wrapping_add(1)).iter().zip(words) {
                to.store(from, Ordering::Relaxed);
            }
            fence(Ordering::Release);
        }
    }

    #[inline]
    fn word(&self, place: Place) -> u32 {
        self.copy(self.version.load(Ordering::Acquire))[place as usize].load(Ordering::Acquire)
    }

    /// The ring that is in force, without the cost of a whole [`Format`].
    #[inline]
    pub fn ring(&self) -> u32 {
        self.word(Place::Ring)
    }

    /// The log of that ring.
    #[inline]
    pub fn log(&self) -> u32 {
        self.word(Place::Log)
    }

    /// Which pusher feeds the pipe, 0 for none.
    #[inline]
    pub fn feed(&self) -> u32 {
        self.word(Place::Feed)
    }

    /// Which zero-copy memory the pipe has, 0 in one-copy mode.
    #[inline]
    pub fn zero(&self) -> u32 {
        self.word(Place::Zero)
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Board {
    version, streamers, formats, quotas, priorities, label, sizes, max_buffers, own_names, kept, gone, settings,
});

#[cfg(not(loom))]
crate::layout::layout!(lifeline_layout: Lifeline { word });
