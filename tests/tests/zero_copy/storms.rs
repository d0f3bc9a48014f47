//! Storms: one after the other is killed, stopped, closes, execs, forks or exits in the middle of what it does, at
//! moments counted in operations. Who lives through it goes on; nothing of the others is left: no memory, no
//! descriptor, no pipe (DESIGN.md 3, invariants 2 and 6).

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
    /// Its share of the memory that there is, KiB.
    memory: u64,
}

impl Belongings {
    #[track_caller]
    fn of(process: Pid) -> Belongings {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let text = |name: &str| fs::read_to_string(format!("{folder}/{name}")).expect("a living process");
        let rollup = text("smaps_rollup");
        let share = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("a line Pss");
        Belongings {
            descriptors: fs::read_dir(format!("{folder}/fd")).expect("its descriptors").count(),
            mappings: text("maps").lines().count(),
            memory: share.trim().trim_end_matches(" kB").parse().expect("a number"),
        }
    }
}

/// What comes and goes without a leak; a leak of one a round, or of half a page, is far more in the rounds between two
/// looks.
const DESCRIPTORS: usize = 8;
const MAPPINGS: usize = 16;
const MEMORY: u64 = 512;
const FILES: usize = 4;

/// Files below the test's own directory: the daemon's, with its tree.
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
    below(env.dir())
}

/// What everybody has who lives through a storm, and the daemon with its files.
struct Look {
    belongings: Vec<Belongings>,
    files: usize,
}

impl Look {
    #[track_caller]
    fn at(env: &Env, processes: &[Pid]) -> Look {
        Look { belongings: processes.iter().map(|&p| Belongings::of(p)).collect(), files: files(env) }
    }

    /// Whether this is not more than there was `before`.
    fn is_flat(&self, before: &Look) -> bool {
        let each = self.belongings.iter().zip(&before.belongings);
        self.files <= before.files + FILES
            && each.clone().all(|(now, before)| now.descriptors <= before.descriptors + DESCRIPTORS)
            && each.clone().all(|(now, before)| now.mappings <= before.mappings + MAPPINGS)
            && each.clone().all(|(now, before)| now.memory <= before.memory + MEMORY)
    }
}

/// Runs a storm; its result. It stands still after a fifth of its rounds and after the last one: between the two
/// nothing grows.
#[track_caller]
fn storm(program: &str, rounds: i64, extra: &[&str]) -> Value {
    let mut env = Env::new(1);
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
                let named = ["server", "client", "reader"].map(|key| number(&event, key) as i32);
                let mut processes: Vec<Pid> = named.into_iter().filter_map(Pid::from_raw).collect();
                processes.push(env.daemon().leader());
                if let Some(warm) = &warm {
                    // What a dead one leaves is taken away right after its death.
                    let until = Instant::now() + BOUND;
                    while !Look::at(&env, &processes).is_flat(warm) {
                        let now = Look::at(&env, &processes);
                        assert!(
                            Instant::now() < until,
                            "{event}:\n{:?}, {} files; before:\n{:?}, {} files",
                            now.belongings,
                            now.files,
                            warm.belongings,
                            warm.files
                        );
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

/// Negative runs: a storm sees a descriptor that is left after each round, and frames with a wrong bit.
#[test]
#[should_panic(expected = "files; before")]
fn a_storm_sees_a_leak() {
    storm("zc_storm_clients", 100, &["--acts", "0x40", "--hold"]);
}

#[test]
#[should_panic(expected = "the frame of the one that stays")]
fn a_storm_sees_a_wrong_bit() {
    storm("zc_storm_clients", 100, &["--acts", "0x40", "--wrong-all"]);
}
