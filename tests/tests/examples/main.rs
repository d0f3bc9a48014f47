//! The examples do what their READMEs say, by the commands that stand there.

mod pictures;
mod readme;

use std::path::Path;

use pictures::Picture;
use readme::{Place, blocks, here, watched};
use rustix::process::{Signal, kill_process_group};
use vloopback_tests::{have, skip};

const ORANGE: [u8; 3] = [255, 160, 0];
const BLUE: [u8; 3] = [32, 64, 128];
const WHITE: [u8; 3] = [255; 3];
const BLACK: [u8; 3] = [0; 3];

/// What a client's five pictures show.
fn bars(place: &Place, bar: [u8; 3], ground: [u8; 3]) -> Vec<usize> {
    let begin = |k: usize| {
        let path = place.file(&format!("target/picture{k}.ppm"));
        let bytes = read(&path);
        let picture = Picture::from_ppm(&bytes).and_then(|picture| picture.bar(bar, ground));
        picture.unwrap_or_else(|| panic!("no bar in {}", path.display()))
    };
    assert!(!place.file("target/picture6.ppm").exists());
    (1..=5).map(begin).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The two of 2001.
#[test]
fn legacy_client() {
    if !have("cc") {
        skip!("no C compiler");
    }
    let (place, blocks) = (Place::new(), blocks("legacy-client"));
    place.set_up(&blocks, "");
    let [push] = place.typed(&blocks, "", 1) else { panic!("{blocks:?}") };
    let [take] = place.typed(&blocks, "", 2) else { panic!("{blocks:?}") };

    let mut pushing = place.job(push).start();
    let output = watched(&pushing.line().expect("a line that names the pipe"));
    let ended = place.job(&here(take, &output)).output().ok();
    assert!(ended.text().contains("Video loopback 0 output"), "{}", ended.text());
    let seen = bars(&place, WHITE, BLACK);
    assert!(seen.windows(2).all(|two| two[0] != two[1]), "it does not move: {seen:?}");

    // Ctrl-C goes to all of the terminal's foreground.
    kill_process_group(pushing.leader(), Signal::INT).expect("kill");
    assert_eq!(pushing.finish().code(), 128 + 2);
}

fn one_copy_pusher(section: &str) {
    let (place, blocks) = (Place::new(), blocks("one-copy-pusher"));
    place.set_up(&blocks, section);
    let [push] = place.typed(&blocks, section, 1) else { panic!("{blocks:?}") };
    let mut pushing = place.job(push).start();
    let output = watched(&pushing.line().expect("a line that names the pipe"));
    // Pictures that clients have had; the first of each may be one that was there before anybody watched.
    let (mut watchers, mut had) = (0, 0);
    for command in place.typed(&blocks, section, 2) {
        if command.contains(" ffmpeg ") {
            if !have("ffmpeg") {
                println!("SKIP: the film of the example: no ffmpeg");
                continue;
            }
            place.job(&here(command, &output)).output().ok();
            check_film(&place);
            (watchers, had) = (watchers + 1, had + 25);
        } else {
            place.job(command).output().ok();
            let picture = Picture::from_png(&read(&place.file("target/picture.png")));
            assert!(picture.expect("a picture").bar(ORANGE, BLUE).is_some(), "{command}: no bar");
            (watchers, had) = (watchers + 1, had + 1);
        }
    }
    assert!(watchers > 0, "nobody has watched");
    // Enter.
    pushing.order();
    let ended = pushing.finish().ok();
    let pushed = ended.text().split(' ').next().and_then(|word| word.parse().ok());
    assert!(pushed.is_some_and(|pushed: u64| pushed >= had - watchers), "{}", ended.text());
}

/// 25 pictures of a bar that moves.
fn check_film(place: &Place) {
    let decode = "ffmpeg -v error -i target/film.mkv -vsync passthrough -f rawvideo -pix_fmt rgb24 -";
    let film = place.job(decode).output().ok().stdout;
    let frames = film.chunks(320 * 240 * 3).map(|frame| Picture::from_pixels(frame, 3, [0, 1, 2]));
    let bars: Vec<usize> = frames
        .map(|frame| frame.and_then(|frame| frame.bar(ORANGE, BLUE)).expect("a bar in every frame"))
        .collect();
    assert_eq!(bars.len(), 25);
    assert!(bars.windows(2).all(|two| two[0] != two[1]), "it does not move: {bars:?}");
}

#[test]
fn one_copy_pusher_in_rust() {
    one_copy_pusher("In Rust");
}

#[test]
fn one_copy_pusher_in_c() {
    if !have("cc") {
        skip!("no C compiler");
    }
    one_copy_pusher("In C");
}

/// The same client of 2001 watches it; the pusher draws a picture for each that it asks for.
fn zero_copy_pusher(section: &str) {
    let (place, blocks) = (Place::new(), blocks("zero-copy-pusher"));
    place.set_up(&blocks, section);
    let [push] = place.typed(&blocks, section, 1) else { panic!("{blocks:?}") };
    let [take, snapshot] = place.typed(&blocks, section, 2) else { panic!("{blocks:?}") };
    let mut pushing = place.job(push).start();
    let output = watched(&pushing.line().expect("a line that names the pipe"));
    for first in [0, 5] {
        let ended = place.job(&here(take, &output)).output().ok();
        assert!(ended.text().contains("\"Zero-copy example\", channel \"Bar\""), "{}", ended.text());
        assert_eq!(bars(&place, WHITE, BLACK), (first..first + 5).collect::<Vec<_>>());
        assert_eq!(pushing.line().as_deref(), Some("a client has closed"));
    }
    place.job(snapshot).output().ok();
    let picture = Picture::from_png(&read(&place.file("target/picture.png"))).expect("a picture");
    assert!(picture.bar(WHITE, BLACK).is_some_and(|bar| bar >= 10), "one that was drawn for this client");
    // Enter.
    pushing.order();
    pushing.finish().ok();
}

#[test]
fn zero_copy_pusher_in_rust() {
    if !have("cc") {
        skip!("no C compiler");
    }
    zero_copy_pusher("In Rust");
}

#[test]
fn zero_copy_pusher_in_c() {
    if !have("cc") {
        skip!("no C compiler");
    }
    zero_copy_pusher("In C");
}
