//! A pusher: claims a free pipe and writes 25 pictures a second, 320x240 in RGB32, a bar that moves. One
//! copy each; none while nobody watches.
//!
//! Ends with the end of a line on its standard input.

use std::error::Error;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use vloopback_sdk::{Finder, Palette, Pusher};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// Columns.
const BAR: usize = 16;
/// As they lie in memory: blue, green, red, unused.
const BLUE: [u8; 4] = [128, 64, 32, 0];
const ORANGE: [u8; 4] = [0, 160, 255, 0];
/// From one picture to the next.
const PAUSE: Duration = Duration::from_millis(40);

/// A blue picture with an orange bar that begins in column `bar`.
fn draw(frame: &mut [u8], bar: usize) {
    for (k, pixel) in frame.chunks_exact_mut(4).enumerate() {
        let from_bar = (k % WIDTH + WIDTH - bar) % WIDTH;
        pixel.copy_from_slice(if from_bar < BAR { &ORANGE } else { &BLUE });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut pusher = Pusher::claim(&Finder::new())?;
    pusher.set_format(Palette::Rgb32, WIDTH as u32, HEIGHT as u32)?;
    pusher.set_interval(1, 25)?;
    println!(
        "pipe {}: pushing into {}, watch {}; press Enter to end",
        pusher.pipe(),
        pusher.device(),
        pusher.output()
    );

    let (end, ended) = channel();
    thread::spawn(move || {
        // Nothing to read is an end, too.
        let _ = io::stdin().read_line(&mut String::new());
        let _ = end.send(());
    });
    let mut frame = vec![0; pusher.frame_len()];
    let mut bar = 0;
    while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        draw(&mut frame, bar);
        pusher.write_frame(&frame)?;
        bar = (bar + 1) % WIDTH;
    }

    let counters = pusher.counters();
    println!("{} pictures pushed, {} more that nobody watched", counters.published, counters.unwatched);
    Ok(())
}
