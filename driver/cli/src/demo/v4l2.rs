//! A client as today's programs are: V4L2, a queue of buffers of the driver's memory.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use vloopback_abi::v4l2::{
    V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE, V4L2_IN_ST_NO_SIGNAL, V4l2Buffer,
    V4l2Capability,
};
use vloopback_sys::clock::now;

use super::client::tell;
use super::film::FORMAT;
use super::judge::Judge;
use super::message::{Flaw, Says};
use super::sys;
use crate::args::DemoClientArgs;

/// The buffers that it asks for: one is looked at, one waits for the next frame.
const BUFFERS: u32 = 2;

/// A V4L2 client that streams.
struct Client {
    device: File,
    path: String,
    buffers: Vec<sys::Mapping>,
    /// Bytes of a frame.
    length: usize,
}

impl Client {
    /// Opens the device, which must have the film's format, and starts its stream.
    fn start(args: &DemoClientArgs, length: usize) -> Result<Self, String> {
        let path = args.device.display().to_string();
        let failed = |call| failed(&path, call);
        let device = File::options().read(true).write(true).open(&args.device).map_err(failed("open"))?;
        let fd = device.as_fd();
        let capability = sys::v4l2_capability(fd).map_err(failed("VIDIOC_QUERYCAP"))?;
        let needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        if caps(&capability) & needed != needed {
            return Err(format!("{path}: VIDIOC_QUERYCAP does not report a streaming capture device"));
        }
        let mut format = sys::v4l2_format(fd).map_err(failed("VIDIOC_G_FMT"))?;
        sys::v4l2_set_format(fd, &mut format).map_err(failed("VIDIOC_S_FMT"))?;
        let pix = format.pix();
        let (width, height) = (pix.width, pix.height);
        let size = (args.frames.width, args.frames.height);
        if pix.fourcc() != FORMAT.fourcc || (width, height) != size || pix.sizeimage as usize != length {
            return Err(format!(
                "{path}: has format {} at {width}x{height} with {} bytes, which was not pushed",
                pix.fourcc(),
                pix.sizeimage
            ));
        }
        let count = sys::v4l2_buffers(fd, BUFFERS).map_err(failed("VIDIOC_REQBUFS"))?;
        let mut buffers = Vec::new();
        for index in 0..count {
            buffers.push(sys::v4l2_map(fd, index).map_err(failed("VIDIOC_QUERYBUF and mmap"))?);
            sys::v4l2_queue(fd, index).map_err(failed("VIDIOC_QBUF"))?;
        }
        sys::v4l2_stream_on(fd).map_err(failed("VIDIOC_STREAMON"))?;
        Ok(Self { device, path, buffers, length })
    }

    /// The next frame's buffer, and the memory that the frame is in.
    fn dequeue(&self) -> Result<(V4l2Buffer, &sys::Mapping), String> {
        let path = &self.path;
        let buffer = loop {
            match sys::v4l2_dequeue(self.device.as_fd()) {
                Ok(buffer) => break buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{path}: VIDIOC_DQBUF: {error}")),
            }
        };
        let count = self.buffers.len();
        let memory = self
            .buffers
            .get(buffer.index as usize)
            .ok_or_else(|| format!("{path}: VIDIOC_DQBUF gives buffer {} of {count}", buffer.index))?;
        if buffer.bytesused as usize != self.length {
            return Err(format!(
                "{path}: VIDIOC_DQBUF gives a frame of {} bytes instead of {}",
                buffer.bytesused, self.length
            ));
        }
        Ok((buffer, memory))
    }
}

/// The words for a call that failed.
fn failed(path: &str, call: &'static str) -> impl Fn(io::Error) -> String + use<> {
    let path = path.to_owned();
    move |error| format!("{path}: {call}: {error}")
}

/// Watches until the device's input says that it has no signal.
///
/// # Errors
/// What did not work, for [`Says::Failed`].
pub fn watch(args: &DemoClientArgs, judge: &mut Judge<'_>) -> Result<(), String> {
    let length = judge.reel.length;
    let client = Client::start(args, length)?;
    let failed = |call| failed(&client.path, call);
    let fd = client.device.as_fd();
    tell(&Says::Waiting)?;
    let (mut held, mut again) = (vec![0; length], vec![0; length]);
    loop {
        let (buffer, memory) = client.dequeue()?;
        let at = now();
        let copy = |out: &mut [u8]| memory.copy(0, out).map_err(|error| format!("{}: {error}", client.path));
        copy(&mut held)?;
        let mut verdict = judge.judge(&held, at)?;
        // It is ours until it is queued again: it must not have changed meanwhile.
        copy(&mut again)?;
        if again != held {
            verdict = Says::Spoiled { flaw: Flaw::Torn };
        }
        if !matches!(verdict, Says::Received { .. }) {
            let input = sys::v4l2_input(fd).map_err(failed("VIDIOC_ENUMINPUT"))?;
            if input.status & V4L2_IN_ST_NO_SIGNAL != 0 {
                // What the driver shows while nobody pushes.
                return Ok(());
            }
        }
        tell(&verdict)?;
        sys::v4l2_queue(fd, buffer.index).map_err(failed("VIDIOC_QBUF"))?;
    }
}

/// What this node can do, where the device has several.
fn caps(capability: &V4l2Capability) -> u32 {
    if capability.capabilities & V4L2_CAP_DEVICE_CAPS != 0 {
        capability.device_caps
    } else {
        capability.capabilities
    }
}
