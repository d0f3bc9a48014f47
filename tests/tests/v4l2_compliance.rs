//! The specification's own judge, v4l2-compliance, with all its streaming tests: no failure, no warning, and
//! nothing "not supported" but what `tests/compliance` lists with the reason.
//!
//! It is run in each version that is at hand: the system's, and the newer one that
//! `tests/get-v4l2-compliance` fetched.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use vloopback_tests::{Ended, Env, Pipe, Running, bin_dir, full, have, skip, source_root};

/// The judges that are at hand.
fn judges() -> Vec<PathBuf> {
    let newer = std::env::var_os("VLOOPBACK_COMPLIANCE").map_or_else(
        // Where tests/get-v4l2-compliance puts it: in the target directory, beside the binaries' profile.
        || bin_dir().parent().map(|target| target.join("v4l2-compliance")).unwrap_or_default(),
        PathBuf::from,
    );
    let newer = newer.join("v4l2-compliance");
    let mut judges = vec![PathBuf::from("v4l2-compliance")];
    if newer.is_file() {
        judges.push(newer);
    } else {
        println!("only the system's v4l2-compliance: tests/get-v4l2-compliance fetches a newer one");
    }
    judges
}

macro_rules! need_judges {
    () => {{
        if !have("v4l2-compliance") {
            skip!("v4l2-compliance is not installed (package v4l-utils)");
        }
        judges()
    }};
}

/// The tests of a report whose result begins and ends so.
fn results<'a>(text: &'a str, result: &'a str) -> BTreeSet<&'a str> {
    text.split(['\n', '\r'])
        .filter_map(|line| line.trim().strip_prefix("test ")?.rsplit_once(": "))
        .filter(|(_, said)| *said == result)
        .map(|(name, _)| name)
        .collect()
}

/// The names in a list of what need not be supported.
fn listed(list: &str) -> BTreeSet<&str> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect("a reason").0)
        .collect()
}

/// The number after a word of the report's last line.
fn total(text: &str, word: &str) -> Option<u32> {
    let line = text.lines().rfind(|line| line.starts_with("Total for"))?;
    line.split(", ").find_map(|part| part.strip_prefix(word)?.trim_start_matches(": ").parse().ok())
}

/// What is wrong with a report about a node that is an input or an output.
fn judge(report: &Ended, input: bool) -> Result<(), String> {
    let text = report.text();
    let told = || {
        let lines = text
            .split(['\n', '\r'])
            .filter(|l| l.contains("fail:") || l.contains("warn:") || l.contains("FAIL"));
        lines.collect::<Vec<_>>().join("\n")
    };
    if (total(&text, "Failed"), total(&text, "Warnings"), report.status.code()) != (Some(0), Some(0), Some(0))
    {
        let end = text.lines().last().unwrap_or_default();
        return Err(format!("{}\n{end}\n{}", told(), report.stderr));
    }
    let list = source_root().join("tests/compliance").join(if input { "input.txt" } else { "output.txt" });
    let list = std::fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let (left_out, allowed) = (results(&text, "OK (Not Supported)"), listed(&list));
    // A name that the judge has twice (frequencies, of inputs and of outputs) is in both sets.
    if left_out != allowed {
        return Err(format!("not supported: {left_out:#?}\nlisted: {allowed:#?}"));
    }
    if results(&text, "OK").len() < 20 {
        return Err(format!("too few tests for a whole report:\n{text}"));
    }
    Ok(())
}

/// A judge that is kept from running for a tenth of a second, by whatever else the machine does, misses frames,
/// and complains of the gap in their numbers; or of its own clock, or of its own thread: rightly, but of nothing
/// that we look for. It is asked again then.
const ATTEMPTS: u32 = 15;

/// What it says then: frames that it missed, a moment that it looked at 10 ms too late, a thread of its that has
/// not ended after 250 ms.
const LATE: [&str; 3] = ["): got sequence number ", "): delta_ms > 10", "): !thread_streamoff.done"];
/// It sends a thread of its this signal 250 ms after its start, which kills it if there is no handler yet.
const TOO_EARLY: i32 = 128 + 10;

/// And in a select() of two seconds it gets no frame, if nobody at all runs for so long.
const STOOD_STILL: (&str, Duration) = ("): ret == 0", Duration::from_secs(1));

/// Does something, and measures the longest time that went by meanwhile without this process getting 10 ms's sleep
/// done: a machine that was stopped as a whole, or had no time.
fn stood_still<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(Duration::from_millis(10));
                longest = longest.max(begin.elapsed());
            }
            longest
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        done.store(true, Ordering::Relaxed);
        let longest = watch.join().expect("a thread that sleeps");
        (result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), longest)
    })
}

/// Whether all that a report complains of is what a judge without the time for it complains of. `stood` is for
/// how long the machine stood still meanwhile.
fn is_late(report: &Ended, stood: Duration) -> bool {
    let says_so = |line: &str| {
        LATE.iter().any(|said| line.contains(said)) || stood >= STOOD_STILL.1 && line.contains(STOOD_STILL.0)
    };

    let text = report.text();
    let Some(failed) = total(&text, "Failed") else { return report.code() == TOO_EARLY };
    let (mut complaints, mut late_tests, mut cause) = (0, 0, false);
    for line in text.split(['\n', '\r']) {
        let late = says_so(line);
        if line.contains("fail:") {
            // What called what failed complains after it.
            cause |= late;
            if !cause {
                return false;
            }
        } else if line.contains("warn:") && !late {
            return false;
        } else if line.trim().starts_with("test ") {
            late_tests += u32::from(cause && line.ends_with(": FAIL"));
            cause = false;
        }
        complaints += u32::from(late);
    }
    complaints != 0 && late_tests == failed
}

/// A judge looks at 600 frames, which come 30 a second where the machine has the time.
const LONG: Duration = Duration::from_secs(240);

/// One judge at a time: they want to be in time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs all judges on a node, with buffers exported by another pipe's node of the same kind.
#[track_caller]
fn complies(env: &Env, judges: &[PathBuf], node: &str, other: &str, input: bool, more: &[&str]) {
    for program in judges {
        let mut command = vec![program.to_str().expect("a path"), "-d", node, "--expbuf-device", other, "-s"];
        command.extend(more);
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = (0..ATTEMPTS).map(|_| {
            stood_still(|| {
                let mut judge = env.run(&command).start();
                judge.end_input();
                judge.wait_within(LONG);
                judge.finish()
            })
        });
        let report = {
            let mut reports = reports;
            reports.find(|(report, stood)| !is_late(report, *stood))
        };
        let (report, _) =
            report.unwrap_or_else(|| panic!("{node} {more:?}: the judge is late {ATTEMPTS} times in a row"));
        if let Err(wrong) = judge(&report, input) {
            panic!("{} {node} {more:?}: {wrong}", program.display());
        }
    }
}

/// A V4L2 client that takes every frame of an output until it is told to end.
fn reader(env: &Env, pipe: &Pipe, io: &str) -> Running {
    let mut reader =
        env.program("v4l2_client", &["--device", &pipe.output, "--io", io, "--report", "1"]).start();
    reader.event("frame");
    reader
}

#[test]
fn an_idle_pipe() {
    let judges = need_judges!();
    let env = Env::new(2);
    let (one, other) = (env.pipe(0), env.pipe(1));
    complies(&env, &judges, &one.output, &other.output, false, &["-a"]);
    complies(&env, &judges, &one.input, &other.input, true, &["-a"]);
}

/// A 30 fps pusher, whose reader keeps up, and the judge beside it.
#[test]
fn a_fed_output_beside_other_readers() {
    let judges = need_judges!();
    let env = Env::new(2);
    let (one, other) = (env.pipe(0), env.pipe(1));
    let pushed = ["--device", one.input.as_str(), "--fps", "30", "--size", "320x240"];
    let mut pusher = env.program("v4l2_pusher", &pushed).start();
    pusher.event("setup");
    let _readers = [reader(&env, &one, "mmap"), reader(&env, &one, "read")];
    complies(&env, &judges, &one.output, &other.output, false, &[]);
    assert!(pusher.runs(), "the pusher goes on");
}

/// A pusher of 2001 as its clients of today see it: its palettes, channels and sliders, of both judges' liking.
/// (Of one size: one that takes any size is listed with a few, one by one, as Chromium needs it, and S_FMT gives
/// others besides; "Scaling", says the judge, and refuses that.)
#[test]
fn an_output_of_a_zero_copy_pusher() {
    let judges = need_judges!();
    let env = Env::new(2);
    let (one, other) = (env.pipe(0), env.pipe(1));
    let pushed = [
        "--device",
        one.input.as_str(),
        "--style",
        "handler",
        "--fps",
        "60",
        "--palettes",
        "4,5,8",
        "--fixed",
    ];
    let mut pusher = env.program("zc_pusher", &pushed).start();
    pusher.event("setup");
    complies(&env, &judges, &one.output, &other.output, false, &[]);
    assert!(pusher.runs(), "the pusher goes on");
    drop(pusher);
}

/// The judge as the pusher, while clients stream what it pushes.
#[test]
fn an_input_whose_output_is_watched() {
    let judges = need_judges!();
    let env = Env::new(2);
    let (one, other) = (env.pipe(0), env.pipe(1));
    let watch = ["--device", one.output.as_str(), "--io", "mmap", "--restart"];
    let _readers = [env.program("v4l2_client", &watch).start(), env.program("v4l2_client", &watch).start()];
    complies(&env, &judges, &one.input, &other.input, true, &[]);
}

/// Every format that there is, at every size and rate: sampled by two frames of what the output has; with
/// `--full` 30 frames of each, at both nodes.
#[test]
fn every_format() {
    let judges = need_judges!();
    let env = Env::new(2);
    let (one, other) = (env.pipe(0), env.pipe(1));
    // Not -f alone: an input takes rates down to one frame in 1000 seconds, and the judge then counts the frames of
    // one second, which are none, for ever (1.22.1).
    let formats: &[&str] = if full() { &["-f", "30", "-a"] } else { &["-f", "2"] };
    complies(&env, &judges, &one.output, &other.output, false, formats);
    if full() {
        complies(&env, &judges, &one.input, &other.input, true, formats);
    }
}

/// Negative runs: a report with one failure, one warning, or one test more that is not supported is refused.
#[test]
fn a_bad_report_is_refused() {
    let list = std::fs::read_to_string(source_root().join("tests/compliance/output.txt")).expect("the list");
    let lines = |more: &str, failed: u32, warned: u32| {
        let mut text: String =
            listed(&list).iter().map(|name| format!("\ttest {name}: OK (Not Supported)\n")).collect();
        text.extend((0..30).map(|n| format!("\ttest a test {n}: OK\n")));
        text += more;
        text + &format!(
            "Total for vloopback device /dev/video1: 54, Succeeded: 54, Failed: {failed}, Warnings: {warned}\n"
        )
    };
    let report = |text: String| vloopback_tests::Job::new("printf").args(["%s", &text]).output();
    assert_eq!(judge(&report(lines("", 0, 0)), false), Ok(()));
    assert!(judge(&report(lines("", 1, 0)), false).is_err(), "a failure");
    assert!(judge(&report(lines("", 0, 1)), false).is_err(), "a warning");
    let (gap, other) =
        ("warn: a.cpp(438): got sequence number 8, expected 7\n", "warn: a.cpp(1): something\n");
    let (slow, called) = ("fail: a.cpp(26): !thread_streamoff.done\n", "fail: a.cpp(27): blocking(q)\n");
    let failed = "\ttest blocking wait: FAIL\n";
    for (text, fails, warned) in [
        (gap, 0, 1),
        (&[slow, called, failed].concat(), 1, 0),
        (&[gap, gap, slow, called, failed, gap].concat(), 1, 3),
    ] {
        assert!(is_late(&report(lines(text, fails, warned)), Duration::ZERO), "{text}: judged again");
    }
    for (text, fails, warned) in [
        (other, 0, 1),
        (&[gap, other].concat(), 0, 2),
        (gap, 1, 1),
        ("", 0, 0),
        (&[called, failed].concat(), 1, 0),
        (&[slow, called, failed, called, failed].concat(), 2, 0),
        (&[slow, failed, other].concat(), 1, 1),
    ] {
        assert!(!is_late(&report(lines(text, fails, warned)), Duration::from_secs(60)), "{text}: judged now");
    }
    let no_frame = lines(&["fail: a.cpp(25): ret == 0\n", called, failed].concat(), 1, 0);
    assert!(is_late(&report(no_frame.clone()), STOOD_STILL.1), "no frame while the machine stood still");
    assert!(!is_late(&report(no_frame), STOOD_STILL.1 / 2), "no frame, and it did not");
    assert!(!is_late(&report(String::new()), STOOD_STILL.1), "no report");
    let dodged = lines("\ttest VIDIOC_EXPBUF: OK (Not Supported)\n", 0, 0);
    assert!(judge(&report(dodged), false).is_err(), "a feature that is not offered");
    assert!(judge(&report(lines("", 0, 0)), true).is_err(), "the other node's list");
    assert!(judge(&report(String::new()), false).is_err(), "no report");
}
