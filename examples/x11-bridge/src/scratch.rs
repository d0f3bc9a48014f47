//! Memory for the server's pictures that are converted afterwards.

use std::fs::File;
use std::os::fd::OwnedFd;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};
use x11rb::protocol::shm::Seg;

use crate::display::{Display, Place};
use crate::errors::BridgeError;

/// One picture's memory, attached by the server.
#[derive(Debug)]
pub struct Scratch {
    segment: Seg,
    map: MmapRaw,
}

impl Scratch {
    /// Room for `len` bytes.
    ///
    /// # Errors
    /// [`BridgeError::System`], and as [`Display::attach`].
    pub fn new(display: &Display, len: usize) -> Result<Self, BridgeError> {
        let make = || -> std::io::Result<(OwnedFd, MmapRaw)> {
            let file = File::from(memfd_create("x11-bridge", MFdFlags::MFD_CLOEXEC)?);
            file.set_len(len as u64)?;
            let map = MmapOptions::new().len(len).map_raw(&file)?;
            Ok((file.into(), map))
        };
        let what = "memory for pictures that are converted";
        let (file, map) = make().map_err(|source| BridgeError::System { what, source })?;
        Ok(Self { segment: display.attach(file)?, map })
    }

    /// Where the server draws.
    pub fn place(&self) -> Place {
        Place { segment: self.segment, offset: 0 }
    }

    /// What it has drawn.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped at this length as long as self lives, and nobody makes the file shorter: it has
        // no name, and only the server has it besides us. The server writes there only while
        // `Display::draw` waits for it.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }
}
