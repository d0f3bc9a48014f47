//! Habits of real old programs that the other tests' styles do not have: each was found by running the program.

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

/// A V4L2 client's result and how many buffers came out of turn; None: frames were dropped for it, and then it
/// proves nothing.
fn in_turn(env: &Env, pipe: &Pipe, buffers: &str) -> Option<(Value, i64)> {
    let args = ["--device", pipe.output.as_str(), "--frames", "24", "--buffers", buffers];
    let mut client = env.program("v4l2_in_turn", &args).start();
    let strays = number(&client.event("strays"), "strays");
    let result = client.event("result");
    (number(&result, "gaps") == 0 || strays != 0).then_some((result, strays))
}

/// PDP does not look at DQBUF's index: a queue is a FIFO. And it puts a buffer back before it looks at the
/// picture: that buffer is the last one to be filled again. Also where others streamed before.
#[test]
fn a_v4l2_client_that_takes_its_buffers_in_turn() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = one_copy(&env, &pipe, "25");
    for buffers in ["2", "3", "4", "4", "3", "2"] {
        let (result, strays) = (0..5)
            .find_map(|_| in_turn(&env, &pipe, buffers).filter(|(result, _)| number(result, "gaps") == 0))
            .expect("a client that keeps up");
        assert_eq!(strays, 0, "{buffers} buffers: {result}");
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
    let strays = (0..5).filter_map(|_| in_turn(&env, &pipe, "4")).map(|(_, strays)| strays).max();
    assert!(strays > Some(0), "{strays:?}");
    drop(pusher);
}
