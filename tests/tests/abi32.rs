//! 32-bit programs (driver/docs/rules.md, "The library and its builds"): `vloopback run` gives each program the
//! library of its own word size, and programs of either size meet on a pipe.
//!
//! The rest of the tests, too, can be run with 32-bit programs: see `VLOOPBACK_PROGRAMS` in the crate's page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use vloopback_tests::Width::{Narrow, NarrowOld, NarrowTime64, Native};
use vloopback_tests::{Env, Job, Pipe, Running, Width, have, number, pattern, program_of};

/// Both word sizes, where the width of `time_t` makes no difference.
const SIZES: [Width; 2] = [Native, Narrow];

/// What is missing for 32-bit programs here. In CI nothing may be.
fn missing() -> Option<String> {
    let missing = find_missing();
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    match missing {
        Some(missing) if in_ci => panic!("32-bit programs cannot be tested: {missing}"),
        missing => missing,
    }
}

fn find_missing() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("this is no machine that runs i386 programs beside its own".into());
    }
    let folder = tempfile::tempdir().expect("a directory");
    let source = folder.path().join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").expect("a file");
    let compiled =
        Command::new("cc").arg("-m32").arg(&source).arg("-o").arg(folder.path().join("empty")).output();
    if !compiled.is_ok_and(|compiled| compiled.status.success()) {
        return Some("cc -m32 does not link; apt-get install gcc-multilib".into());
    }
    if Env::new(1).library_of(Narrow).is_none() {
        return Some(
            "vloopback was built without the library for them; tests/get-i386, then build it again".into(),
        );
    }
    None
}

/// Ends a test where 32-bit programs cannot be run.
macro_rules! need_narrow {
    () => {
        if let Some(missing) = missing() {
            vloopback_tests::skip!("{missing}");
        }
    };
}

/// Asserts a clean result with at least `frames` frames.
#[track_caller]
fn clean(result: &Value, frames: i64, what: &str) {
    for key in ["torn", "foreign", "back", "errors"] {
        assert_eq!(number(result, key), 0, "{what}: {key}: {result}");
    }
    assert!(number(result, "received") >= frames, "{what}: {result}");
}

/// A pusher that has set its pipe up.
#[track_caller]
fn push(env: &Env, width: Width, name: &str, pipe: &Pipe, extra: &[&str]) -> Running {
    let args = [&["--device", pipe.input.as_str()], extra].concat();
    let mut pusher = env.program_of(width, name, &args).start();
    pusher.event("setup");
    pusher
}

/// What a client saw of 20 frames.
#[track_caller]
fn watch(env: &Env, width: Width, name: &str, pipe: &Pipe, extra: &[&str]) -> Value {
    let args = [&["--device", pipe.output.as_str(), "--frames", "20"], extra].concat();
    env.program_of(width, name, &args).start().event("result")
}

const V4L1_CLIENTS: &[&str] =
    &["client_motion", "client_xawtv", "client_effectv", "client_libv4l1", "client_read", "client_readonly"];

const V4L2_WAYS: &[&[&str]] = &[
    &["--io", "mmap"],
    &["--io", "mmap", "--by", "poll", "--keep", "1"],
    &["--io", "read", "--by", "select"],
];

/// Every client of either API and word size takes frames, one client after the other.
#[track_caller]
fn all_watch(env: &Env, pipe: &Pipe, what: &str) {
    for width in Width::ALL {
        if width != NarrowTime64 {
            for client in V4L1_CLIENTS {
                let result = watch(env, width, client, pipe, &[]);
                clean(&result, 20, &format!("{what}, {client} {width:?}"));
            }
        }
        for way in V4L2_WAYS {
            let result = watch(env, width, "v4l2_client", pipe, way);
            clean(&result, 20, &format!("{what}, v4l2_client {width:?} {way:?}"));
        }
    }
}

#[test]
fn v4l1_pushers_and_clients_of_either_size() {
    need_narrow!();
    for width in SIZES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        // YUYV, which has a name in both APIs.
        let pusher = push(&env, width, "push_planar", &pipe, &["--palette", "8", "--fps", "200"]);
        all_watch(&env, &pipe, &format!("push_planar {width:?}"));
        drop(pusher);
    }
}

#[test]
fn v4l2_pushers_and_clients_of_either_size() {
    need_narrow!();
    for width in Width::ALL {
        for io in ["write", "mmap"] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let args = ["--io", io, "--format", "YUYV", "--fps", "200", "--report", "1"];
            let mut pusher = push(&env, width, "v4l2_pusher", &pipe, &args);
            // It feeds the pipe from its first frame on.
            pusher.event("frame");
            all_watch(&env, &pipe, &format!("v4l2_pusher {width:?} by {io}"));
            drop(pusher);
        }
    }
}

/// All at once: the ring's pages are one layout for both.
#[test]
fn clients_of_both_sizes_at_once() {
    need_narrow!();
    for width in SIZES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let _pusher = push(&env, width, "push_planar", &pipe, &["--palette", "8", "--fps", "200"]);
        let start = |width, name: &str, way: &[&str]| {
            // Each frame is told, so that the patience is for a frame, not for all of so many programs' 60.
            let args = [&["--device", pipe.output.as_str(), "--frames", "60", "--report", "1"], way].concat();
            env.program_of(width, name, &args).start()
        };
        let mut clients: Vec<Running> = Vec::new();
        for size in SIZES {
            clients.extend(V4L1_CLIENTS.iter().map(|name| start(size, name, &[])));
        }
        for size in Width::ALL {
            clients.extend(V4L2_WAYS.iter().map(|way| start(size, "v4l2_client", way)));
        }
        for mut client in clients {
            let mut errors = Vec::new();
            let result = loop {
                let event = client.any_event().expect("a result");
                match event["event"].as_str() {
                    Some("result") => break event,
                    Some("error" | "failed") => errors.push(event.to_string()),
                    _ => {}
                }
            };
            clean(&result, 60, &format!("beside others, of push_planar {width:?}, {errors:?}"));
        }
    }
}

/// A negative run: one wrong byte of the other size's frame is seen.
#[test]
fn a_wrong_byte_is_detected_across_sizes() {
    need_narrow!();
    for (pusher, client) in [(Native, Narrow), (Narrow, Native)] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let _pusher =
            push(&env, pusher, "push_planar", &pipe, &["--palette", "8", "--fps", "200", "--wrong-all"]);
        for (name, way) in [("client_motion", &[][..]), ("v4l2_client", &["--io", "mmap"])] {
            let result = watch(&env, client, name, &pipe, way);
            assert_eq!((number(&result, "torn"), number(&result, "received")), (20, 0), "{name}: {result}");
        }
    }
}

#[test]
fn zero_copy_pushers_and_clients_of_either_size() {
    need_narrow!();
    for pusher_is in SIZES {
        for style in ["handler", "sigwait", "poll", "select"] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let extra = ["--style", style, "--palette", "8", "--fps", "500"];
            let mut pusher = push(&env, pusher_is, "zc_pusher", &pipe, &extra);
            for client_is in SIZES {
                for way in [&[][..], &["--read"]] {
                    let result = watch(&env, client_is, "zc_client", &pipe, way);
                    clean(&result, 20, &format!("{style} {pusher_is:?}, zc_client {client_is:?} {way:?}"));
                }
            }
            for client_is in Width::ALL {
                for way in V4L2_WAYS {
                    let result = watch(&env, client_is, "v4l2_client", &pipe, way);
                    clean(&result, 20, &format!("{style} {pusher_is:?}, v4l2_client {client_is:?} {way:?}"));
                }
            }
            pusher.end_input();
            let pushed = pusher.event("pushed");
            assert_eq!(number(&pushed, "wrong"), 0, "{style} {pusher_is:?}: {pushed}");
        }
    }
}

/// A pusher of one size is killed under clients of the other: they are told, and those that stay see the next pusher,
/// which is of their own size. A client that is killed with frames in its hands disturbs nobody of the other size.
#[test]
fn deaths_across_sizes() {
    need_narrow!();
    for (pusher_is, client_is) in [(Narrow, Native), (Native, Narrow)] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let args = ["--device", pipe.output.as_str(), "--report", "1"];
        let start = |name: &str, extra: &[&str]| {
            env.program_of(client_is, name, &[&args[..], extra].concat()).start()
        };
        for (round, style) in [None, Some("handler"), Some("select")].into_iter().enumerate() {
            let what = format!("{pusher_is:?} {style:?}, clients {client_is:?}");
            let mut pusher = match style {
                None => push(&env, pusher_is, "push_planar", &pipe, &["--palette", "8", "--fps", "300"]),
                Some(style) => {
                    let extra = ["--style", style, "--palette", "8", "--fps", "300"];
                    push(&env, pusher_is, "zc_pusher", &pipe, &extra)
                }
            };
            let mut stays = start("v4l2_client", &["--restart"]);
            stays.frame(3);
            // Of two clients that map a zero-copy pusher's frames each sees what is drawn for the other, as with the old
            // driver: only the one that reads is promised whole frames.
            let old: [(&str, &[&str]); 2] = if style.is_none() {
                [("client_motion", &[]), ("client_read", &[])]
            } else {
                [("zc_client", &[]), ("zc_client", &["--read"])]
            };
            let mut clients = old.map(|(name, way)| start(name, way));
            for client in &mut clients {
                let first = client.frame(0);
                client.frame(first + 2);
            }
            pusher.kill();
            for (client, (_, way)) in clients.iter_mut().zip(old) {
                let error = client.event("error");
                // driver/docs/old-api.md, "Kept": SYNC EINVAL, read the end of file; driver/docs/rules.md, "Forwarded
                // requests": a request EIO.
                let errno = if error["call"] == "read" { 0 } else { 22 };
                let fine =
                    number(&error, "errno") == errno || style.is_some() && number(&error, "errno") == 5;
                assert!(fine, "{what}: {error}");
                let result = client.event("result");
                let torn = number(&result, "torn");
                assert!(torn == 0 || style.is_some() && way.is_empty(), "{what}: {result}");
            }
            stays.event("card");
            let first = 1_000_000 * (round as u64 + 1);
            let extra = ["--palette", "8", "--fps", "300", "--first", &first.to_string()];
            let next = push(&env, client_is, "push_planar", &pipe, &extra);
            let seen = stays.frame(first);
            let mut victim = env.program_of(pusher_is, "client_hold", &args).start();
            victim.frame(seen);
            victim.kill();
            stays.frame(seen + 20);
            stays.end_input();
            let result = stays.event("result");
            assert_eq!((number(&result, "torn"), number(&result, "back")), (0, 0), "{what}: {result}");
            drop((next, clients, victim, pusher, stays));
            env.until_idle();
        }
    }
}

/// The events of a program that tells what is wrong, and of its end.
#[track_caller]
fn wrongs(mut program: Running, end: &str) -> (Vec<String>, Value) {
    let mut wrong = Vec::new();
    loop {
        let event = program.any_event().unwrap_or_else(|| panic!("no {end}; {}", program.stderr()));
        match event["event"].as_str() {
            Some("wrong") => wrong.push(event["what"].to_string()),
            Some(name) if name == end => return (wrong, event),
            _ => {}
        }
    }
}

/// driver/docs/old-api.md, "Requests": tuner, window, buffer, code and frequency have two shapes. Each field arrives,
/// in a set and in an answer, in all four pairings; a request of the other size's number is unknown.
#[test]
fn every_field_crosses() {
    need_narrow!();
    for pusher_is in SIZES {
        for client_is in SIZES {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let mut pusher = push(&env, pusher_is, "abi_pusher", &pipe, &[]);
            let client = env.program_of(client_is, "abi_client", &["--device", &pipe.output]).start();
            let (wrong, end) = wrongs(client, "end");
            assert_eq!((wrong, number(&end, "wrong")), (Vec::new(), 0), "{pusher_is:?} to {client_is:?}");
            pusher.end_input();
            let (wrong, end) = wrongs(pusher, "pushed");
            assert_eq!((wrong, number(&end, "wrong")), (Vec::new(), 0), "{pusher_is:?} to {client_is:?}");
            // Only a 64-bit client can ask for a frequency of more than 32 bits.
            assert_eq!(number(&end, "requests"), if client_is == Native { 12 } else { 11 }, "{end}");
        }
    }
}

/// A negative run: a wrong field in each answer is seen, and a set that comes back otherwise is refused.
#[test]
fn a_wrong_field_is_detected() {
    need_narrow!();
    for pusher_is in SIZES {
        for client_is in SIZES {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let _pusher = push(&env, pusher_is, "abi_pusher", &pipe, &["--wrong-all"]);
            let client = env.program_of(client_is, "abi_client", &["--device", &pipe.output]).start();
            let (mut wrong, _) = wrongs(client, "end");
            wrong.retain(|what| what != "\"SFREQ of more than 32 bits\"");
            let expected =
                ["GTUNER", "GWIN", "GFBUF", "GFREQ", "STUNER", "SWIN", "SFBUF", "SMICROCODE", "SFREQ"];
            let expected: Vec<String> =
                expected.iter().chain(&["a private request"]).map(|what| format!("{what:?}")).collect();
            assert_eq!(wrong, expected, "{pusher_is:?} to {client_is:?}");
        }
    }
}

/// A program that execs one of the other size takes the library along, and an open device.
#[test]
fn exec_from_one_size_to_the_other() {
    need_narrow!();
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let _pusher = push(&env, Native, "push_motion", &pipe, &["--fps", "200"]);
    for (first, then) in
        [(Native, &[Narrow][..]), (Narrow, &[Native]), (Native, &[Narrow, Native, NarrowTime64])]
    {
        let programs: Vec<String> =
            then.iter().map(|width| program_of("abi_exec", *width).to_string_lossy().into_owned()).collect();
        let args = ["--device", &pipe.output, "--frames", "5"];
        let job = env.program_of(first, "abi_exec", &args).env("ABI_EXEC_PROGRAMS", programs.join(":"));
        let mut program = job.start();
        for width in [&[first], then].concat() {
            let has = program.event("has");
            assert_eq!(number(&has, "bits"), if width == Native { 64 } else { 32 }, "{has}");
            assert_eq!(has["name"], "Video loopback 0 output");
        }
        clean(&program.result(), 5, &format!("{first:?}, then {then:?}"));
    }
}

/// A script's programs, of either size, and nothing on stderr: the loader finds what it is told to preload.
#[test]
fn the_loader_has_nothing_to_complain_of() {
    need_narrow!();
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for width in Width::ALL {
        let probe = program_of("probe", width);
        let script = format!("'{}' open --device {}; true", probe.display(), pipe.input);
        for command in
            [&["sh", "-c", script.as_str()][..], &[&probe.to_string_lossy(), "open", "--device", &pipe.input]]
        {
            let ended = env.run(command).output().ok();
            assert_eq!(ended.stderr, "", "{width:?}");
            assert!(ended.text().contains("\"errno\":0"), "{width:?}: {}", ended.text());
        }
    }
}

/// `syscall()`, as libv4l2 uses it, with mmap2 in place of mmap; i386's first mmap, whose arguments lie in memory; and
/// uname() by its number.
#[test]
fn raw_calls_of_32_bit_programs() {
    need_narrow!();
    let env = Env::new(1);
    let output = env.pipe(0).output;
    for width in Width::ALL {
        let ended = env.program_of(width, "raw_syscall", &[&output]).output().ok();
        assert_eq!(ended.text(), "done\n", "{width:?}");
        let program = program_of("raw_syscall", width);
        let with_release = |release: &str| {
            let command = [program.to_str().expect("a path in UTF-8"), "--release", release];
            env.run_with(&["--uname", "2.4"], &command).output().code()
        };
        assert_eq!((with_release("2.4.37"), with_release("2.4.36")), (0, 1), "{width:?}");
        env.program_of(width, "raw_syscall", &["--filter"]).output().ok();
        // The check of the filter can fail: the C library's own function begins otherwise.
        let bare = Job::new(program_of("raw_syscall", width)).arg("--filter").output();
        assert_eq!(bare.code(), 1, "{width:?}");
    }
}

/// Programs that keep their stack aligned to four bytes, as i386 asks, and not to sixteen, as compilers came to do
/// around 2000: pushers and clients of every kind, and those that look for a pipe.
#[test]
fn programs_with_an_old_stack() {
    need_narrow!();
    let env = Env::new(3);
    let [one_copy, zero_copy, v4l2] = [0, 1, 2].map(|n| env.pipe(n));
    let args = ["--find", "proc", "--palette", "8", "--fps", "200"];
    let mut first = env.program_of(NarrowOld, "push_motion", &args).start();
    assert_eq!(first.event("open")["device"], one_copy.input.as_str());
    first.event("setup");
    let io = ["--io", "mmap", "--format", "YUYV", "--fps", "200", "--report", "1"];
    let mut third = push(&env, NarrowOld, "v4l2_pusher", &v4l2, &io);
    third.event("frame");
    for pipe in [&one_copy, &v4l2] {
        for client in V4L1_CLIENTS {
            let result = watch(&env, NarrowOld, client, pipe, &[]);
            clean(&result, 20, &format!("{client} of {}", pipe.output));
        }
        for way in V4L2_WAYS {
            let result = watch(&env, NarrowOld, "v4l2_client", pipe, way);
            clean(&result, 20, &format!("v4l2_client {way:?} of {}", pipe.output));
        }
    }
    for style in ["handler", "pause", "sigwait", "poll", "select"] {
        let extra = ["--style", style, "--palette", "8", "--fps", "500"];
        let mut pusher = push(&env, NarrowOld, "zc_pusher", &zero_copy, &extra);
        for way in [&[][..], &["--read"]] {
            let result = watch(&env, NarrowOld, "zc_client", &zero_copy, way);
            clean(&result, 20, &format!("zc_client {way:?} of {style}"));
        }
        clean(&watch(&env, NarrowOld, "v4l2_client", &zero_copy, V4L2_WAYS[0]), 20, style);
        pusher.end_input();
        assert_eq!(number(&pusher.event("pushed"), "wrong"), 0, "{style}");
    }
    let raw = env.program_of(NarrowOld, "raw_syscall", &[&one_copy.output]).output().ok();
    assert_eq!(raw.text(), "done\n");
    drop((first, third));
    env.until_idle();
    for find in ["gcap", "devfs", "type", "split"] {
        let mut scanner = env.program_of(NarrowOld, "push_scan", &["--find", find, "--frames", "3"]).start();
        assert_eq!(scanner.event("pushed")["written"], 3, "{find}");
        scanner.finish().ok();
        env.until_idle();
    }
    let find = ["--find", "sysfs", "--frames", "3"];
    // A program of its time, as `run --uname 2.6` starts it: others find v4l2loopback's names there.
    env.program_of(NarrowOld, "push_motion", &find).env("VLOOPBACK_UNAME", "2.6").start().event("pushed");
}

/// What a program, or the C library for it, calls in the 32-bit library aligns its stack before all else: whether an
/// instruction that needs it follows is the compiler's choice and changes from build to build.
#[test]
fn each_call_of_the_32_bit_library_aligns_its_stack() {
    need_narrow!();
    if !have("objdump") {
        vloopback_tests::skip!("no objdump (package binutils)");
    }
    let env = Env::new(1);
    let library = env.library_of(Narrow).expect("found before");
    let tool = |name: &str, args: &[&str]| {
        let made = Command::new(name).args(args).arg(&library).output().expect("a tool of binutils");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8_lossy(&made.stdout).into_owned()
    };
    let exported = tool("nm", &["-D", "--defined-only"]);
    let exported: Vec<(&str, &str)> = exported
        .lines()
        .filter_map(|line| Some((line.split(' ').nth(2)?, line.split(' ').next()?.trim_start_matches('0'))))
        .collect();
    assert!(exported.len() > 100, "{exported:?}");
    let code = tool("objdump", &["-d", "--no-show-raw-insn"]);
    // By address: one piece of code has several names. A number of registers may be saved before.
    let instructions: Vec<(&str, &str)> =
        code.lines().filter_map(|line| line.trim_start().split_once(":\t")).collect();
    let begins = |address: &str| {
        let first = instructions.iter().position(|(at, _)| *at == address);
        let first = first.unwrap_or_else(|| panic!("no code at {address}"));
        instructions[first..].iter().take(8).map(|(_, text)| *text).collect::<Vec<&str>>()
    };
    let aligned = |address: &str| begins(address).iter().any(|text| text.ends_with("$0xffffffe0,%esp"));
    let others: Vec<&str> =
        exported.into_iter().filter(|(_, address)| !aligned(address)).map(|(name, _)| name).collect();
    // The filter of syscall() jumps on, with the stack as it came.
    assert_eq!(others, ["syscall"]);
}

/// Where tests/get-i386 has put some of Debian's 32-bit programs.
fn debian() -> Option<PathBuf> {
    let named = std::env::var_os("VLOOPBACK_I386").map(PathBuf::from);
    let own = std::env::current_exe().expect("the test's own path");
    // …/TARGET/PROFILE/deps/NAME-HASH
    let target = own.ancestors().nth(3).expect("a test lies three levels deep");
    let folder = named.unwrap_or_else(|| target.join("i386")).join("programs");
    folder.join("ready").is_file().then_some(folder)
}

/// One of those programs with its own libraries.
fn run_debian(env: &Env, folder: &Path, name: &str, args: &[&str]) -> Job {
    let program = folder.join("usr/bin").join(name);
    let libraries = ["usr/lib/i386-linux-gnu", "lib/i386-linux-gnu"].map(|lib| folder.join(lib));
    let libraries = std::env::join_paths(libraries).expect("paths without a colon");
    let mut command = vec!["env".into()];
    let mut assignment = std::ffi::OsString::from("LD_LIBRARY_PATH=");
    assignment.push(libraries);
    command.push(assignment);
    command.push(program.into_os_string());
    command.extend(args.iter().map(Into::into));
    env.run(&command).named(&format!("{name} (i386) {}", args.join(" ")))
}

macro_rules! need_debian {
    () => {
        match debian() {
            Some(folder) => folder,
            None => {
                let missing = "Debian's 32-bit programs are not there; tests/get-i386";
                assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
                vloopback_tests::skip!("{missing}");
            }
        }
    };
}

/// Debian's own v4l2-ctl for i386 captures what programs of either size push, by mmap and through libv4l2.
#[test]
fn debians_v4l2_ctl_captures() {
    need_narrow!();
    let folder = need_debian!();
    const LEN: usize = 64 * 48 * 3 / 2;
    for way in [&["--stream-mmap"][..], &["-w", "--stream-mmap"]] {
        for pusher_is in SIZES {
            let seen = |extra: &[&str]| {
                let env = Env::new(1);
                let pipe = env.pipe(0);
                let args = [&["--size", "64x48", "--fps", "200"], extra].concat();
                let _pusher = push(&env, pusher_is, "push_motion", &pipe, &args);
                let to = env.dir().join("frames");
                let stream_to = format!("--stream-to={}", to.display());
                let args = [&["-d", pipe.output.as_str(), "--stream-count=8", &stream_to], way].concat();
                run_debian(&env, &folder, "v4l2-ctl", &args).output().ok();
                fs::read(&to).expect("what v4l2-ctl wrote")
            };
            let frames = seen(&[]);
            assert_eq!(frames.len(), 8 * LEN, "{way:?} {pusher_is:?}");
            let mut last = None;
            for frame in frames.chunks(LEN) {
                let number = pattern::check(frame).expect("a whole frame");
                assert!(last < Some(number), "{last:?} before {number}");
                last = Some(number);
            }
            // One wrong byte in each frame is found.
            assert!(seen(&["--wrong-all"]).chunks(LEN).all(|frame| pattern::check(frame).is_err()));
        }
    }
}

/// How often the judge is asked. Some of what it looks at has limits of its own: a forked child of its has three
/// seconds to end a stream. On a busy machine that is told of it, not of us; who is wrong is wrong each time.
const ATTEMPTS: usize = 3;
/// How long it may take for its 360 frames and its usleeps, on a slow machine.
const LONG: Duration = Duration::from_secs(240);

/// The specification's own judge, as a 32-bit program.
#[test]
fn debians_v4l2_compliance() {
    need_narrow!();
    let folder = need_debian!();
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let judged = |node: &str| {
        let mut reports = Vec::new();
        while reports.len() < ATTEMPTS {
            let mut judge = run_debian(&env, &folder, "v4l2-compliance", &["-d", node, "-s"]).start();
            judge.end_input();
            judge.wait_within(LONG);
            let ended = judge.finish();
            let text = ended.text();
            let total = text.lines().find(|line| line.starts_with("Total for")).unwrap_or_default();
            if total.contains(", Failed: 0,") && ended.code() == 0 {
                return;
            }
            reports.push(format!("exit {}\n{text}\n{}", ended.code(), ended.stderr));
        }
        panic!("{node}: {}", reports.join("\n"));
    };
    judged(&pipe.input);
    let _pusher = push(&env, Native, "push_motion", &pipe, &["--fps", "200"]);
    judged(&pipe.output);
}
