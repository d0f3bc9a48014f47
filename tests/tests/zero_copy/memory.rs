//! The pusher's memory: mapped, mapped again, left.

use super::*;

/// driver/docs/old-api.md, "Pushers", dv4l: the same range mapped again, and closed and opened again; what is left of
/// the memory after the close is the pusher's until it unmaps it.
#[test]
fn memory_is_mapped_again_and_outlives_the_close() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        for order in ["remap", "reopen", "remap"] {
            tell(&mut pusher, order, "setup");
            clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
            clean(&watch(&env, &pipe, "zc_client", &["--frames", "5", "--read"]), 5);
        }
        // With a client that has it mapped, too.
        let mut client = client(&env, &pipe);
        done(&mut client, "map");
        take(&mut client, 0);
        tell(&mut pusher, "remap", "setup");
        take(&mut client, 1);
        tell(&mut pusher, "close", "shut");
        env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
        done(&mut client, "look 1");
        tell(&mut pusher, "unmap", "unmapped");
        done(&mut client, "look 1");
        tell(&mut pusher, "open", "setup");
        done(&mut client, "map");
        take(&mut client, 0);
        drop(client);
        end(pusher);
    }
}

/// driver/docs/old-api.md, "Rules for pushers" 3: a client that comes between mmap() and signal() does not kill the
/// pusher, and is served as soon as there is a handler.
#[test]
fn a_client_between_mmap_and_signal() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = begin_pusher(&env, &pipe, style, &["--wait"]);
        pusher.event("mapped");
        let mut client = client(&env, &pipe);
        done(&mut client, "alarm 0");
        begin(&mut client, "GPICT");
        interrupt(&mut client);
        begin(&mut client, "GPICT");
        pusher.order();
        pusher.event("setup");
        let got = client.event_within("asked", BOUND);
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        drop(client);
        end(pusher);
    }
}

/// driver/docs/rules.md, "Forwarded requests": the signal is held until a call, any of those that can do it, sees to
/// it that it would not kill; then what came before raises it.
#[test]
fn every_way_to_take_the_signal_is_noticed() {
    let ways = [
        "signal",
        "bsd_signal",
        "ssignal",
        "sysv_signal",
        "__sysv_signal",
        "sigset",
        "ignore-signal",
        "ignore-bsd_signal",
        "ignore-sigset",
        "hold-sigset",
        "sigaction",
        "__sigaction",
        "sigprocmask",
        "pthread_sigmask",
        "sighold",
        "sigignore",
        "sigblock",
        "sigsetmask",
        "none",
    ];
    for way in ways {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = env.program("zc_signals", &["--device", &pipe.input, "--way", way]).start();
        pusher.event("mapped");
        let mut client = client(&env, &pipe);
        done(&mut client, "alarm 0");
        begin(&mut client, "GPICT");
        // The request did not kill.
        interrupt(&mut client);
        begin(&mut client, "GPICT");
        pusher.order();
        let told = pusher.any_event().expect("it lives");
        if told["event"] == "absent" {
            // This C library has no such call.
            continue;
        }
        assert_eq!(told["is"], i64::from(way != "none"), "{way}: {told}");
        if way == "none" {
            continue;
        }
        let got = client.event_within("asked", BOUND);
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{way}: {got}");
        drop(client);
        pusher.end_input();
        pusher.finish().ok();
    }
}

/// driver/docs/old-api.md, "Kept": write() in zero-copy mode is EINVAL; a mapping that fails leaves the pipe in
/// one-copy mode.
#[test]
fn one_copy_becomes_zero_copy_by_a_mapping_only() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = begin_pusher(&env, &pipe, "select", &["--one-copy"]);
    let written = number(&pusher.event("wrote"), "result");
    assert_eq!(written, 320 * 240 * 3 / 2, "one-copy mode after mappings that fail");
    pusher.event("setup");
    let wrote = tell(&mut pusher, "write", "wrote");
    assert_eq!((number(&wrote, "result"), number(&wrote, "errno")), (-1, EINVAL));
    clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
    let wrote = tell(&mut pusher, "write", "wrote");
    assert_eq!((number(&wrote, "result"), number(&wrote, "errno")), (-1, EINVAL));
    end(pusher);
    // The next pusher is a one-copy one, and nothing of the mode is left.
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    clean(&watch(&env, &pipe, "client_motion", &["--frames", "5"]), 5);
    pusher.end_input();
    pusher.event("pushed");
    pusher.finish().ok();
}
