//! A server of the test's own, a client that reads through the runtime, and pictures to compare.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod c;

use std::ffi::c_int;
use std::path::PathBuf;

use tempfile::TempDir;
use vloopback_abi::v4l1::{VideoCapability, request};
use vloopback_daemon::{Config, Server, ServerHandle};
use vloopback_runtime::edge;
use vloopback_sdk::Finder;

/// A server with a directory of its own.
pub struct Host {
    pub server: Option<ServerHandle>,
    pub dir: TempDir,
}

impl Host {
    /// With this many pipes, whose rings hold 32 frames: a test's client misses none.
    pub fn new(pipes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config =
            Config { pipes, num_buffers: 30, socket: dir.path().join("socket"), ..Config::default() };
        let server = Some(Server::start(config).unwrap());
        Self { server, dir }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn finder(&self) -> Finder {
        Finder::at(self.socket())
    }

    /// The pusher's nodes, in the order of the pipes.
    pub fn inputs(&self) -> Vec<u32> {
        let list = self.dir.path().join("socket.d/proc/video/vloopback/vloopbacks");
        let text = std::fs::read_to_string(list).unwrap();
        let rows = vloopback_proc::parse::parse_vloopbacks_strict(&text).unwrap();
        rows.iter().map(|row| row.input.strip_prefix("video").unwrap().parse().unwrap()).collect()
    }
}

/// The N of /dev/videoN.
pub fn number(device: &str) -> u32 {
    device.strip_prefix("/dev/video").unwrap().parse().unwrap()
}

/// A client that read()s.
pub struct Client {
    fd: c_int,
}

impl Client {
    /// Opens an output and begins to stream: as V4L1 programs do, which meet every palette and go on when
    /// the format changes.
    pub fn watching(output: &str) -> Self {
        let fd = edge::open_device(number(output), libc::O_RDWR | libc::O_NONBLOCK).unwrap();
        let client = Self { fd };
        let mut capability = VideoCapability::default();
        // SAFETY: the structure that belongs to the request.
        let asked =
            unsafe { edge::ioctl(fd, request::GCAP.into(), std::ptr::from_mut(&mut capability) as usize) };
        asked.unwrap();
        assert_eq!(client.read(1), Err(libc::EAGAIN), "a frame from before it came");
        client
    }

    /// The next frame, at most `room` bytes of it.
    pub fn read(&self, room: usize) -> Result<Vec<u8>, c_int> {
        let mut frame = vec![0xa5; room];
        // SAFETY: `room` bytes are there.
        let n =
            unsafe { edge::read(self.fd, frame.as_mut_ptr().cast(), room) }.map_err(|errno| errno.raw())?;
        frame.truncate(n);
        Ok(frame)
    }

    /// Waits for the next frame as the kernel's poll tells of it.
    pub fn wait(&self) {
        let mut poll = libc::pollfd { fd: self.fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 60_000) }, 1, "no frame within a minute");
        assert_eq!(poll.revents, libc::POLLIN);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let edge::Close::Last(session) = edge::before_close(self.fd) else { panic!("not the last number") };
        // SAFETY: ours.
        unsafe { libc::close(self.fd) };
        edge::after_close(session);
    }
}

/// A frame of `len` bytes that no other `k` gives.
pub fn picture(k: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(7) ^ (i >> 8) ^ k.wrapping_mul(73)) as u8).collect()
}

/// The first byte in which two frames differ; None: they are the same.
pub fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a.len() != b.len() {
        return Some(a.len().min(b.len()));
    }
    a.iter().zip(b).position(|(a, b)| a != b)
}
