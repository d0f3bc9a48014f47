//! The README's own commands.

use vloopback_tests::{Env, have, skip, source_root};

use crate::{Xvfb, bridge_program, pattern};

/// The commands of the README's `sh` blocks, a line each.
pub(crate) fn commands() -> Vec<String> {
    let text =
        std::fs::read_to_string(source_root().join("examples/x11-bridge/README.md")).expect("the README");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(""));
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// ffmpeg's picture of the screen, by the commands that the README has.
#[test]
fn the_commands_show_the_screen() {
    if !have("Xvfb") || !have("ffmpeg") {
        skip!("no Xvfb or no ffmpeg");
    }
    let commands = commands();
    let [_, terminal_1, terminal_2, pixels] = &commands[..] else { panic!("{commands:?}") };
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), (320, 240), pattern);

    let run = "vloopback run -- ";
    let program = terminal_1.strip_prefix(run).expect("vloopback run");
    assert_eq!(program, "target/release/x11-bridge");
    let mut bridge = env.run(&[bridge_program()]).env("DISPLAY", &xvfb.display).start();
    let pipe = env.pipe(0);
    while let Some(line) = bridge.line() {
        if line.starts_with("pipe 0") {
            assert!(line.ends_with(&pipe.output), "{line}");
            break;
        }
    }
    // The nodes of this test's server, and files in its own folder.
    let words = |command: &str| -> Vec<String> {
        let command = command.strip_prefix(run).unwrap_or(command);
        let folder = env.dir().display().to_string();
        let place = |word: &str| match word {
            "/dev/video1" => pipe.output.clone(),
            "screen.png" => format!("{folder}/screen.png"),
            "screen.bgr" => format!("{folder}/screen.bgr"),
            other => other.to_owned(),
        };
        command.split(' ').map(place).collect()
    };
    env.run(&words(terminal_2)).output().ok();
    env.run(&words(pixels)).output().ok();
    let picture = std::fs::read(env.dir().join("screen.bgr")).expect("the picture");
    assert_eq!(picture.len(), 320 * 240 * 3);
    let at = |i: usize| pattern(i % 320, i / 320);
    let wrong = |picture: &[u8]| {
        picture.chunks_exact(3).enumerate().filter(|(i, p)| at(*i) != [p[2], p[1], p[0]]).count()
    };
    assert_eq!(wrong(&picture), 0);
    // Judged: one wrong pixel is seen.
    let mut spoilt = picture;
    spoilt[5000] ^= 1;
    assert_eq!(wrong(&spoilt), 1);
}
