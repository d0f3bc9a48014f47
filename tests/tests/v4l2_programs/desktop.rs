//! Large programs of the desktop, which `tests/run --full` installs: VLC, guvcview, OBS.

use std::fs;
use std::path::Path;

use vloopback_tests::{Env, Job, full, have, skip};

use super::{HEIGHT, WIDTH, YUYV, fails, saves};

/// What goes before a program that refuses to be run by root: another user, and the group that may open the node.
/// Nothing where the tests are not root's.
fn as_somebody(env: &Env, device: &str) -> Vec<String> {
    if !rustix::process::getuid().is_root() {
        return Vec::new();
    }
    let group = env.run(&["stat", "-c", "%g", device]).output().ok().text();
    let group = format!("--regid={}", group.trim());
    ["setpriv", "--reuid=65534", &group, "--clear-groups"].map(str::to_owned).into()
}

/// `cvlc v4l2://`, streaming what it captures to its standard output.
#[test]
fn vlc_streams() {
    const COUNT: usize = 8;
    if !full() {
        return;
    }
    if !have("cvlc") || !have("setpriv") {
        skip!("cvlc (vlc-bin, vlc-plugin-base) or setpriv is not installed");
    }
    saves(YUYV, COUNT, |env, device| {
        let mut command = as_somebody(env, device);
        let url = format!("v4l2://{device}");
        let words = ["cvlc", "-q", "--no-dbus", "--no-audio", "--ignore-config", "--no-media-library"];
        let words = [&words[..], &[&url, "--sout", "#std{access=file,mux=raw,dst=-}"]].concat();
        command.extend(words.iter().map(|word| (*word).to_owned()));
        let mut vlc = env.run(&command).env("HOME", env.dir()).start();
        vlc.bytes(COUNT * YUYV.len)
    });
}

/// guvcview without its windows: pictures as they came, by its timer.
#[test]
fn guvcview_takes_photos() {
    const COUNT: usize = 2;
    if !full() {
        return;
    }
    if !have("guvcview") {
        skip!("guvcview is not installed");
    }
    let size = format!("{WIDTH}x{HEIGHT}");
    saves(YUYV, COUNT, |env, device| {
        let photo = |number: &str| env.dir().join(format!("photo{number}.raw"));
        let (to, count) = (photo("").display().to_string(), COUNT.to_string());
        let words = ["guvcview", "-d", device, "-g", "none", "-r", "none", "-a", "none", "-x", &size];
        let photos = ["-f", "yuyv", "-i", &to, "-t", "0.3", "-n", &count, "-e"];
        env.run(&[&words[..], &photos[..]].concat()).env("HOME", env.dir()).output().ok();
        // It may take one more before it ends.
        let taken = (1..=COUNT).map(|n| fs::read(photo(&format!("-{n}"))).expect("a photo"));
        let taken: Vec<u8> = taken.flatten().collect();
        for n in 1..=COUNT + 2 {
            let _ = fs::remove_file(photo(&format!("-{n}")));
        }
        taken
    });
}

/// What OBS begins with: a scene that has a camera alone, and recordings that keep every pixel.
fn configure_obs(home: &Path, device: &str) {
    let base = home.join(".config/obs-studio");
    let (profile, scenes) = (base.join("basic/profiles/Untitled"), base.join("basic/scenes"));
    let films = home.join("films");
    for folder in [&profile, &scenes, &films] {
        fs::create_dir_all(folder).expect("a folder");
    }
    let global = "[General]\nFirstRun=true\nLastVersion=486539266\n\
                  [Basic]\nProfile=Untitled\nProfileDir=Untitled\n\
                  SceneCollection=Untitled\nSceneCollectionFile=Untitled\nConfigOnNewProfile=true\n";
    let basic = format!(
        "[General]\nName=Untitled\n[Output]\nMode=Advanced\n\
         [AdvOut]\nRecType=FFmpeg\nFFOutputToFile=true\nFFFilePath={}\n\
         FFFormat=avi\nFFFormatMimeType=video/x-msvideo\nFFExtension=avi\n\
         FFVEncoder=rawvideo\nFFVEncoderId=13\nFFAEncoder=pcm_s16le\nFFAEncoderId=65536\nFFAudioMixes=1\n\
         [Video]\nBaseCX={WIDTH}\nBaseCY={HEIGHT}\nOutputCX={WIDTH}\nOutputCY={HEIGHT}\n\
         FPSType=0\nFPSCommon=30\nColorFormat=RGB\nColorRange=Full\n",
        films.display()
    );
    let camera = serde_json::json!({"id": "v4l2_input", "name": "camera", "enabled": true,
        "settings": {"device_id": device, "input": 0, "pixelformat": -1, "resolution": -1, "framerate": -1}});
    let scene = serde_json::json!({"id": "scene", "name": "Scene", "enabled": true, "settings": {
        "id_counter": 1, "items": [{"id": 1, "name": "camera", "visible": true, "align": 5,
            "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0}}]}});
    let scenes_file = serde_json::json!({"name": "Untitled", "current_scene": "Scene",
        "current_program_scene": "Scene", "scene_order": [{"name": "Scene"}], "sources": [camera, scene]});
    for (path, text) in [
        (base.join("global.ini"), global.to_owned()),
        (profile.join("basic.ini"), basic),
        (scenes.join("Untitled.json"), scenes_file.to_string()),
    ] {
        fs::write(&path, text).expect("a setting");
    }
}

/// The pixels (blue, green, red, unused) of the last picture of a film or of a picture of ffmpeg's own.
fn last_picture(input: &[&str]) -> Vec<u8> {
    let size = (WIDTH * HEIGHT * 4) as usize;
    let words = ["-hide_banner", "-loglevel", "error", "-nostdin"];
    let out = ["-pix_fmt", "bgra", "-f", "rawvideo", "-"];
    let pixels = Job::new("ffmpeg").args([&words[..], input, &out[..]].concat()).output().stdout;
    let last = pixels.len() / size;
    assert!(last > 0, "no picture of {input:?}");
    pixels[(last - 1) * size..last * size].to_vec()
}

/// OBS records what its camera source shows. Its own conversion is not ffmpeg's: colours may be some steps apart, and
/// edges blurred.
#[test]
fn obs_shows_a_camera() {
    if !full() {
        return;
    }
    if let Some(missing) = ["obs", "ffmpeg", "Xvfb"].iter().find(|tool| !have(tool)) {
        skip!("{missing} is not installed");
    }
    let env = Env::new(2);
    let pipes = env.pipes();
    let size = format!("size={WIDTH}x{HEIGHT}:rate=25");
    let sources = [format!("smptebars={size}"), format!("smptebars={size},hflip")];
    let _pushers: Vec<_> = sources
        .iter()
        .zip(&pipes)
        .map(|(source, pipe)| {
            let words = ["ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", source];
            let out = ["-pix_fmt", "yuyv422", "-f", "v4l2", pipe.input.as_str()];
            env.run(&[&words[..], &out[..]].concat()).start()
        })
        .collect();
    env.until("ffmpeg has both pipes", |pipes| pipes.iter().all(|p| p.input_status == "W"));
    let screen = ["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1024x768x24"];
    let mut server = Job::new("Xvfb").args(screen).start();
    let display = format!(":{}", server.line().expect("the display's number"));
    let shown = |number: usize| {
        let home = env.dir().join(format!("obs-{number}"));
        configure_obs(&home, &pipes[number].output);
        let obs = env
            .run(&["obs", "--multi", "--startrecording"])
            .env("DISPLAY", &display)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("QT_QPA_PLATFORM", "xcb")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .start();
        // Two seconds, of which the first pictures may be from before the camera's.
        let film = env.until_long(&home.join("films"), u64::from(WIDTH * HEIGHT * 4 * 60));
        drop(obs);
        last_picture(&["-i", film.to_str().expect("letters")])
    };
    // It takes all YUV for that of BT.709.
    let wanted = format!("{},format=yuyv422,scale=in_color_matrix=bt709,format=bgra", sources[0]);
    let expected = last_picture(&["-f", "lavfi", "-i", &wanted, "-frames:v", "1"]);
    let judge = |picture: Vec<u8>| {
        let far = |(seen, wanted): &(&[u8], &[u8])| {
            seen.iter().zip(*wanted).take(3).any(|(a, b)| a.abs_diff(*b) > 24)
        };
        let wrong = picture.chunks(4).zip(expected.chunks(4)).filter(far).count();
        let all = (WIDTH * HEIGHT) as usize;
        if wrong * 20 < all { Ok(()) } else { Err(format!("another pipe: {wrong} pixels of {all}")) }
    };
    assert_eq!(judge(shown(0)), Ok(()));
    fails(judge(shown(1)), "another pipe");
}
