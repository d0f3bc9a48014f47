//! From the camera to the pipe.

use std::path::PathBuf;

use clap::Parser;
use v4l::FourCC;
use vloopback_camera_relay::camera::Camera;
use vloopback_camera_relay::errors::RelayError;
use vloopback_sdk::{Finder, Fourcc, Pixels, Plane, PlaneShape, Pusher, PusherError, plane_shapes};

/// Relays a V4L2 camera into a vloopback pipe.
#[derive(Debug, Parser)]
#[command(name = "camera-relay", version)]
struct Args {
    /// The camera, such as /dev/video0
    camera: PathBuf,
    /// The input of the pipe; the first free one by default
    #[arg(long)]
    pipe: Option<String>,
    /// The size; the camera's own by default
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u32, u32)>,
    /// The pixel format, such as YUYV or MJPG; the camera's own by default
    #[arg(long, value_name = "FOURCC", value_parser = fourcc)]
    format: Option<FourCC>,
    /// Ends after so many frames
    #[arg(long)]
    frames: Option<u64>,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| "not a size such as 640x480".to_owned())
}

fn fourcc(text: &str) -> Result<FourCC, String> {
    let bytes: [u8; 4] = text.as_bytes().try_into().map_err(|_| "not four characters".to_owned())?;
    Ok(FourCC::new(&bytes))
}

/// The same as the pipe has it.
fn pixels(fourcc: FourCC) -> Pixels {
    Fourcc::new(&fourcc.repr).into()
}

/// Whether pipes carry frames of that kind.
fn is_carried(fourcc: FourCC, (width, height): (u32, u32)) -> bool {
    pixels(fourcc).frame_len(width, height).is_some()
}

/// Chooses what the camera gives: what was asked for, or what it has if pipes carry that.
fn choose(camera: &mut Camera, args: &Args) -> Result<(), RelayError> {
    let size = args.size.unwrap_or_else(|| camera.size());
    let own = camera.fourcc();
    let chosen = match args.format {
        Some(fourcc) => fourcc,
        None if is_carried(own, size) => own,
        None => {
            let found = camera.formats()?.into_iter().find(|fourcc| is_carried(*fourcc, size));
            let none = || RelayError::NoFormat { camera: args.camera.clone(), is: Fourcc::new(&own.repr) };
            found.ok_or_else(none)?
        }
    };
    if (chosen, size) == (own, camera.size()) {
        return Ok(());
    }
    camera.set_format(chosen, size)
}

/// The planes of a frame whose lines are `stride` bytes apart. The lines of colour are as much further
/// apart as those of luma, in V4L2's single-planar formats.
fn planes<'a>(shapes: &[PlaneShape], stride: usize, frame: &'a [u8]) -> Vec<Plane<'a>> {
    let line = shapes.first().map_or(1, |first| first.line);
    let mut rest = frame;
    let planes = shapes.iter().map(|shape| {
        let stride = stride * shape.line / line;
        let (data, behind) = rest.split_at(rest.len().min(stride * shape.lines));
        rest = behind;
        Plane { data, stride }
    });
    planes.collect()
}

/// Writes one frame; 0 as `stride`: it has no lines.
fn push(pusher: &mut Pusher, shapes: &[PlaneShape], stride: usize, frame: &[u8]) -> Result<(), PusherError> {
    if shapes.first().is_some_and(|first| stride > first.line) {
        pusher.write_frame_strided(&planes(shapes, stride, frame))
    } else {
        pusher.write_frame(frame)
    }
}

pub(crate) fn run() -> Result<(), RelayError> {
    let args = Args::parse();
    let mut camera = Camera::open(&args.camera)?;
    choose(&mut camera, &args)?;
    let finder = Finder::new();
    let mut pusher = match &args.pipe {
        Some(name) => Pusher::open_at(&finder, name)?,
        None => Pusher::claim(&finder)?,
    };
    let (width, height) = camera.size();
    let pixels = pixels(camera.fourcc());
    pusher.set_format(pixels, width, height)?;
    if let Some((numerator, denominator)) = camera.interval() {
        pusher.set_interval(numerator, denominator)?;
    }
    let shapes = plane_shapes(pixels, width, height);
    let stride = camera.stride() as usize;
    println!("{} ({}): watch {}", args.camera.display(), camera.format(), pusher.output());
    let mut stream = camera.stream()?;
    let (mut relayed, mut damaged) = (0u64, 0u64);
    while args.frames.is_none_or(|frames| relayed < frames) {
        match stream.frame()? {
            None => damaged += 1,
            Some(frame) => match push(&mut pusher, &shapes, stride, frame) {
                Ok(()) => relayed += 1,
                // A camera that has lost a part of its frame.
                Err(PusherError::Length { .. } | PusherError::Planes { .. }) => damaged += 1,
                Err(error) => return Err(error.into()),
            },
        }
    }
    println!("{relayed} frames relayed, {damaged} damaged ones skipped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_far_apart_as_the_camera_says() {
        // YUV420 of 6x4 pixels, lines of luma rounded up to 8 bytes.
        let frame: Vec<u8> = (0..8 * 4 + 2 * 4 * 2).collect();
        let shapes = plane_shapes(pixels(FourCC::new(b"YU12")), 6, 4);
        let found: Vec<_> =
            planes(&shapes, 8, &frame).iter().map(|plane| (plane.data[0], plane.stride)).collect();
        assert_eq!(found, [(0, 8), (32, 4), (40, 4)]);
        // A frame that is too short has planes that are: the pusher refuses them.
        let short = planes(&shapes, 8, &frame[..34]);
        assert_eq!(short.iter().map(|plane| plane.data.len()).collect::<Vec<_>>(), [32, 2, 0]);
    }
}
