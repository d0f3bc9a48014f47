//! What else a machine with the old driver had, and what sources and scripts of that time count on.

use std::process::Command;

use vloopback_tests::{Env, Job, source_root};

/// `modprobe vloopback` and `modinfo vloopback` succeed for legacy programs, and change nothing.
#[test]
fn the_module_is_loaded_already() {
    let env = Env::new(1);
    let list = "cat /proc/video/vloopback/vloopbacks";
    let before = env.run_legacy(&["sh", "-c", list]).output().ok().text();
    for options in [&["--legacy"][..], &["--uname", "2.4"]] {
        for line in
            ["modprobe vloopback", "modprobe -q vloopback pipes=4 dev_offset=2", "modprobe -r vloopback"]
        {
            let ended = env.run_with(options, &["sh", "-c", line]).output().ok();
            assert_eq!((ended.text().as_str(), ended.stderr.as_str()), ("", ""), "{line}");
            let words: Vec<&str> = line.split(' ').collect();
            env.run_with(options, &words).output().ok();
        }
        let told = env.run_with(options, &["modinfo", "vloopback"]).output().ok().text();
        assert!(told.contains("name:           vloopback\n"), "{told}");
        assert!(told.contains("parm:           pipes:"), "{told}");
    }
    assert_eq!(env.run_legacy(&["sh", "-c", list]).output().ok().text(), before);
    // Other modules are the system's business.
    let other = env.run_legacy(&["sh", "-c", "modprobe vloopback_of_nobody"]).output();
    assert_ne!(other.code(), 0);
    let told = env.run(&["sh", "-c", "echo $PATH"]).output().ok().text();
    assert!(!told.contains("legacy"), "only with --legacy: {told}");
}

/// /proc/devices has the drivers' major number, to legacy programs only, also where the machine has no camera.
#[test]
fn the_major_number_is_registered() {
    let env = Env::new(1);
    let told = env.run_legacy(&["cat", "/proc/devices"]).output().ok().text();
    let (characters, _) = told.split_once("\n\n").expect("block devices follow");
    assert!(characters.starts_with("Character devices:\n"), "{told}");
    assert_eq!(characters.lines().filter(|line| *line == " 81 video4linux").count(), 1, "{told}");
    assert!(characters.lines().any(|line| line == "  1 mem"), "{told}");
    let plain = Job::new("cat").arg("/proc/devices").output().ok().text();
    assert_eq!(env.run(&["cat", "/proc/devices"]).output().ok().text(), plain);
    let scripted = "awk '$2 == \"video4linux\" { print $1 }' /proc/devices";
    assert_eq!(env.run_legacy(&["sh", "-c", scripted]).output().ok().text(), "81\n");
}

/// Who chooses the old driver for everybody is told what that costs.
#[test]
fn the_old_profile_warns() {
    let mut env = Env::builder().args(&["--profile", "vloopback"]).start();
    let ended = env.end_daemon(rustix::process::Signal::TERM);
    assert!(ended.says("V4L2 programs") && ended.says("do not work"), "{}", ended.stderr);
    let mut env = Env::new(1);
    let ended = env.end_daemon(rustix::process::Signal::TERM);
    assert!(!ended.says("do not work"), "{}", ended.stderr);
}

/// `linux/videodev.h` brings V4L2's header along, as that of Linux 2.6 did; both orders compile, and a copy of
/// V4L2's header of that time in a program's own tree does no harm.
#[test]
fn the_header_is_that_of_2_6() {
    let uses = "struct video_picture p; struct v4l2_control c = {V4L2_CID_PRIVATE_BASE, VIDEO_MAX_FRAME};\n\
                unsigned long n[] = {VIDIOCGPICT, VIDIOC_S_CTRL}; int one = VIDEO_PALETTE_RGB24;\n";
    let old = "#ifndef __LINUX_VIDEODEV2_H\n#define __LINUX_VIDEODEV2_H\nstruct v4l2_control { int old; };\n#endif\n";
    let (one, two) = ("#include <linux/videodev.h>\n", "#include <linux/videodev2.h>\n");
    let sources = [
        format!("{one}{uses}"),
        format!("{one}{two}{uses}"),
        format!("{two}{one}{uses}"),
        format!("{one}{old}{uses}"),
        format!("{old}{one}struct video_picture p; struct v4l2_control c = {{1}};\n"),
    ];
    for (compiler, language, standards) in
        [("cc", "c", &["gnu89", "gnu11"][..]), ("c++", "c++", &["gnu++98", "gnu++17"])]
    {
        for (source, standard) in sources.iter().flat_map(|source| standards.iter().map(move |s| (source, s)))
        {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), source).expect("written");
            let made = Command::new(compiler)
                .args(["-fsyntax-only", "-Wall", "-Werror", "-Wno-unused", "-x", language])
                .arg(format!("-std={standard}"))
                .arg("-I")
                .arg(source_root().join("pusher-sdk/include"))
                .arg(file.path())
                .output()
                .expect("a compiler");
            let said = String::from_utf8_lossy(&made.stderr);
            assert!(made.status.success(), "{compiler} -std={standard}:\n{source}\n{said}");
        }
    }
}
