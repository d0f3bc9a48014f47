//! Storms: one after the other is killed, stopped, closes, execs, forks or exits in the middle of what it does, at
//! moments counted in operations. Who lives through it goes on; nothing of the others is left: no memory, no
//! descriptor, no pipe (driver/docs/rules.md, "Invariants" 2 and 6).

use std::fs;

use rustix::process::Pid;

use super::*;

/// Far more than a storm takes on a slow machine.
const LONG: Duration = Duration::from_secs(1200);

/// Rounds of a storm with one style of pusher; each storm is run with two.
fn rounds() -> i64 {
    if full() { 5000 } else { 500 }
}

/// What a process has at a moment.
#[derive(Clone, Copy, Debug)]
struct Belongings {
    descriptors: usize,
    mappings: usize,
    /// Its share of the memory that was written, KiB. Not of files that are mapped, programs and libraries:
    /// that share grows whenever somebody else ends who has mapped the same file, as another test's daemon.
    memory: u64,
}

impl Belongings {
    #[track_caller]
    fn of(process: Pid) -> Belongings {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let text = |name: &str| fs::read_to_string(format!("{folder}/{name}")).expect("a living process");
        let rollup = text("smaps_rollup");
        let share = |name: &str| -> u64 {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let line = line.unwrap_or_else(|| panic!("no line {name} in {rollup}"));
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        Belongings {
            descriptors: fs::read_dir(format!("{folder}/fd")).expect("its descriptors").count(),
            mappings: text("maps").lines().count(),
            memory: ["Pss_Anon", "Pss_Shmem", "SwapPss"].map(share).iter().sum(),
        }
    }
}

/// What comes and goes without a leak; a leak of one a round, or of half a page, is far more in the rounds between two
/// looks.
const DESCRIPTORS: usize = 8;
/// A client keeps up to 16 logs of former pushers; how many it has by the first look depends on who was faster.
const MAPPINGS: usize = 16 + 16;
const MEMORY: u64 = 512;
const FILES: usize = 4;

/// Files beside the socket: the daemon's, with its tree.
fn files(env: &Env) -> usize {
    fn below(folder: &std::path::Path) -> usize {
        fs::read_dir(folder).map_or(0, |entries| {
            entries
                .map(|entry| entry.expect("an entry"))
                // Not through the links of /sys: they lead in circles.
                .map(
                    |entry| {
                        if entry.file_type().is_ok_and(|t| t.is_dir()) { below(&entry.path()) } else { 1 }
                    },
                )
                .sum()
        })
    }
    below(env.socket().parent().expect("a directory"))
}

/// What everybody has who lives through a storm, and the daemon with its files.
struct Look {
    belongings: Vec<(&'static str, Belongings)>,
    files: usize,
}

impl Look {
    #[track_caller]
    fn at(env: &Env, processes: &[(&'static str, Pid)]) -> Look {
        let belongings = processes.iter().map(|&(name, process)| (name, Belongings::of(process))).collect();
        Look { belongings, files: files(env) }
    }

    /// What is more than there was `before`, a line each.
    fn more_than(&self, before: &Look) -> Vec<String> {
        let mut more = Vec::new();
        if self.files > before.files + FILES {
            more.push(format!("{} files beside the socket; before {}", self.files, before.files));
        }
        for ((name, now), (_, before)) in self.belongings.iter().zip(&before.belongings) {
            if now.descriptors > before.descriptors + DESCRIPTORS
                || now.mappings > before.mappings + MAPPINGS
                || now.memory > before.memory + MEMORY
            {
                more.push(format!("the {name} has {now:?}; before {before:?}"));
            }
        }
        more
    }
}

/// Runs a storm; its result. It stands still after a fifth of its rounds and after the last one: between the two
/// nothing grows.
#[track_caller]
fn storm(program: &str, rounds: i64, extra: &[&str]) -> Value {
    let mut env = Env::builder().in_memory().start();
    let pipe = env.pipe(0);
    let count = rounds.to_string();
    let mut args = vec!["--device", pipe.output.as_str(), "--input", &pipe.input, "--frames", &count];
    args.extend(extra);
    let mut storm = env.program(program, &args).start();
    let mut wrong = Vec::new();
    let mut warm: Option<Look> = None;
    let until = Instant::now() + LONG;
    let result = loop {
        let line = storm.line_before(until, "event").expect("a result");
        let event: Value = serde_json::from_str(&line).expect("an event");
        match event["event"].as_str() {
            Some("wrong") => wrong.push(line),
            Some("failed") => panic!("{event}; before that: {wrong:#?}"),
            Some("result") => break event,
            Some("measure") => {
                let named = [("pusher", "server"), ("client", "client"), ("streaming client", "reader")];
                let mut processes: Vec<_> = named
                    .into_iter()
                    .filter_map(|(name, key)| Some((name, Pid::from_raw(number(&event, key) as i32)?)))
                    .collect();
                processes.push(("daemon", env.daemon().leader()));
                if let Some(warm) = &warm {
                    // What a dead one leaves is taken away right after its death.
                    let until = Instant::now() + BOUND;
                    loop {
                        let more = Look::at(&env, &processes).more_than(warm);
                        if more.is_empty() {
                            break;
                        }
                        assert!(Instant::now() < until, "{event}: {}", more.join(", "));
                        std::thread::yield_now();
                    }
                } else {
                    warm = Some(Look::at(&env, &processes));
                }
                storm.order();
            }
            _ => {}
        }
    };
    assert_eq!(number(&result, "wrong"), 0, "{result}: {wrong:#?}");
    // Most rounds come to their moment.
    assert!(number(&result, "struck") > rounds * 8 / 10, "{result}");
    storm.end_input();
    storm.finish().ok();
    env.until_idle();
    usable(&env, &pipe);
    result
}

/// Everybody may have the pipe.
#[track_caller]
fn usable(env: &Env, pipe: &Pipe) {
    let pusher = push(env, pipe, "handler", &[]);
    clean(&watch(env, pipe, "zc_client", &["--frames", "5"]), 5);
    clean(&watch(env, pipe, "zc_client", &["--frames", "5", "--read"]), 5);
    end(pusher);
    env.until_idle();
}

/// Clients are struck, in mid-request as often as not; the pusher hears of each one's end once.
#[test]
fn a_storm_of_clients() {
    for style in [&[][..], &["--handler"]] {
        let result = storm("zc_storm_clients", rounds(), style);
        assert_eq!(number(&result, "closings"), rounds() + 2, "{result}");
        assert_eq!(result["errors"], serde_json::json!({}), "{result}");
    }
}

/// Pushers are struck; the next one has the pipe at once, and clients that stay open go on with it.
#[test]
fn a_storm_of_pushers() {
    for style in [&[][..], &["--handler"]] {
        let result = storm("zc_storm_pushers", rounds(), style);
        // EIO in mid-request, EINVAL where nobody feeds; nothing else was met.
        let errors = result["errors"].as_object().expect("an object");
        assert!(errors.keys().all(|errno| errno == "5" || errno == "22"), "{result}");
        assert!(number(&result["errors"], "5") > 0, "{result}");
    }
}

/// Who has mapped the same files as a daemon comes and goes: that is nobody's leak.
#[test]
fn a_look_does_not_see_who_else_is_there() {
    let mut env = Env::builder().in_memory().start();
    let daemon = [("daemon", env.daemon().leader())];
    let other = Env::new(1);
    let beside = Look::at(&env, &daemon);
    drop(other);
    let alone = Look::at(&env, &daemon);
    assert_eq!(alone.more_than(&beside), [""; 0]);
}

/// Negative runs: a storm sees a descriptor that is left after each round, and frames with a wrong bit.
#[test]
#[should_panic(expected = "the pusher has")]
fn a_storm_sees_a_leak() {
    storm("zc_storm_clients", 100, &["--acts", "0x40", "--hold"]);
}

#[test]
#[should_panic(expected = "the pusher has")]
fn a_storm_sees_half_a_page_a_round() {
    storm("zc_storm_clients", 500, &["--acts", "0x40", "--spill"]);
}

#[test]
#[should_panic(expected = "the frame of the one that stays")]
fn a_storm_sees_a_wrong_bit() {
    storm("zc_storm_clients", 100, &["--acts", "0x40", "--wrong-all"]);
}
