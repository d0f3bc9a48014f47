//! Screens: every pixel, in every palette, of every size.

use std::time::{Duration, Instant};

use vloopback_tests::{Env, Job, have, skip};

use crate::{Bridge, EINVAL, GREY, Painter, RGB24, RGB32, RGB565, UYVY, Xvfb, YUV420P, YUYV, pattern, wrong};

const SIZE: (u16, u16) = (320, 240);

#[test]
fn what_is_drawn_is_what_a_client_sees_without_a_copy() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SIZE, pattern);
    let mut bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    assert_eq!(client.tell("cap", "cap")["width"], 320);
    assert_eq!(client.tell("look", "look")["palette"], RGB32);
    for frame in [0, 1, 0] {
        let picture = client.grab(frame, SIZE, RGB32).expect("a picture");
        assert_eq!(wrong(&picture, SIZE, pattern), [], "frame {frame}");
    }
    // The judge of pixels, judged: the client sees the one pixel that changes, and a wrong expectation is seen.
    painter.paint(painter.root(), (1, 1), |_, _| [1, 2, 3]);
    let picture = client.grab(1, SIZE, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SIZE, pattern), [(0, 0)]);
    client.end();
    assert_eq!(bridge.counts(), [4, 0, 0], "all pictures are the server's own work");
    assert_eq!(bridge.end(), [4, 0, 0]);
}

/// Blocks of one colour, so that pixels which share colour are alike.
fn blocks(x: usize, y: usize) -> [u8; 3] {
    let n = x / 8 + y / 8 * 40;
    [(n * 37) as u8, (n * 91 + 40) as u8, (n * 53 + 90) as u8]
}

/// BT.601 with luma from 16 to 235, by its own formula.
fn yuv([r, g, b]: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let scale = 224.0 / 255.0;
    [16.0 + y * 219.0 / 255.0, 128.0 + (b - y) / 1.772 * scale, 128.0 + (r - y) / 1.402 * scale]
}

/// What a palette has for the pixel, and what it should be.
fn compared(palette: u32, frame: &[u8], x: usize, y: usize) -> Vec<(u8, f64)> {
    let at = y * 320 + x;
    let [r, g, b] = blocks(x, y);
    let [luma, u, v] = yuv([r, g, b]);
    let of = |places: &[usize], values: &[f64]| {
        places.iter().map(|p| frame[*p]).zip(values.iter().copied()).collect()
    };
    match palette {
        GREY => of(&[at], &[luma]),
        RGB24 => of(&[at * 3, at * 3 + 1, at * 3 + 2], &[b, g, r].map(f64::from)),
        YUYV => of(&[at * 2, at / 2 * 4 + 1, at / 2 * 4 + 3], &[luma, u, v]),
        UYVY => of(&[at * 2 + 1, at / 2 * 4, at / 2 * 4 + 2], &[luma, u, v]),
        YUV420P => {
            let colour = 320 * 240 + y / 2 * 160 + x / 2;
            of(&[at, colour, colour + 160 * 120], &[luma, u, v])
        }
        RGB565 => {
            let word = u16::from_le_bytes([frame[at * 2], frame[at * 2 + 1]]);
            let parts = [(word >> 11) as u8, (word >> 5 & 63) as u8, (word & 31) as u8];
            parts.into_iter().zip([r >> 3, g >> 2, b >> 3].map(f64::from)).collect()
        }
        _ => unreachable!("a palette of this test"),
    }
}

#[test]
fn other_palettes_are_one_conversion() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SIZE, blocks);
    let mut bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    let palettes = [GREY, RGB24, YUYV, UYVY, YUV420P, RGB565];
    for palette in palettes {
        assert_eq!(client.ask(&format!("picture {palette} 32768 32768 32768 32768")), 0);
        assert_eq!(client.tell("look", "look")["palette"], palette);
        let frame = client.grab(0, SIZE, palette).expect("a picture");
        let far = |frame: &[u8]| {
            let pixels = (0..240).flat_map(|y| (0..320).map(move |x| (x, y)));
            pixels
                .flat_map(|(x, y)| compared(palette, frame, x, y))
                .filter(|(is, be)| (f64::from(*is) - be).abs() > 1.01)
                .count()
        };
        assert_eq!(far(&frame), 0, "palette {palette}");
        // Judged: one wrong byte is seen.
        let mut spoilt = frame;
        spoilt[1000] ^= 0x40;
        assert!(far(&spoilt) > 0, "palette {palette}");
    }
    // What cannot be made is refused where clients ask: palettes that each driver ordered for itself.
    for palette in [0, 10, 11, 12, 17] {
        assert_eq!(client.ask(&format!("picture {palette} 0 0 0 0")), EINVAL, "palette {palette}");
        assert_eq!(client.grab(0, SIZE, palette), Err(EINVAL), "palette {palette}");
    }
    client.end();
    assert_eq!(bridge.counts(), [0, palettes.len() as u64, 0]);
}

#[test]
fn clients_choose_size_and_part() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SIZE, pattern);
    let bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    for (width, height) in [(176, 144), (320, 240), (1, 1), (33, 17)] {
        assert_eq!(client.ask(&format!("size {width} {height}")), 0);
        let window = client.tell("window", "window");
        assert_eq!((&window["width"], &window["height"]), (&width.into(), &height.into()));
        let picture = client.grab(0, (width, height), RGB32).expect("a picture");
        assert_eq!(wrong(&picture, (width, height), pattern), []);
    }
    for size in ["321 240", "320 241", "0 240", "320 0", "4000000000 1"] {
        assert_eq!(client.ask(&format!("size {size}")), EINVAL, "{size}");
    }
    assert_eq!(client.grab(0, (321, 240), RGB32), Err(EINVAL));
    // Sizes that the palette's pixels cannot have, and those that programs probe formats with.
    assert_eq!(client.grab(0, (33, 17), YUV420P), Err(EINVAL));
    assert!(client.grab(0, (20, 20), YUV420P).is_ok());
    // A part of the screen.
    assert_eq!(client.ask("part 100 60 64 32"), 0);
    let cap = client.tell("cap", "cap");
    assert_eq!((&cap["width"], &cap["height"]), (&64.into(), &32.into()));
    let picture = client.grab(1, (64, 32), RGB32).expect("a picture");
    assert_eq!(wrong(&picture, (64, 32), |x, y| pattern(x + 100, y + 60)), []);
    assert_ne!(wrong(&picture, (64, 32), pattern), [], "a part elsewhere is seen");
    assert_eq!(client.ask("size 65 32"), EINVAL);
    for part in ["300 0 21 10", "0 0 0 1", "4294967295 0 2 1", "0 230 10 11"] {
        assert_eq!(client.ask(&format!("part {part}")), EINVAL, "{part}");
    }
    client.end();
}

#[test]
fn each_screen_is_a_channel_with_its_own_pixels() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24", "400x100x16"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SIZE, pattern);
    let other = Painter::on(&xvfb.display, 1);
    let mut bridge = Bridge::start(&env, &xvfb.display, &["--channel", "1"]);
    let mut client = bridge.client(&env);
    let names: Vec<String> = client.channels().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["Screen 0", "Screen 1"]);
    assert_eq!(client.tell("window", "window")["width"], 400);
    // A screen of 16 bits: its own pixels need no copy, of whatever width they can have.
    let red = |x: usize, y: usize| ((x + y) % 2 * 31) as u16;
    let line = |y: usize| (0..400).flat_map(|x| (red(x, y) << 11).to_le_bytes()).collect::<Vec<u8>>();
    paint16(&other, &line);
    let expected: Vec<u8> = (0..100).flat_map(line).collect();
    assert_eq!(client.grab(0, (400, 100), RGB565).expect("a picture"), expected);
    let narrow: Vec<u8> = (0..100).flat_map(|y| line(y)[..199 * 2].to_vec()).collect();
    assert_eq!(narrow.len(), 199 * 2 * 100);
    assert_eq!(client.grab(0, (199, 100), RGB565).expect("a picture"), narrow);
    assert!(client.grab(0, (400, 100), RGB32).is_ok());
    // The other screen.
    assert_eq!(client.ask("channel 0"), 0);
    assert_eq!(client.tell("window", "window")["width"], 320);
    let picture = client.grab(0, SIZE, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SIZE, pattern), []);
    assert_eq!(client.ask("channel 2"), EINVAL);
    client.end();
    // One picture of each screen as it lay there; the odd width has padded lines, and RGB32 is another palette.
    assert_eq!(bridge.counts(), [2, 2, 0]);
}

fn paint16(painter: &Painter, line: &dyn Fn(usize) -> Vec<u8>) {
    use x11rb::connection::Connection;
    use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, ImageFormat};
    let gc = painter.conn.generate_id().expect("an id");
    painter.conn.create_gc(gc, painter.root(), &CreateGCAux::new()).expect("create_gc");
    for y in 0..100 {
        let data = line(y);
        let format = ImageFormat::Z_PIXMAP;
        painter
            .conn
            .put_image(format, painter.root(), gc, 400, 1, 0, y as i16, 0, 16, &data)
            .expect("put_image");
    }
    painter.settle();
}

/// A program from the distribution draws, and the camera shows what the server says is there.
#[test]
fn a_real_program() {
    if !have("Xvfb") || !have("xlogo") {
        skip!("no Xvfb or no xlogo (apt-get install xvfb x11-apps)");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SIZE, |_, _| [10, 20, 30]);
    let _logo = Job::new("xlogo")
        .args(["-geometry", "200x150+40+30", "-fg", "#c01020", "-bg", "#f0e0d0"])
        .env("DISPLAY", &xvfb.display)
        .start();
    // It draws when it likes: until the logo's own colour is there.
    let drawn =
        |pixels: &[u8]| pixels.chunks_exact(4).filter(|p| p[..3] == [0x20, 0x10, 0xc0]).count() > 1000;
    let mut bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    let begin = Instant::now();
    loop {
        let before = painter.pixels(painter.root(), SIZE);
        let picture = client.grab(0, SIZE, RGB32).expect("a picture");
        let after = painter.pixels(painter.root(), SIZE);
        if drawn(&before) && before == after {
            let at = |x: usize, y: usize| [2, 1, 0].map(|colour| after[(y * 320 + x) * 4 + colour]);
            assert_eq!(wrong(&picture, SIZE, at), []);
            assert_ne!(wrong(&picture, SIZE, |_, _| [10, 20, 30]), [], "the logo is there");
            break;
        }
        assert!(begin.elapsed() < vloopback_tests::PATIENCE, "xlogo draws nothing");
    }
    client.end();
    assert_eq!(bridge.counts()[1..], [0, 0]);
}

/// Pictures come at the rate that was asked for, and no client gets more by being late.
#[test]
fn pictures_keep_their_rate() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["64x48x24"], &[]);
    let bridge = Bridge::start(&env, &xvfb.display, &["--fps", "20"]);
    let mut client = bridge.client(&env);
    client.grab(0, (64, 48), RGB32).expect("a picture");
    let begin = Instant::now();
    for _ in 0..6 {
        client.grab(0, (64, 48), RGB32).expect("a picture");
    }
    // The first of them may have been due already, the second too; not so the other four.
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    client.end();
}
