//! The commands of an example's README, run as they stand there: in a directory that looks like the
//! project's root, with an empty `target` but for what cargo builds.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use vloopback_tests::{Env, Job, bin_dir, source_root};

/// An `sh` block of a README.
#[derive(Debug)]
pub struct Block {
    /// The heading that it stands under; "" for none but the title.
    pub section: String,
    /// The number of "Terminal N:" before it; 0 for what comes first, in any.
    pub terminal: u32,
    /// A line each.
    pub commands: Vec<String>,
}

/// The blocks of an example's README, in order.
///
/// # Panics
/// Where it can't be read.
pub fn blocks(example: &str) -> Vec<Block> {
    let path = source_root().join("examples").join(example).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut blocks = Vec::new();
    let (mut section, mut before) = (String::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        } else if line == "```sh" {
            let commands = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
            blocks.push(Block { section: section.clone(), terminal: terminal(before), commands });
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// The number in "…Terminal N:".
fn terminal(line: &str) -> u32 {
    let number = line.strip_suffix(':').and_then(|line| line.rsplit_once("Terminal "));
    number.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Where the commands are typed.
pub struct Place {
    // No daemon: `vloopback run` starts one, as for a newcomer.
    env: Env,
    root: PathBuf,
}

impl Place {
    /// A directory like the project's root.
    ///
    /// # Panics
    /// Where it can't be made.
    pub fn new() -> Place {
        let env = Env::builder().without_daemon();
        let root = env.dir().join("project");
        std::fs::create_dir_all(root.join("target")).expect("a directory");
        for part in ["examples", "pusher-sdk"] {
            symlink(source_root().join(part), root.join(part)).expect("a link");
        }
        symlink(target().join("release"), root.join("target/release")).expect("a link");
        Place { env, root }
    }

    /// A file that the commands name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Does what comes before the first terminal, in all sections or in one.
    ///
    /// # Panics
    /// Where a command fails.
    pub fn set_up(&self, blocks: &[Block], section: &str) {
        let wanted = |block: &&Block| block.terminal == 0 && ["", section].contains(&block.section.as_str());
        for command in blocks.iter().filter(wanted).flat_map(|block| &block.commands) {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(&self.root);
            if command.starts_with("cargo ") {
                // What it builds is shared with the other tests.
                shell.current_dir(source_root()).env("CARGO_TARGET_DIR", target());
            }
            let done = shell.output().expect("sh");
            assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// What is typed in a terminal, in one section.
    ///
    /// # Panics
    /// Where there is no such block.
    pub fn typed<'a>(&self, blocks: &'a [Block], section: &str, terminal: u32) -> &'a [String] {
        let wanted = |block: &&Block| block.section == section && block.terminal == terminal;
        let block = blocks.iter().find(wanted);
        &block.unwrap_or_else(|| panic!("no terminal {terminal} in section '{section}': {blocks:?}")).commands
    }

    /// One line, typed.
    pub fn job(&self, command: &str) -> Job {
        let mut path = OsString::from(bin_dir());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        // Ctrl-C works at a terminal, also where this test was started by something that ignores it.
        Job::new("env")
            .arg("--default-signal=INT,QUIT")
            .arg("--chdir")
            .arg(&self.root)
            .args(["sh", "-c", command])
            .env("PATH", path)
            .env("XDG_RUNTIME_DIR", self.env.dir())
            .named(command)
    }
}

/// Cargo's target directory, in which the tested `vloopback` lies too.
fn target() -> PathBuf {
    let folder = std::path::absolute(bin_dir()).expect("a path");
    folder.parent().map(Path::to_owned).expect("a target directory")
}

/// The node to watch, as a pusher's line tells it.
///
/// # Panics
/// Where it tells none.
pub fn watched(line: &str) -> String {
    let rest = line.split_once("watch ").unwrap_or_else(|| panic!("it said {line:?}")).1;
    rest.split(';').next().unwrap_or(rest).to_owned()
}

/// The command as it is typed here: READMEs name the first free nodes, of which cameras may have taken some.
pub fn here(command: &str, output: &str) -> String {
    command.replace("/dev/video1", output)
}
