//! The examples do what their README says, by the commands that it has.

use std::path::{Path, PathBuf};
use std::process::Command;

use vloopback_tests::{Env, have, skip, source_root};

/// The commands of a README's `sh` blocks, a line each.
fn commands(readme: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(readme).expect("the example's README");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(""));
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Runs a `cc` line of the README in the project's root; the program goes to `dir`.
fn compile(command: &str, dir: &Path) -> PathBuf {
    let mut words = command.split(' ');
    let mut cc = Command::new(words.next().expect("a compiler"));
    let mut program = PathBuf::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        if word == "-o" {
            program = dir.join(words.next().expect("a name after -o"));
            cc.arg("-o").arg(&program);
        } else {
            cc.arg(word);
        }
    }
    let made = cc.current_dir(source_root()).output().expect("cc");
    assert!(made.status.success(), "{command}: {}", String::from_utf8_lossy(&made.stderr));
    program
}

/// A picture of the pusher's: black with a white bar of 16 columns, the same in every line.
fn is_a_bar(picture: &[u8]) -> bool {
    let Some(pixels) = picture.strip_prefix(b"P5\n320 240\n255\n") else { return false };
    if pixels.len() != 320 * 240 {
        return false;
    }
    let line = &pixels[..320];
    let white = line.iter().filter(|p| **p == 235).count();
    let black = line.iter().filter(|p| **p == 16).count();
    // The bar is whole, or goes on at the other end of the line.
    let edges = (0..320).filter(|&x| line[x] != line[(x + 1) % 320]).count();
    white == 16 && black == 304 && edges == 2 && pixels.chunks(320).all(|other| other == line)
}

#[test]
fn the_legacy_pusher_and_client() {
    if !have("cc") {
        skip!("no C compiler");
    }
    let env = Env::new(1);
    let commands = commands(&source_root().join("examples/legacy/README.md"));
    let [cc_pusher, cc_client, run_pusher, run_client] = &commands[..] else { panic!("{commands:?}") };
    let pusher = compile(cc_pusher, env.dir());
    let client = compile(cc_client, env.dir());
    assert_eq!(run_pusher, "vloopback run -- ./pusher");
    assert_eq!(run_client, "vloopback run -- ./client /dev/video1 50 last.pgm");

    let mut pushing = env.run(&[pusher.as_os_str()]).start();
    let said = pushing.line().expect("a line that names the pipe");
    let pipe = env.pipe(0);
    assert!(said.contains(&pipe.input) && said.contains(&pipe.output), "{said}");
    let picture = env.dir().join("last.pgm");
    // The format is set a moment after the claim, and the output opens from then on.
    let opens = || std::fs::read_to_string(env.tree().join("proc/video/vloopback/vloopback0"));
    env.until("a format", |_| opens().is_ok_and(|text| text.contains("320x240")));
    let frames = "50";
    let command = [client.as_os_str(), pipe.output.as_ref(), frames.as_ref(), picture.as_os_str()];
    let ended = env.run(&command).output().ok();
    assert!(ended.text().contains("Video loopback 0 output"), "{}", ended.text());
    let bytes = std::fs::read(&picture).expect("the picture");
    assert!(is_a_bar(&bytes), "no bar in {}", picture.display());
    rustix::process::kill_process(pushing.leader(), rustix::process::Signal::TERM).expect("kill");
    assert_eq!(pushing.finish().code(), 128 + 15);

    // The judge of pixels, judged: one wrong pixel is seen.
    let mut wrong = bytes;
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    assert!(!is_a_bar(&wrong));
}

/// The zero-copy pusher on the SDK: the same client of 2001 watches it.
#[test]
fn the_zero_copy_pusher() {
    if !have("cc") {
        skip!("no C compiler");
    }
    let env = Env::new(1);
    let commands = commands(&source_root().join("examples/zero-copy-pusher/README.md"));
    let [build, cc_client, run_pusher, run_client] = &commands[..] else { panic!("{commands:?}") };
    let mut cargo = Command::new("cargo");
    // As the README has it; into the folder of the other programs that this test uses.
    let folder = vloopback_tests::bin_dir();
    cargo.args(build.split(' ').skip(1)).current_dir(source_root()).env_remove("CARGO_TARGET_DIR");
    let target = folder.parent().expect("a target directory");
    let made = cargo.arg("--target-dir").arg(target).output().expect("cargo");
    assert!(made.status.success(), "{build}: {}", String::from_utf8_lossy(&made.stderr));
    let program = target.join("release/examples/zero-copy-pusher");
    let client = compile(cc_client, env.dir());
    assert_eq!(run_pusher, "vloopback run -- target/release/examples/zero-copy-pusher");
    assert_eq!(run_client, "vloopback run -- ./client /dev/video1 50 last.pgm");

    let mut pushing = env.run(&[program.as_os_str()]).start();
    let said = pushing.line().expect("a line that names the pipe");
    let pipe = env.pipe(0);
    assert!(said.contains(&pipe.output), "{said}");
    let picture = env.dir().join("last.pgm");
    let command = [client.as_os_str(), pipe.output.as_ref(), "50".as_ref(), picture.as_os_str()];
    env.run(&command).output().ok();
    let bytes = std::fs::read(&picture).expect("the picture");
    assert!(is_a_bar(&bytes), "no bar in {}", picture.display());
    // A line, or the end of its input, ends it.
    pushing.end_input();
    pushing.finish().ok();
}
