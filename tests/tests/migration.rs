//! The migration page (`driver/docs/migrating.md`): every line that it says to type is typed, every file that it
//! gives is written and used, in a directory with an /etc, a /run and a /usr/local/bin of its own.

#[allow(dead_code, reason = "of the pictures that examples make, only the client's come here")]
#[path = "examples/pictures.rs"]
mod pictures;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pictures::Picture;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use vloopback_tests::{Ended, Env, Job, PATIENCE, Running, bin_dir, copy_program, have, skip, source_root};

/// Something on the page to be done, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A line to type, and the section that it stands in.
    Type(String, String),
    /// A file to write.
    Write(String, String),
}

/// The page's lines and files. A block is a file where a path in backquotes ends the line before it; other
/// `sh` blocks are typed, a line at a time; all else is prose, or *before*.
fn steps() -> Vec<Step> {
    let path = source_root().join("driver/docs/migrating.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut steps = Vec::new();
    let (mut section, mut before) = (String::new(), "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        } else if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match (file_named(before), kind) {
                (_, "text") => {}
                (Some(name), _) => steps.push(Step::Write(name.to_owned(), block.join("\n") + "\n")),
                (None, "sh") => {
                    steps.extend(block.iter().map(|line| Step::Type(section.clone(), (*line).to_owned())));
                }
                (None, "crontab") => steps.push(Step::Write("crontab".into(), block.join("\n") + "\n")),
                (None, kind) => panic!("a block of {kind} that is for nothing, after: {before}"),
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// The file that a line names at its end: "… `/etc/vloopback.toml`:", perhaps with a remark in parentheses.
fn file_named(line: &str) -> Option<&str> {
    let line = line.strip_suffix(':')?;
    let line = line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")).map_or(line, |(line, _)| line);
    let (_, name) = line.strip_suffix('`')?.rsplit_once('`')?;
    (name.starts_with("/etc/") || name == "motion.conf").then_some(name)
}

/// Where it is typed.
struct Place {
    env: Env,
    /// `export NAME=VALUE` lines, so far.
    exports: Vec<(String, String)>,
    background: Vec<Running>,
}

impl Place {
    fn new() -> Place {
        let env = Env::builder().open_to_all().without_daemon();
        let root = env.dir();
        for folder in ["bin", "etc/init.d", "etc/systemd/system", "run", "log", "work/target"] {
            fs::create_dir_all(root.join(folder)).expect("a directory");
        }
        symlink(bin_dir(), root.join("work/target/release")).expect("a link");
        for part in ["examples", "pusher-sdk"] {
            symlink(source_root().join(part), root.join("work").join(part)).expect("a link");
        }
        Place { env, exports: Vec::new(), background: Vec::new() }
    }

    /// A path or line of the page with this test's own directories.
    fn here(&self, text: &str) -> String {
        let root = self.env.dir().to_str().expect("a path in UTF-8");
        if text.contains("/srv/jail") {
            return text.replace("/srv/jail", &format!("{root}/jail"));
        }
        let places = [
            ("/usr/local/bin/", "/bin/"),
            ("/etc/vloopback.toml", "/etc/vloopback.toml"),
            ("/etc/init.d/vloopback", "/etc/init.d/vloopback"),
            ("/etc/systemd/", "/etc/systemd/"),
            ("/run/vloopback", "/run"),
            ("/var/log/", "/log/"),
        ];
        places.iter().fold(text.to_owned(), |text, (page, own)| text.replace(page, &format!("{root}{own}")))
    }

    fn file(&self, name: &str) -> PathBuf {
        let place = PathBuf::from(self.here(name));
        if place.is_absolute() { place } else { self.env.dir().join("work").join(place) }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        // What is to be run is copied there.
        let place = if text.starts_with("#!") { self.env.dir().join("script") } else { path.clone() };
        fs::write(&place, self.here(text)).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        if place != path {
            copy_program(&place, &path);
        }
    }

    /// A line as a shell gets it, at a terminal or, with `bare`, from init or cron.
    fn job(&self, line: &str, bare: bool) -> Job {
        const SYSTEM: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
        let path = format!("{}/bin:{SYSTEM}", self.env.dir().display());
        // As the page says: as root, or in a container.
        let container =
            if line.starts_with("chroot ") && !is_root() { "unshare --user --map-root-user " } else { "" };
        let line = format!("{container}{}", self.here(line));
        // Ctrl-C works at a terminal, also where this test was started by something that ignores it.
        let mut job = Job::new("env").arg("--default-signal=INT,QUIT");
        job = if bare {
            job.args(["-i", "-C", "/", "HOME=/", "SHELL=/bin/sh", "LOGNAME=root"])
                .arg(format!("PATH={SYSTEM}"))
        } else {
            job.arg("-C")
                .arg(self.env.dir().join("work"))
                .env("PATH", path)
                .env("XDG_RUNTIME_DIR", self.env.dir())
        };
        for (name, value) in self.exports.iter().filter(|_| !bare) {
            job = job.env(name, value);
        }
        job.args(["sh", "-c", &line]).named(&line)
    }

    /// Starts what stays, and waits until it does what it is there for.
    fn start(&mut self, line: &str) {
        let of_motion = line.contains("motion").then(|| self.written(1));
        let mut job = self.job(&format!("exec {line}"), false).start();
        if let Some(before) = of_motion {
            // Each answer of the server's is a look.
            let until = Instant::now() + PATIENCE;
            while self.written(1) == before {
                assert!(Instant::now() < until && job.runs(), "no frame: {}", job.stderr());
            }
            self.background.push(job);
            return;
        }
        let expected = if line.starts_with("vloopbackd") { "ready " } else { "pipe 0: " };
        let said = job.line().unwrap_or_else(|| panic!("{line} ends: {}", job.stderr()));
        assert!(said.starts_with(expected), "{line} says {said:?}");
        self.background.push(job);
    }

    /// How many frames have been pushed into a pipe.
    fn written(&self, pipe: usize) -> u64 {
        let list = self.job("vloopback list --json", false).output().ok().text();
        let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
        list[pipe]["counters"]["written"].as_u64().expect("a count")
    }

    fn end_background(&mut self) {
        for job in self.background.drain(..).rev() {
            // Ctrl-C goes to all of the terminal's foreground.
            kill_process_group(job.leader(), Signal::INT).expect("kill");
            job.finish();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The init script's server has a session of its own.
        let pid = fs::read_to_string(self.env.dir().join("run/pid")).ok();
        if let Some(pid) = pid.and_then(|pid| pid.trim().parse().ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// A system in a directory: a shell's worth of programs with their libraries, and `vloopback`.
fn make_jail(place: &Place) {
    let jail = place.env.dir().join("jail");
    for folder in ["tmp", "run/vloopback", "dev", "bin"] {
        fs::create_dir_all(jail.join(folder)).expect("a directory");
    }
    let copy = |from: &str| {
        let to = jail.join(from.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a path in the jail")).expect("a directory");
        copy_program(Path::new(from), &to);
    };
    let own = place.env.dir().join("bin/vloopback");
    copy_program(&own, &jail.join("bin/vloopback"));
    copy("/bin/cat");
    for program in ["/bin/cat", own.to_str().expect("a path in UTF-8")] {
        let listed = Command::new("ldd").arg(program).output().expect("ldd");
        for path in String::from_utf8_lossy(&listed.stdout).split_whitespace().filter(|w| w.starts_with('/'))
        {
            copy(path);
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What this machine has not for a line; None where it can be typed.
fn missing(line: &str) -> Option<&'static str> {
    let tools = ["ffmpeg", "motion", "setpriv", "su", "unshare", "lsmod", "cc", "dd"];
    let tool = tools.into_iter().find(|tool| line.split([' ', '/']).any(|word| word == *tool) && !have(tool));
    let becomes_another = line.split(' ').any(|word| matches!(word, "setpriv" | "su"));
    tool.or((becomes_another && !is_root()).then_some("root's rights"))
}

/// What has come of a line, beyond its exit status.
fn judge(place: &Place, line: &str, ended: &Ended) -> Result<(), String> {
    let text = ended.text();
    let says = |what: &str| {
        if text.contains(what) { Ok(()) } else { Err(format!("{line}: no {what:?} in {text:?}")) }
    };
    if let Some((_, words)) = line.split_once("./client ") {
        let words: Vec<&str> = words.split(' ').collect();
        let picture = |n: usize| {
            let file = place.file(&format!("{}{n}.ppm", words[2]));
            let bytes = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            let picture = Picture::from_ppm(&bytes);
            picture.and_then(|p| p.bar([255; 3], [0; 3])).ok_or(format!("no bar in {}", file.display()))
        };
        return (1..=words[1].parse().expect("a number")).try_for_each(|n| picture(n).map(drop));
    }
    if line.contains("--uname 2.4 -- sh") {
        let told = text.matches("2.4.37").count();
        return if told == 3 { Ok(()) } else { Err(format!("told {told} times: {text}")) };
    }
    if line.contains("vloopback/vloopbacks") && line.contains("cat ") {
        return says(if line.contains("/srv/jail") {
            "\n1\tvideo32\t-\tvideo33\t-\n"
        } else {
            "\n3\tvideo16\t-\tvideo17\t-\n"
        });
    }
    if line.contains("of=frame.yuv") {
        let len = fs::metadata(place.file("frame.yuv")).map_or(0, |found| found.len());
        return if len == 115_200 { Ok(()) } else { Err(format!("a frame of {len} bytes")) };
    }
    match line {
        "vloopback list" => says("/dev/video16"),
        line if line.contains("grep ^vloopback") => says("vloopback 16384 0 - Live"),
        line if line.contains("lsmod") => says("vloopback "),
        line if line.contains("video10/name") => says("Video loopback 0 input\n"),
        line if line.contains("ls -l") => says("crw-rw----"),
        line if line.ends_with("./pusher 25") => says("pushing into /dev/video"),
        line if line.starts_with("chroot ") => says("video30"),
        _ => Ok(()),
    }
}

/// Types a line and waits for its end.
fn run(place: &Place, line: &str, bare: bool) -> Result<(), String> {
    let ended = place.job(line, bare).output();
    if ended.code() != 0 {
        return Err(format!("{line}: exit {}\n{}\n{}", ended.code(), ended.text(), ended.stderr));
    }
    if ended.stderr.contains("cannot be preloaded") {
        return Err(format!("{line}: {}", ended.stderr));
    }
    judge(place, line, &ended)
}

/// The page, from its first line to its last.
#[test]
fn every_line_of_the_page() {
    let steps = steps();
    assert!(steps.len() > 35, "the page has more: {steps:?}");
    if !have("cc") {
        skip!("no C compiler");
    }
    let mut place = Place::new();
    for step in &steps {
        match step {
            Step::Write(name, text) => {
                if name.contains("init.d") {
                    // Of the servers that were started by hand.
                    place.end_background();
                }
                place.write(name, text);
                match name.as_str() {
                    "crontab" => crontab(&place, text),
                    name if name.ends_with(".service") => unit(&place, text),
                    _ => {}
                }
            }
            Step::Type(section, line) => typed(&mut place, section, line),
        }
    }
    negative(&place);
}

fn typed(place: &mut Place, section: &str, line: &str) {
    if let Some(what) = missing(line) {
        println!("SKIP: '{line}' in '{section}': no {what}");
        return;
    }
    if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
        let value = place.here(value);
        place.exports.push((name.to_owned(), value));
        return;
    }
    if line.contains("/srv/jail") && !place.env.dir().join("jail").exists() {
        make_jail(place);
    }
    match line.strip_suffix(" &") {
        Some(line) => place.start(line),
        // init's own environment.
        None => {
            run(place, line, line.starts_with("/etc/init.d/")).unwrap_or_else(|e| panic!("{section}: {e}"))
        }
    }
}

/// Runs each job of a crontab as cron does: by /bin/sh, in another directory, with hardly an environment.
fn crontab(place: &Place, text: &str) {
    for line in text.lines() {
        let command = match line.strip_prefix("@reboot ") {
            Some(command) => command,
            None => line.splitn(6, ' ').nth(5).expect("five times and a command"),
        };
        run(place, command, true).unwrap_or_else(|e| panic!("crontab: {e}"));
    }
    let png = fs::read(place.file("/run/vloopback/last.png")).expect("the job's picture");
    assert!(png.starts_with(b"\x89PNG"));
}

/// Starts and ends the unit's service as systemd does.
fn unit(place: &Place, text: &str) {
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let mut job = place.job(&format!("exec {command}"), true).start();
    assert!(job.line().is_some_and(|line| line.starts_with("ready ")), "{}", job.stderr());
    kill_process(job.leader(), Signal::TERM).expect("kill");
    job.finish().ok();
}

/// The rows of the page's table of Motion's options: the old one with its value, the new one, and whether the old
/// name is known.
fn motion_options() -> Vec<(String, String, bool)> {
    let path = source_root().join("driver/docs/migrating.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let table = page.split("| Motion 3 |").nth(1).expect("a table").split("\n\n").next().unwrap_or_default();
    let rows = table.lines().filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let code = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        Some((code(cells.get(1)?)?, code(cells.get(2)?)?, !cells.get(3)?.contains("not known")))
    });
    rows.collect()
}

/// What the installed Motion says of the options of a file: for each old name the new one, or nothing.
fn motion_says(lines: &[String]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("motion.conf");
    let text = format!("daemon off\nlog_level 6\nwebcontrol_port 0\n{}\n", lines.join("\n"));
    fs::write(&file, text).expect("a file");
    let line = format!("exec motion -n -c '{}' 2>&1", file.display());
    let mut job = Job::new("sh").args(["-c", &line]).env("HOME", folder.path()).start();
    let mut told = Vec::new();
    while let Some(line) = job.line() {
        if line.contains("Started") {
            break;
        }
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match quoted[..] {
            [old, new] if line.contains("replaced") => told.push((old.to_owned(), new.to_owned())),
            [old] if line.contains("Unknown config option") => told.push((old.to_owned(), String::new())),
            _ => {}
        }
    }
    kill_process_group(job.leader(), Signal::KILL).expect("kill");
    told
}

/// What the page says of Motion's options is what Motion 4 says of them; and it knows the new ones.
#[test]
fn motions_options() {
    if !have("motion") {
        skip!("no motion");
    }
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let options = motion_options();
    assert!(options.len() >= 14, "the table has more: {options:?}");
    let old: Vec<String> = options.iter().map(|(old, ..)| old.clone()).collect();
    let expected: Vec<(String, String)> = options
        .iter()
        .filter(|(old, new, _)| name(old) != name(new))
        .map(|(old, new, known)| (name(old), if *known { name(new) } else { String::new() }))
        .collect();
    assert_eq!(motion_says(&old), expected);
    // The judge is judged by that: it hears of the old ones.
    let new: Vec<String> =
        options.into_iter().map(|(_, new, _)| new).filter(|new| new.contains(' ')).collect();
    assert!(new.len() >= 9, "{new:?}");
    assert_eq!(motion_says(&new), []);
}

/// The judge is judged: lines that are not right, and right lines with nobody to meet, are told from those
/// that are.
fn negative(place: &Place) {
    run(place, "/etc/init.d/vloopback start", true).expect("it starts again");
    for line in [
        "vloopback run -- ./client /dev/video11 5 none",
        "vloopback run -- ./client /dev/video10 5 none",
        "vloopback run -- ls -l /dev/video18",
        "vloopback run --uname 2.6 -- sh -c 'uname -r' # --uname 2.4 -- sh",
        "vloopback run --legacy -- sh -c 'true # grep ^vloopback /proc/modules'",
        "LD_PRELOAD=/nonesuch.so cat /dev/null",
        "/etc/init.d/vloopback reload",
    ] {
        assert!(run(place, line, false).is_err(), "{line}");
    }
    run(place, "/etc/init.d/vloopback stop", true).expect("it stops");
    assert!(run(place, "/etc/init.d/vloopback status", true).is_err(), "it has stopped");
    assert!(run(place, "vloopback list", false).is_err(), "no server");
}
