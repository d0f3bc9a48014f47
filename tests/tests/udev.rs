//! Device lists of today's programs, which ask libudev: udevadm, pyudev, GStreamer's device monitor. Each finds
//! every node, with what udev would know of it, and what it finds is a camera that shows what is pushed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use vloopback_tests::{Env, Job, Pipe, have, pattern, skip};

/// What `statfs` says of a sysfs and of a procfs.
const SYSFS: &str = "62656572";
const PROCFS: &str = "9fa0";
const TMPFS: &str = "1021994";

/// libudev takes nothing for a device that does not lie on sysfs; what is not ours is as it is without us.
#[test]
fn the_trees_files_are_on_the_file_systems_that_they_seem_to_be_on() {
    let env = Env::new(1);
    let number = Pipe::number(&env.pipe(0).output);
    let ours = [
        ("/sys/class/video4linux".to_owned(), SYSFS),
        (format!("/sys/class/video4linux/video{number}"), SYSFS),
        (format!("/sys/class/video4linux/video{number}/uevent"), SYSFS),
        (format!("/sys/devices/virtual/video4linux/video{number}"), SYSFS),
        (format!("/sys/dev/char/81:{number}/dev"), SYSFS),
        ("/sys".to_owned(), SYSFS),
        ("/proc/video/vloopback/vloopbacks".to_owned(), PROCFS),
        ("/proc".to_owned(), PROCFS),
        (format!("/dev/video{number}"), TMPFS),
    ];
    let tree = env.tree();
    let others = [env.dir(), Path::new("/"), Path::new("/usr/bin"), Path::new("/nowhere"), tree.as_path()];
    let others = others.map(|path| path.to_str().expect("a path in UTF-8"));
    let paths: Vec<&str> = ours.iter().map(|(path, _)| path.as_str()).chain(others).collect();
    let mut told = env.program("fs_kinds", &paths).start();
    for (path, kind) in &ours {
        for call in ["statfs", "statfs64", "fstatfs", "fstatfs64"] {
            let event = told.event(call);
            assert_eq!(event["path"], path.as_str());
            assert_eq!((event["kind"].as_str(), event["errno"].as_i64()), (Some(*kind), Some(0)), "{event}");
        }
    }
    let mut plain = Job::new(vloopback_tests::program("fs_kinds")).args(others).start();
    for _ in others {
        for call in ["statfs", "statfs64", "fstatfs", "fstatfs64"] {
            assert_eq!(told.event(call), plain.event(call));
        }
    }
    told.finish().ok();
}

/// What udev would know of a node, by the node's path in /dev.
fn expected(env: &Env) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let mut all = BTreeMap::new();
    for (index, pipe) in env.pipes().iter().enumerate() {
        for (node, side, capability) in
            [(&pipe.input, "in", "video_output"), (&pipe.output, "out", "capture")]
        {
            let number = Pipe::number(node);
            let properties = BTreeMap::from([
                ("DEVNAME", node.clone()),
                ("DEVPATH", format!("/devices/virtual/video4linux/video{number}")),
                ("SUBSYSTEM", "video4linux".to_owned()),
                ("MAJOR", "81".to_owned()),
                ("MINOR", number.to_string()),
                ("ID_V4L_VERSION", "2".to_owned()),
                ("ID_V4L_PRODUCT", format!("Loopback video device {number}")),
                ("ID_V4L_CAPABILITIES", format!(":{capability}:")),
                ("ID_SERIAL", format!("vloopback-{index:03}-{side}")),
                ("ID_PATH", format!("platform-vloopback-{index:03}-{side}")),
            ]);
            all.insert(node.clone(), properties);
        }
    }
    all
}

/// Lines `KEY=VALUE`.
fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn udevadm_knows_every_node() {
    if !have("udevadm") {
        skip!("no udevadm (package udev)");
    }
    let env = Env::new(2);
    let expected = expected(&env);
    for (node, wanted) in &expected {
        let number = Pipe::number(node);
        for place in [node.clone(), format!("/sys/class/video4linux/video{number}")] {
            let text = env.run(&["udevadm", "info", "--query=property", &place]).output().ok().text();
            let found = properties(&text);
            for (key, value) in wanted {
                assert_eq!(found.get(key), Some(&value.as_str()), "{place}, {key}: {text}");
            }
        }
    }
    let select = ["udevadm", "trigger", "--dry-run", "--verbose", "--subsystem-match=video4linux"];
    let listed = env.run(&select).output().ok().text();
    for wanted in expected.values() {
        let path = format!("/sys{}", wanted["DEVPATH"]);
        assert_eq!(listed.lines().filter(|line| **line == path).count(), 1, "{listed}");
    }
    // By what it can do: the list of cameras, and no input is one.
    let cameras = [&select[..], &["--property-match=ID_V4L_CAPABILITIES=*:capture:*"]].concat();
    let listed = env.run(&cameras).output().ok().text();
    for (node, wanted) in &expected {
        let is_output = wanted["ID_V4L_CAPABILITIES"] == ":capture:";
        let path = format!("/sys{}", wanted["DEVPATH"]);
        assert_eq!(listed.lines().any(|line| line == path), is_output, "{node}: {listed}");
    }
    // Without the library there is nothing of the kind.
    let plain =
        Job::new("udevadm").args(["info", "--query=property", "/sys/class/video4linux/video0"]).output();
    assert!(!plain.text().contains("vloopback"), "{}", plain.text());
}

#[test]
fn pyudev_lists_the_nodes() {
    let python = "/usr/bin/python3";
    if Job::new(python).args(["-c", "import pyudev"]).output().code() != 0 {
        skip!("no pyudev (package python3-pyudev)");
    }
    let env = Env::new(2);
    let code = "import pyudev\n\
                context = pyudev.Context()\n\
                for device in context.list_devices(subsystem='video4linux'):\n    \
                    print(device.device_node, device.is_initialized, device.get('ID_SERIAL'), sep='|')\n\
                for node in ('/dev/video%d' % n for n in range(64)):\n    \
                    try:\n        \
                        print('by file', pyudev.Devices.from_device_file(context, node).sys_name)\n    \
                    except Exception: pass\n";
    let text = env.run(&[python, "-c", code]).output().ok().text();
    for (node, wanted) in expected(&env) {
        let line = format!("{node}|True|{}", wanted["ID_SERIAL"]);
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
        let line = format!("by file {}", node.trim_start_matches("/dev/"));
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
}

const SIZE: (usize, usize) = (64, 48);

/// Two frames that GStreamer saves from a node.
fn saved(env: &Env, node: &str) -> Vec<u8> {
    let path = env.dir().join("saved");
    let location = format!("location={}", path.display());
    let caps = format!("video/x-raw,format=YUY2,width={},height={}", SIZE.0, SIZE.1);
    let device = format!("device={node}");
    let line =
        ["gst-launch-1.0", "-q", "v4l2src", &device, "num-buffers=2", "!", &caps, "!", "filesink", &location];
    env.run(&line).output().ok();
    fs::read(path).expect("what GStreamer saved")
}

#[test]
fn gstreamers_device_monitor_lists_the_cameras() {
    if !have("gst-device-monitor-1.0") || !have("gst-launch-1.0") {
        skip!(
            "no gst-device-monitor-1.0, gst-launch-1.0 (gstreamer1.0-plugins-base-apps, gstreamer1.0-tools)"
        );
    }
    let env = Env::new(2);
    let (size, len) = (format!("{}x{}", SIZE.0, SIZE.1), SIZE.0 * SIZE.1 * 2);
    let pipes = env.pipes();
    let firsts = [0, 1_000_000];
    let _pushers = [0, 1].map(|k: usize| {
        let first = firsts[k].to_string();
        let words = [
            "--device",
            &pipes[k].input,
            "--format",
            "YUYV",
            "--size",
            &size,
            "--fps",
            "50",
            "--first",
            &first,
            "--report",
            "1",
        ];
        let mut pusher = env.program("v4l2_pusher", &words).start();
        pusher.frame(firsts[k] as u64);
        pusher
    });
    let text = env.run(&["gst-device-monitor-1.0", "Video/Source"]).output().ok().text();
    for (index, pipe) in pipes.iter().enumerate() {
        let name = format!("Loopback video device {}", Pipe::number(&pipe.output));
        let found =
            text.split("Device found:").find(|part| part.contains(&name)).unwrap_or_else(|| panic!("{text}"));
        let said = |words: &str| found.lines().any(|line| line.trim() == words);
        assert!(said(&format!("device.path = {}", pipe.output)), "{found}");
        assert!(said("device.capabilities = :capture:"), "{found}");
        let node = found.lines().find_map(|line| line.trim().strip_prefix("device.path = ")).expect("a node");
        let range = firsts[index]..firsts[index] + 1_000_000;
        let bytes = saved(&env, node);
        assert!(
            pattern::frames(&bytes, len, 2, &range).is_ok(),
            "{:?}",
            pattern::frames(&bytes, len, 2, &range)
        );
        // Negative run: the other pipe's frames.
        let other = firsts[1 - index]..firsts[1 - index] + 1_000_000;
        assert!(pattern::frames(&bytes, len, 2, &other).is_err());
    }
    assert_eq!(text.matches("Device found:").count(), 2, "an input is no camera: {text}");
}
