//! timeout_image_io, as v4l2loopback has it: who opens the input next pushes nothing to clients, but sets the picture
//! that they see while nobody pushes.
//!
//! Such a program gets a pipe of its own behind the same node, a *studio*: it sets a format there, has buffers and
//! writes as anywhere, and nobody watches. The newest frame that it leaves is the picture. Until one has come, whoever
//! opens the input gets there, one program at a time: a program that only looks at the node does not use it up.

use std::sync::Arc;

use nix::errno::Errno;
use tracing::{info, warn};
use vloopback_abi::v4l2::{Fourcc, PixelFormat};
use vloopback_core::{Effects, Side};
use vloopback_picture::decode;
use vloopback_ring::Pix;

use super::Engine;
use super::pipes::Origin;
use crate::image::TimeoutImage;

impl Engine {
    /// The picture of a pipe is to be set by who opens its input next, or no more.
    pub(super) fn expect_picture(&mut self, index: usize, on: bool) -> Result<(), Errno> {
        if on && self.studio_of(index).is_none() {
            let front = &self.pipes[index];
            let (number, nodes) = (front.index, (front.input, front.output));
            let (options, pix, interval) = (*front.core.options(), *front.core.pix(), front.core.interval());
            let made = self.make_pipe(number, nodes, Origin::Studio).map_err(|e| {
                warn!(pipe = number, "{e}");
                Errno::ENOMEM
            });
            let mut studio = made?;
            let mut own = *studio.core.options();
            own.sizes = options.sizes;
            studio.set_options(own);
            // What writes without a word writes what the pipe has.
            let _ = studio.core.set_caps(Some(&pix), Some(interval), None);
            studio.update_board();
            self.pipes.push(studio);
            self.mirror_settings(index);
        }
        self.pipes[index].awaits_picture = on;
        Ok(())
    }

    /// The studio behind a pipe, if there is one.
    pub(super) fn studio_of(&self, index: usize) -> Option<usize> {
        let number = self.pipes[index].index;
        self.pipes.iter().position(|pipe| pipe.origin == Origin::Studio && pipe.index == number)
    }

    /// The pipe in front of a studio; any other is its own.
    pub(super) fn front_of(&self, index: usize) -> usize {
        let pipe = &self.pipes[index];
        if pipe.origin != Origin::Studio {
            return index;
        }
        let front =
            self.pipes.iter().position(|other| other.origin != Origin::Studio && other.index == pipe.index);
        front.unwrap_or(index)
    }

    /// Where who opens a pipe's input to write gets.
    pub(super) fn to_push(&self, index: usize) -> usize {
        let free = |studio: &usize| {
            let mut openers = self.pipes[*studio].core.openers();
            !openers.any(|(_, opener)| opener.side == Side::Input)
        };
        let studio = self.studio_of(index).filter(|_| self.pipes[index].awaits_picture);
        studio.filter(free).unwrap_or(index)
    }

    /// A studio's programs find the pipe's own settings.
    pub(super) fn mirror_settings(&mut self, index: usize) {
        let Some(studio) = self.studio_of(index).filter(|studio| *studio != index) else { return };
        let (kept, sustain, timeout) = {
            let front = &self.pipes[index];
            (front.core.is_kept(), front.sustain, front.timeout)
        };
        let studio = &mut self.pipes[studio];
        (studio.front_is_kept, studio.sustain, studio.timeout) = (kept, sustain, timeout);
        studio.update_board();
    }

    /// Nobody writes to a studio any more: what was left there, of format `pix`, is the pipe's picture.
    pub(super) fn take_picture(&mut self, index: usize, pix: &Pix) {
        let Some(ring) = self.pipes[index].ring.clone() else { return };
        let Some(frame) = ring.published(ring.head()) else { return };
        let front = self.front_of(index);
        self.pipes[front].awaits_picture = false;
        let (fourcc, number) = (Fourcc(pix.fourcc), self.pipes[front].index);
        // Files of pictures are not read here (`crate::image`).
        let is_raw = PixelFormat::of(fourcc).is_some_and(|format| !format.is_compressed());
        let picture = decode(fourcc, pix.width, pix.height, &frame).filter(|_| is_raw);
        match picture.map(|picture| TimeoutImage::new(&picture)) {
            Some(Ok(image)) => {
                info!(pipe = number, "timeout image set through timeout_image_io");
                self.pipes[front].image = Some(Arc::new(image));
                self.apply(front, Effects { board: true, ..Effects::default() });
            }
            Some(Err(e)) => warn!(pipe = number, "the timeout image is lost: {e}"),
            None => warn!(
                pipe = number,
                "a frame of {fourcc} is no timeout image: use a raw format, such as YUYV"
            ),
        }
    }
}
