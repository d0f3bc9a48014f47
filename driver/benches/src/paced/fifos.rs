//! The baseline's carrier: frames in shared memory, and a FIFO for each client.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use memmap2::{MmapOptions, MmapRaw};

use crate::error::BenchError;

/// Frames that the shared memory has room for.
const SLOTS: u64 = 4;
/// The first page has the number of the newest frame.
const HEAD: u64 = 4096;

/// The folder with the FIFOs and the file of the frames.
#[derive(Debug)]
pub struct Fifos(tempfile::TempDir);

impl Fifos {
    /// Makes so many FIFOs. The folder is in memory where the machine has such a file system.
    pub fn new(count: u32) -> Result<Self, BenchError> {
        let failed = |e: std::io::Error| BenchError::system("a folder for FIFOs", e);
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).map_err(failed)?;
        for number in 0..count {
            nix::unistd::mkfifo(&path(folder.path(), number), nix::sys::stat::Mode::S_IRWXU)
                .map_err(|e| failed(e.into()))?;
        }
        Ok(Self(folder))
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("fifo.{number}"))
}

/// One client's FIFO.
pub fn open(folder: &Path, number: u32, writes: bool) -> Result<File, BenchError> {
    let path = path(folder, number);
    // For both: then an open never waits for the other end, and there is never an end of file.
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(if writes { libc::O_NONBLOCK } else { 0 })
        .open(&path)
        .map_err(|e| BenchError::system(format!("opening {}", path.display()), e))
}

/// The frames.
#[derive(Debug)]
pub struct Frames {
    map: MmapRaw,
    bytes: u64,
}

impl Frames {
    /// Frames of so many bytes. Whoever comes first makes the file.
    pub fn open(folder: &Path, bytes: u64) -> Result<Self, BenchError> {
        let failed = |e: std::io::Error| BenchError::system("shared memory for frames", e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("frames"))
            .map_err(failed)?;
        let len = HEAD + SLOTS * bytes.next_multiple_of(4096);
        file.set_len(len).map_err(failed)?;
        let map = MmapOptions::new().len(len as usize).map_raw(&file).map_err(failed)?;
        Ok(Self { map, bytes })
    }

    /// The number of the newest frame.
    pub fn newest(&self) -> &AtomicU64 {
        // SAFETY: the mapping has a page for it, and nobody uses that in another way.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>() }
    }

    fn slot(&self, number: u64) -> *mut u8 {
        let at = HEAD + number % SLOTS * self.bytes.next_multiple_of(4096);
        // SAFETY: the file is as long as that.
        unsafe { self.map.as_mut_ptr().add(at as usize) }
    }

    /// Copies a frame in and makes it the newest.
    pub fn put(&self, frame: &[u8]) {
        let number = self.newest().load(SeqCst) + 1;
        let len = frame.len().min(self.bytes as usize);
        // SAFETY: the slot has room for a frame. A client may read it meanwhile, as plain bytes.
        unsafe { self.slot(number).copy_from_nonoverlapping(frame.as_ptr(), len) };
        self.newest().store(number, SeqCst);
    }

    /// Where a frame lies.
    pub fn at(&self, number: u64) -> *const u8 {
        self.slot(number)
    }
}
