//! PipeWire under the library, as `driver/docs/pipewire.md` has it: every output is a camera in the session, one that comes
//! later too, and what pipewiresrc gets from it is what is pushed.

use std::fs;
use std::path::Path;

use vloopback_tests::{Env, Job, Running, binary, have, pattern, skip, source_root};

const SIZE: (usize, usize) = (64, 48);
const FRAME: usize = SIZE.0 * SIZE.1 * 2;
/// How many frames are taken from each camera.
const COUNT: usize = 3;

/// The commands that the page has systemd start, in its order, with this build's programs.
fn commands() -> Vec<String> {
    let path = source_root().join("driver/docs/pipewire.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines =
        page.lines().filter_map(|line| line.strip_prefix("ExecStart=")).filter(|line| !line.is_empty());
    let own = |line: &str| {
        ["vloopbackd", "vloopback"].iter().fold(line.to_owned(), |line, name| {
            line.replace(&format!("/usr/local/bin/{name} "), &format!("{} ", binary(name).display()))
        })
    };
    lines.map(own).collect()
}

/// A program of the session, without anything of ours.
fn outside(env: &Env, words: &[&str]) -> Job {
    Job::new(words[0]).args(&words[1..]).env("XDG_RUNTIME_DIR", env.dir()).env("HOME", env.dir())
}

/// Waits until PipeWire's running list of what it has names a camera.
fn appears(list: &mut Running, name: &str) {
    let wanted = format!("\"node.name\": \"{name}\"");
    loop {
        let line = list.line().unwrap_or_else(|| panic!("no {name}: {}", list.stderr()));
        if line.contains(&wanted) {
            return;
        }
    }
}

/// The numbers of the frames that a program of the session gets from a camera; each is whole.
fn seen(env: &Env, camera: &str) -> Vec<u32> {
    let path = env.dir().join("saved");
    let (count, target) = (format!("num-buffers={COUNT}"), format!("target-object={camera}"));
    let caps = format!("video/x-raw,format=YUY2,width={},height={}", SIZE.0, SIZE.1);
    let to = format!("location={}", path.display());
    let line = ["gst-launch-1.0", "-q", "pipewiresrc", &target, &count, "!", &caps, "!", "filesink", &to];
    outside(env, &line).output().ok();
    let bytes = fs::read(path).expect("what GStreamer saved");
    assert_eq!(bytes.len(), COUNT * FRAME);
    bytes
        .chunks(FRAME)
        .map(|frame| pattern::check(frame).unwrap_or_else(|e| panic!("{camera}: {e}")))
        .collect()
}

fn has_pipewire() -> bool {
    ["pipewire", "wireplumber", "pw-dump", "dbus-run-session", "gst-launch-1.0", "stdbuf"]
        .into_iter()
        .all(have)
        && Job::new("gst-inspect-1.0").arg("pipewiresrc").output().code() == 0
}

#[test]
fn every_output_is_a_camera_of_the_session() {
    if !has_pipewire() {
        skip!("no PipeWire (packages pipewire, wireplumber, gstreamer1.0-pipewire, dbus)");
    }
    // The page's server, at this test's socket.
    let commands = commands();
    let [server, pipewire, wireplumber] = &commands[..] else { panic!("{commands:?}") };
    let options: Vec<&str> = server.split_whitespace().skip(1).collect();
    let env = Env::builder().args(&options).start();
    let script = format!(
        "{pipewire} & first=$!\n\
         while ! [ -S \"$XDG_RUNTIME_DIR/pipewire-0\" ]; do sleep .05; kill -0 $first || exit; done\n\
         {wireplumber} & second=$!\n\
         echo started; read line; kill $second $first; wait"
    );
    let mut session = Job::new("dbus-run-session")
        .args(["--", "sh", "-c", &script])
        .env("XDG_RUNTIME_DIR", env.dir())
        .env("HOME", env.dir())
        .env("VLOOPBACK_SOCKET", env.socket())
        .start();
    assert_eq!(session.line().as_deref(), Some("started"), "{}", session.stderr());
    assert!(Path::new(&env.dir().join("pipewire-0")).exists());
    let mut list = outside(&env, &["stdbuf", "-oL", "pw-dump", "--monitor"]).start();
    let camera = |index: u32| format!("v4l2_input.platform-vloopback-{index:03}-out");
    appears(&mut list, &camera(0));

    let _first = env.push_numbered(&env.pipe(0).input, SIZE, 0);
    let numbers = seen(&env, &camera(0));
    assert!(numbers.iter().all(|n| *n < 1_000_000), "{numbers:?}");
    // The claim made a pipe, which the session has heard of.
    appears(&mut list, &camera(1));
    let _second = env.push_numbered(&env.pipe(1).input, SIZE, 1_000_000);
    let others = seen(&env, &camera(1));
    assert!(others.iter().all(|n| (1_000_000..2_000_000).contains(n)), "{others:?}");

    // The portal's words for a camera; and no input is one.
    let text = outside(&env, &["pw-dump"]).output().ok().text();
    let objects: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let of_nodes = |key: &str| -> Vec<String> {
        let all = objects.as_array().expect("a list").iter().map(|object| &object["info"]["props"]);
        let sources = all.filter(|props| props["media.class"] == "Video/Source");
        sources.map(|props| props[key].as_str().unwrap_or("").to_owned()).collect()
    };
    assert!(of_nodes("media.role").iter().all(|role| role == "Camera"), "{text}");
    let paths = of_nodes("api.v4l2.path");
    assert!(env.pipes().iter().all(|pipe| !paths.contains(&pipe.input)), "{paths:?}");
    assert!(env.pipes()[..2].iter().all(|pipe| paths.contains(&pipe.output)), "{paths:?}");
    session.order();
    session.finish();
}
