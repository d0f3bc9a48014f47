//! Xv's video inputs, on the small X server of `fake.rs`: no server of today has any.

use vloopback_tests::{Env, have, skip};

use crate::fake::{Draws, Fake, RUNNING, STILLS, Told, serve};
use crate::{Bridge, EINVAL, EIO, RGB32, YUV420P, wrong};

const EBUSY: i64 = 16;

fn start(env: &Env, args: &[&str]) -> (Bridge, Fake) {
    start_with(env, args, Draws::Everywhere, false)
}

fn start_with(env: &Env, args: &[&str], draws: Draws, composite: bool) -> (Bridge, Fake) {
    let fake = serve(draws, composite);
    (Bridge::start(env, &fake.display, args), fake)
}

/// What the server has been told so far.
fn told(fake: &Fake) -> Told {
    fake.told.lock().expect("the server did not panic").clone()
}

/// Other programs have these ports from now on.
fn occupy(fake: &Fake, ports: &[u32]) {
    fake.told.lock().expect("the server did not panic").busy = ports.to_vec();
}

#[test]
fn encodings_are_channels_and_settings_are_attributes() {
    let env = Env::new(1);
    let (mut bridge, fake) = start(&env, &[]);
    let mut client = bridge.client(&env);
    let (tv, camera) = (1, 2);
    let channel = |name: &str, kind, tuners| (name.to_owned(), kind, tuners);
    let all = [
        channel("Screen 0", camera, 0),
        channel("pal-television", tv, 1),
        channel("pal-composite0", camera, 0),
        channel("ntsc-svideo0", camera, 0),
        channel("camera", camera, 0),
    ];
    assert_eq!(client.channels(), all);
    assert_eq!(client.tell("cap", "cap")["type"].as_i64().map(|kind| kind & 2), Some(2), "it has a tuner");
    assert_eq!(client.tell("tuner", "tuner")["errno"], EINVAL, "screens have none");
    assert_eq!(client.ask("tune 800"), EINVAL);

    // The television: chosen, tuned, set.
    assert_eq!(client.ask("channel 1"), 0);
    assert_eq!(told(&fake).grabbed, [STILLS]);
    assert_eq!(told(&fake).attribute(STILLS, "XV_ENCODING"), 1);
    let tuner = client.tell("tuner", "tuner");
    assert_eq!((tuner["low"].as_i64(), tuner["high"].as_i64()), (Some(700), Some(13_000)));
    for frequency in [699, 13_001] {
        assert_eq!(client.ask(&format!("tune {frequency}")), EINVAL);
    }
    assert_eq!(client.ask("tune 3460"), 0);
    assert_eq!(told(&fake).attribute(STILLS, "XV_FREQ"), 3460);
    assert_eq!(client.tell("tuned", "tuned")["frequency"], 3460);
    assert_eq!(client.ask(&format!("picture {RGB32} 65535 0 32768 13107")), 0);
    {
        let told = told(&fake);
        let set = |name| told.attribute(STILLS, name);
        assert_eq!(set("XV_BRIGHTNESS"), 1000);
        assert_eq!(set("XV_HUE"), -128);
        assert_eq!(set("XV_SATURATION"), 500);
        assert_eq!(set("XV_CONTRAST"), 51);
    }
    let look = client.tell("look", "look");
    let read = |name: &str| look[name].as_i64().expect("a number");
    assert_eq!((read("brightness"), read("hue"), read("contrast")), (65535, 0, 13107));
    assert!((read("colour") - 32768).abs() <= 33, "{look}");

    // Its pictures, in the client's own frames.
    let window = client.tell("window", "window");
    assert_eq!((&window["width"], &window["height"]), (&384.into(), &288.into()));
    let size = (384, 288);
    for frame in [0, 1] {
        let picture = client.grab(frame, size, RGB32).expect("a picture");
        let told = told(&fake);
        assert_eq!(wrong(&picture, size, |x, y| told.pixel(STILLS, x, y)), []);
        // Judged: any other setting would be seen.
        let mut other = Told::default();
        other.attributes.clone_from(&told.attributes);
        other.attributes.insert((STILLS, "XV_FREQ".to_owned()), 3461);
        assert_ne!(wrong(&picture, size, |x, y| other.pixel(STILLS, x, y)), []);
    }
    // The server drew into the file that the clients map, at the offsets that they know; nowhere else.
    let frames = 2 * u64::from((384u32 * 288 * 4).next_multiple_of(4096));
    assert_eq!(told(&fake).segments, [frames]);
    assert_eq!(told(&fake).drawn, [(0, 0), (0, frames as u32 / 2)]);
    assert_eq!(told(&fake).stills, 2);

    // Scaled by the adaptor; converted from memory of the bridge's own.
    assert!(client.grab(0, (192, 144), YUV420P).is_ok());
    assert_eq!(told(&fake).drawn.last(), Some(&(1, 0)));

    // Another encoding of the same port, and back to the screen.
    assert_eq!(client.ask("channel 3"), 0);
    assert_eq!(told(&fake).attribute(STILLS, "XV_ENCODING"), 3);
    assert_eq!(client.tell("cap", "cap")["width"], 320);
    assert_eq!(client.ask("tune 3460"), EINVAL, "this input has no tuner");
    assert_eq!(client.ask("channel 0"), 0);
    assert_eq!(client.ask("channel 5"), EINVAL);
    assert_eq!(client.tell("look", "look")["brightness"], 32768);
    let picture = client.grab(0, (320, 240), RGB32).expect("a picture");
    assert_eq!(wrong(&picture, (320, 240), |_, _| [0; 3]), []);
    assert_eq!(told(&fake).grabbed, [0u32; 0]);
    client.end();
    assert_eq!(bridge.counts(), [3, 1, 0]);
}

#[test]
fn a_port_in_use_is_left_alone() {
    let env = Env::new(1);
    let (bridge, fake) = start(&env, &[]);
    let mut client = bridge.client(&env);
    // The first port is another program's: the second is taken.
    occupy(&fake, &[STILLS]);
    assert_eq!(client.ask("channel 2"), 0);
    assert_eq!(told(&fake).grabbed, [STILLS + 1]);
    assert_eq!(client.ask(&format!("picture {RGB32} 0 0 0 0")), 0);
    let size = (384, 288);
    let picture = client.grab(0, size, RGB32).expect("a picture");
    {
        let told = told(&fake);
        assert_eq!(wrong(&picture, size, |x, y| told.pixel(STILLS + 1, x, y)), []);
        assert_eq!(told.attribute(STILLS, "XV_ENCODING"), 0);
    }
    // None is left: the channel stays the one that it was.
    occupy(&fake, &[RUNNING]);
    assert_eq!(client.ask("channel 4"), EBUSY);
    assert_eq!(told(&fake).grabbed, [STILLS]);
    assert!(client.grab(0, size, RGB32).is_ok());
    // Somebody else has it by the time that this channel comes back.
    occupy(&fake, &[STILLS, STILLS + 1, RUNNING]);
    assert_eq!(client.ask("channel 4"), EBUSY);
    assert_eq!(client.grab(0, size, RGB32), Err(EIO));
    assert_eq!(client.ask("channel 0"), 0);
    assert!(client.grab(0, (320, 240), RGB32).is_ok());
    client.end();
}

#[test]
fn an_adaptor_without_stills_runs_video() {
    let env = Env::new(1);
    let (bridge, fake) = start(&env, &["--channel", "4"]);
    let mut client = bridge.client(&env);
    let size = (160, 120);
    assert_eq!(client.ask(&format!("picture {RGB32} 20000 40000 60000 80")), 0);
    for frame in [0, 1, 0] {
        let picture = client.grab(frame, size, RGB32).expect("a picture");
        let told = told(&fake);
        assert_eq!(wrong(&picture, size, |x, y| told.pixel(RUNNING, x, y)), []);
    }
    assert_eq!((told(&fake).started, told(&fake).stopped, told(&fake).stills), (1, 0, 0));
    // Another size is another pixmap.
    assert!(client.grab(0, (80, 60), RGB32).is_ok());
    assert_eq!((told(&fake).started, told(&fake).stopped), (2, 1));
    assert_eq!(client.ask("channel 0"), 0);
    // The last of its requests is answered after the end of video.
    assert!(client.grab(0, (320, 240), RGB32).is_ok());
    assert_eq!((told(&fake).stopped, told(&fake).grabbed.len()), (2, 0));
    client.end();
}

/// What most real adaptors are: the picture goes by a window that nobody sees, into the client's own frames still.
#[test]
fn an_adaptor_that_refuses_pixmaps_has_a_window_that_nobody_sees() {
    let env = Env::new(1);
    for (channel, port, size) in [(1, STILLS, (384, 288)), (4, RUNNING, (160, 120))] {
        let (mut bridge, fake) = start_with(&env, &["--channel", &channel.to_string()], Draws::Windows, true);
        let mut client = bridge.client(&env);
        assert_eq!(client.ask(&format!("picture {RGB32} 20000 40000 60000 80")), 0);
        for frame in [0, 1, 0] {
            let picture = client.grab(frame, size, RGB32).expect("a picture");
            let told = told(&fake);
            assert_eq!(wrong(&picture, size, |x, y| told.pixel(port, x, y)), []);
            // Judged: another port's picture would be seen.
            assert_ne!(wrong(&picture, size, |x, y| told.pixel(port + 1, x, y + 1)), []);
        }
        let after = told(&fake);
        // A pixmap was tried once; then it is known.
        assert_eq!((after.refused, after.seen, after.windows.len()), (1, 0, 2));
        // The server drew into the clients' frames: no other memory was attached.
        assert_eq!((after.segments.len(), after.drawn.len()), (1, 3));
        // Another size is another window, another palette is converted from it.
        let half = (size.0 / 2, size.1 / 2);
        let picture = client.grab(0, half, RGB32).expect("a picture");
        assert_eq!(wrong(&picture, half, |x, y| after.pixel(port, x, y)), []);
        assert!(client.grab(0, half, YUV420P).is_ok());
        let after = told(&fake);
        assert_eq!((after.refused, after.seen, after.windows.len()), (1, 0, 2));
        // Nothing is left when the channel is another.
        assert_eq!(client.ask("channel 0"), 0);
        assert!(client.grab(0, (320, 240), RGB32).is_ok());
        let after = told(&fake);
        assert_eq!((after.windows.len(), after.grabbed.len()), (0, 0));
        assert_eq!(after.stopped, if port == RUNNING { 2 } else { 0 });
        client.end();
        assert_eq!(bridge.counts(), [5, 1, 0]);
        bridge.end();
        env.until_idle();
    }
}

/// Never an empty picture with success.
#[test]
fn where_no_picture_can_be_had_the_client_hears_of_it() {
    let env = Env::new(1);
    for (draws, composite, reason) in [
        (Draws::Nowhere, true, "Alloc of PutStill"),
        (Draws::Windows, false, "Alloc of PutStill"),
        (Draws::Beside, true, "nothing that could be read back"),
    ] {
        let (bridge, fake) = start_with(&env, &["--channel", "1"], draws, composite);
        let mut client = bridge.client(&env);
        assert_eq!(client.grab(0, (384, 288), RGB32), Err(EIO), "{draws:?}");
        bridge.complains(reason);
        assert_eq!(told(&fake).seen, 0);
        // The other channels are there as before.
        assert_eq!(client.ask("channel 0"), 0);
        assert!(client.grab(0, (320, 240), RGB32).is_ok(), "{draws:?}");
        client.end();
        bridge.end();
        env.until_idle();
    }
}

/// Today's programs find the same: inputs, controls, a tuner, and the server's own pixels.
#[test]
fn v4l2_programs_choose_and_tune() {
    if !have("v4l2-ctl") {
        skip!("no v4l2-ctl");
    }
    let env = Env::new(1);
    let (bridge, fake) = start(&env, &[]);
    let node = bridge.pipe.output.clone();
    let ctl = |args: &[&str]| {
        let mut words = vec!["v4l2-ctl", "-d", &node];
        words.extend(args);
        env.run(&words).output().ok().text()
    };
    let inputs = ctl(&["--list-inputs"]);
    let at = |name: &str| inputs.find(name).unwrap_or_else(|| panic!("no {name} in {inputs}"));
    assert!(at("Screen 0") < at("pal-television") && at("ntsc-svideo0") < at("camera"));
    ctl(&["--set-input=1"]);
    // 216.25 MHz in steps of 1/16 MHz.
    ctl(&["--set-freq=216.25", "--set-ctrl=brightness=65535,hue=0"]);
    let after = told(&fake);
    assert_eq!(after.attribute(STILLS, "XV_ENCODING"), 1);
    assert_eq!(after.attribute(STILLS, "XV_FREQ"), 3460);
    assert_eq!((after.attribute(STILLS, "XV_BRIGHTNESS"), after.attribute(STILLS, "XV_HUE")), (1000, -128));
    let file = env.dir().join("frames");
    let to = format!("--stream-to={}", file.display());
    ctl(&[
        "--set-fmt-video=width=320,height=240,pixelformat=BGR4",
        "--stream-mmap=3",
        "--stream-count=3",
        &to,
    ]);
    let frames = std::fs::read(&file).expect("the frames");
    let size = (320, 240);
    assert_eq!(frames.len(), 3 * 320 * 240 * 4);
    for frame in frames.chunks_exact(320 * 240 * 4) {
        assert_eq!(wrong(frame, size, |x, y| after.pixel(STILLS, x, y)), []);
        assert_ne!(wrong(frame, size, |x, y| after.pixel(STILLS + 1, x, y)), []);
    }
    let [direct, converted, failed] = bridge.end();
    assert!(direct >= 3 && converted == 0 && failed == 0, "{direct}, {converted}, {failed}");
}
