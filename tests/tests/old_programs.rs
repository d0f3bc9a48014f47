//! Habits of real old programs that the other tests' styles do not have: each was found by running the program.

use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Pipe, Running, clean, number};

/// A one-copy pusher.
fn one_copy(env: &Env, pipe: &Pipe, fps: &str) -> Running {
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", fps]).start();
    pusher.event("setup");
    pusher
}

/// A zero-copy pusher with so many frames.
fn zero_copy(env: &Env, pipe: &Pipe, frames: &str) -> Running {
    let args = ["--device", &pipe.input, "--style", "select", "--frames", frames, "--fps", "100"];
    let mut pusher = env.program("zc_pusher", &args).start();
    pusher.event("setup");
    pusher
}

/// Runs a client of each era on a one-copy and two zero-copy pipes.
fn on_all_pipes(client: &str) {
    let env = Env::new(3);
    let pipes = [env.pipe(0), env.pipe(1), env.pipe(2)];
    let _pushers =
        [one_copy(&env, &pipes[0], "100"), zero_copy(&env, &pipes[1], "1"), zero_copy(&env, &pipes[2], "2")];
    for pipe in &pipes {
        let args = ["--device", pipe.output.as_str(), "--frames", "8"];
        clean(&env.program(client, &args).start().result(), 8);
        clean(&env.program_legacy(client, &args).start().result(), 8);
    }
}

/// fswebcam's V4L1 source waits in select() before each picture. On a zero-copy pipe only its own SYNC asks
/// for one: its descriptor is readable all the time.
#[test]
fn a_v4l1_client_that_selects_before_each_picture() {
    on_all_pipes("client_select");
}

/// camsource opens for reading only, and maps the frames privately.
#[test]
fn a_v4l1_client_that_maps_privately() {
    on_all_pipes("client_private");
}

/// A V4L2 client's result, and how its buffers came.
fn in_turn(env: &Env, pipe: &Pipe, buffers: &str) -> (Value, Value) {
    let args = ["--device", pipe.output.as_str(), "--frames", "24", "--buffers", buffers];
    let mut client = env.program("v4l2_in_turn", &args).start();
    let strays = client.event("strays");
    (client.event("result"), strays)
}

/// Whether the client kept up, and frames came at the rate that was asked for. Else the machine had no time for
/// the one or the other, and its buffers prove nothing.
fn kept_up((result, strays): &(Value, Value)) -> bool {
    let closest = Duration::from_nanos(number(strays, "closest").try_into().unwrap_or(0));
    number(result, "gaps") == 0 && number(strays, "late") == 0 && closest > Duration::from_millis(10)
}

/// Looks until the machine has time for one that proves something.
const LOOKS: u32 = 60;

/// PDP does not look at DQBUF's index: a queue is a FIFO. And it puts a buffer back before it looks at the
/// picture: that buffer is the last one to be filled again. Also where others streamed before.
#[test]
fn a_v4l2_client_that_takes_its_buffers_in_turn() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = one_copy(&env, &pipe, "25");
    for buffers in ["2", "3", "4", "4", "3", "2"] {
        let (result, strays) =
            (0..LOOKS).map(|_| in_turn(&env, &pipe, buffers)).find(kept_up).expect("a client that keeps up");
        assert_eq!(number(&strays, "strays"), 0, "{buffers} buffers: {result} {strays}");
        clean(&result, 24);
    }
    drop(pusher);
}

/// The test above would notice: frames that come as fast as they go are put where the cache is warm.
#[test]
fn buffers_come_in_any_order_at_a_great_rate() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = one_copy(&env, &pipe, "2000");
    let some_strayed = (0..LOOKS).any(|_| number(&in_turn(&env, &pipe, "4").1, "strays") != 0);
    assert!(some_strayed, "all came in turn");
    drop(pusher);
}
