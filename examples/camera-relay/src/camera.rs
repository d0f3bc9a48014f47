//! A V4L2 camera, by the `v4l` crate.

use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Capability;
use v4l::io::traits::CaptureStream;
use v4l::prelude::{Device, MmapStream};
use v4l::video::Capture;
use v4l::{Format, FourCC};

use crate::errors::RelayError;

/// Buffers that the camera fills in turn.
const BUFFERS: u32 = 4;

/// A camera that is open.
pub struct Camera {
    device: Device,
    path: PathBuf,
    format: Format,
}

impl Camera {
    /// Opens a camera with the format that it has.
    ///
    /// # Errors
    /// [`RelayError::Open`], [`RelayError::NotACamera`], [`RelayError::Camera`].
    pub fn open(path: &Path) -> Result<Self, RelayError> {
        let device =
            Device::with_path(path).map_err(|source| RelayError::Open { camera: path.to_owned(), source })?;
        let can = |what| device.query_caps().is_ok_and(|caps| caps.capabilities.contains(what));
        if !can(Capability::VIDEO_CAPTURE | Capability::STREAMING) {
            return Err(RelayError::NotACamera { camera: path.to_owned() });
        }
        let format = device.format().map_err(|source| failure(path, "its format", source))?;
        Ok(Self { device, path: path.to_owned(), format })
    }

    /// The format that it has, for a person.
    pub fn format(&self) -> String {
        name(self.format.fourcc, self.size())
    }

    /// Its pixel format.
    pub fn fourcc(&self) -> FourCC {
        self.format.fourcc
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.format.width, self.format.height)
    }

    /// Bytes from a line to the next; 0: it has no lines.
    pub fn stride(&self) -> u32 {
        self.format.stride
    }

    /// All pixel formats that it has.
    ///
    /// # Errors
    /// [`RelayError::Camera`].
    pub fn formats(&self) -> Result<Vec<FourCC>, RelayError> {
        let formats =
            self.device.enum_formats().map_err(|source| failure(&self.path, "its formats", source))?;
        Ok(formats.into_iter().map(|format| format.fourcc).collect())
    }

    /// Chooses a format.
    ///
    /// # Errors
    /// [`RelayError::Format`]: it has not this one. [`RelayError::Camera`].
    pub fn set_format(&mut self, fourcc: FourCC, size: (u32, u32)) -> Result<(), RelayError> {
        // What was read from the camera tells of its colours, which are another format's by then.
        let wanted = Format::new(size.0, size.1, fourcc);
        let set = self.device.set_format(&wanted);
        self.format = set.map_err(|source| failure(&self.path, "a format", source))?;
        if (self.format.fourcc, self.size()) == (fourcc, size) {
            return Ok(());
        }
        Err(RelayError::Format { camera: self.path.clone(), wanted: name(fourcc, size), is: self.format() })
    }

    /// Seconds from a frame to the next, as a fraction; None: it does not tell.
    pub fn interval(&self) -> Option<(u32, u32)> {
        let interval = self.device.params().ok()?.interval;
        (interval.numerator > 0 && interval.denominator > 0)
            .then_some((interval.numerator, interval.denominator))
    }

    /// Begins to take frames.
    ///
    /// # Errors
    /// [`RelayError::Camera`].
    pub fn stream(&self) -> Result<Stream<'_>, RelayError> {
        let stream = MmapStream::with_buffers(&self.device, Type::VideoCapture, BUFFERS);
        let stream = stream.map_err(|source| failure(&self.path, "buffers for its frames", source))?;
        // The crate panics where a camera that failed before fails to stop; the system stops it anyway.
        Ok(Stream { stream: ManuallyDrop::new(stream), path: &self.path })
    }
}

/// Frames of a camera. It goes on until the program ends.
pub struct Stream<'a> {
    stream: ManuallyDrop<MmapStream<'a>>,
    path: &'a Path,
}

impl Stream<'_> {
    /// Waits for the next frame. None: the camera says that this one is damaged.
    ///
    /// # Errors
    /// [`RelayError::Camera`].
    pub fn frame(&mut self) -> Result<Option<&[u8]>, RelayError> {
        let next = CaptureStream::next(&mut *self.stream);
        let (bytes, meta) = next.map_err(|source| failure(self.path, "a frame", source))?;
        let used = bytes.get(..meta.bytesused as usize).unwrap_or(bytes);
        Ok((!meta.flags.contains(Flags::ERROR) && !used.is_empty()).then_some(used))
    }
}

fn name(fourcc: FourCC, (width, height): (u32, u32)) -> String {
    format!("{fourcc} {width}x{height}")
}

fn failure(camera: &Path, what: &'static str, source: io::Error) -> RelayError {
    RelayError::Camera { camera: camera.to_owned(), what, source }
}
