//! Pipes that tools add, change and take away: whose place is whose afterwards, and what their openers are told.

mod common;

use std::sync::atomic::Ordering;

use common::{Daemon, Process, wait_for_end};
use vloopback_daemon::{PipeSpec, PixelFormat};
use vloopback_wire::{Reply, Request};

const EBADF: i32 = 9;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;

fn with_pipes(pipes: u32) -> Daemon {
    Daemon::with(|config| config.pipes = pipes)
}

fn add(tool: &Process, spec: PipeSpec) -> (u32, u32, u32) {
    match tool.ask(&Request::Add { spec }) {
        Reply::Added { index, input, output } => (index, input, output),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn denied(reply: Reply) -> (i32, String) {
    match reply {
        Reply::Denied { errno, text } => (errno, text),
        other => panic!("{other:?}"),
    }
}

/// A pipe that goes moves none of the others: who has them open goes on with its own.
#[test]
fn others_keep_their_places() {
    let daemon = with_pipes(4);
    let tool = Process::new(&daemon);
    let pushers: Vec<_> = (0..4).map(|pipe| daemon.input(pipe)).collect();
    let client = daemon.output(3);
    let node = daemon.node(1, "input");
    assert_eq!(tool.ask(&Request::Remove { node, force: true }), Reply::Done);
    for (k, pusher) in pushers.iter().enumerate() {
        let set = pusher.set_format(b"NV12", 64 + 2 * k as u32, 48);
        assert_eq!(set, if k == 1 { Err(EBADF) } else { Ok(()) }, "pipe {k}");
        assert_eq!(pusher.board.gone.load(Ordering::SeqCst), u32::from(k == 1));
    }
    wait_for_end(&pushers[1].fd);
    assert_eq!(client.board.format().pix.width, 70);
    let widths: Vec<_> = (0..3).map(|k| daemon.pipe(k)["format"]["width"].clone()).collect();
    assert_eq!(widths, [64, 68, 70].map(serde_json::Value::from));
    assert_eq!([0, 1, 2].map(|k| daemon.pipe(k)["index"].clone()), [0, 2, 3].map(serde_json::Value::from));
    // The place that is free is the next one's, its nodes too.
    let (index, input, _) = add(&tool, PipeSpec::default());
    assert_eq!((index, input), (1, node));
    assert_eq!(daemon.pipe(1)["index"], 1, "in order");
    daemon.input(1).set_format(b"YUYV", 32, 32).expect("it is a pipe as any");
    pushers[3].feed().expect("and the others still are");
}

/// Who has a pipe open is named; without force nothing happens to it.
#[test]
fn an_open_pipe_stays_unless_forced() {
    let daemon = with_pipes(1);
    let tool = Process::new(&daemon);
    let (_, input, output) = add(&tool, PipeSpec::default());
    let client = daemon.output(1);
    let (errno, text) = denied(tool.ask(&Request::Remove { node: input, force: false }));
    assert_eq!(errno, EBUSY);
    assert!(text.contains(&std::process::id().to_string()) && text.contains("--force"), "{text}");
    assert_eq!(client.board.gone.load(Ordering::SeqCst), 0);
    client.close();
    assert_eq!(tool.ask(&Request::Remove { node: output, force: false }), Reply::Done);
    assert_eq!(denied(tool.ask(&Request::Remove { node: output, force: true })).0, ENODEV);
}

#[test]
fn what_cannot_be_is_refused() {
    let daemon = with_pipes(63);
    let tool = Process::new(&daemon);
    let refused = |spec: PipeSpec| denied(tool.ask(&Request::Add { spec })).0;
    let none = PipeSpec::default();
    assert_eq!(refused(PipeSpec { input: Some(daemon.node(0, "input")), ..none }), EEXIST);
    assert_eq!(refused(PipeSpec { input: Some(256), ..none }), EINVAL);
    assert_eq!(refused(PipeSpec { input: Some(200), output: Some(200), ..none }), EINVAL);
    assert_eq!(refused(PipeSpec { sizes: [0, 65_536, 0, 0], ..none }), EINVAL);
    assert_eq!(refused(PipeSpec { sizes: [640, 320, 0, 0], ..none }), EINVAL);
    assert_eq!(refused(PipeSpec { max_buffers: u32::MAX, ..none }), EINVAL);
    let (_, input, _) = add(&tool, PipeSpec { label: [0xff; 32], ..none });
    assert_eq!(daemon.pipe(63)["label"], "", "what is no UTF-8 is no label");
    assert_eq!(refused(none), ENOSPC);
    let caps = |fourcc: &[u8; 4], width| Request::SetCaps {
        node: input,
        format: Some(PixelFormat {
            fourcc: u32::from_le_bytes(*fourcc),
            width,
            height: 48,
            ..PixelFormat::default()
        }),
        interval: None,
        keep: Some(true),
    };
    for request in [caps(b"\0\0\0\0", 64), caps(b"YUYV", 0), caps(b"YUYV", 65_536)] {
        assert_eq!(denied(tool.ask(&request)).0, EINVAL, "{request:?}");
    }
    let rate = Request::SetCaps { node: input, format: None, interval: Some((0, 1)), keep: None };
    assert_eq!(denied(tool.ask(&rate)).0, EINVAL);
    assert_eq!(tool.ask(&caps(b"YUYV", 63)), Reply::Done, "odd sizes can be");
    assert_eq!(tool.ask(&caps(b"YUYV", 64)), Reply::Done);
}

/// A format that is kept is that of the clients, whoever pushes, by either API.
#[test]
fn a_kept_format_stays() {
    let daemon = with_pipes(1);
    let tool = Process::new(&daemon);
    let node = daemon.node(0, "input");
    let yuyv = u32::from_le_bytes(*b"YUYV");
    let format = Some(PixelFormat { fourcc: yuyv, width: 320, height: 240, ..PixelFormat::default() });
    let keep = |keep| Request::SetCaps { node, format, interval: Some((1, 25)), keep: Some(keep) };
    assert_eq!(tool.ask(&keep(true)), Reply::Done);
    let pusher = daemon.input(0);
    pusher.set_format(b"NV12", 64, 48).expect("never refused for the format");
    pusher.set_rate(50).expect("nor for the rate");
    let board = pusher.format();
    assert_eq!((board.pix.fourcc, board.pix.width, board.interval), (yuyv, 320, [1, 25]));
    assert_eq!(pusher.board.kept.load(Ordering::SeqCst), 1);
    pusher.close();
    let old = daemon.old_input(0).expect("it opens");
    old.set_palette(15).expect("YUV420P");
    assert_eq!(old.set_size(640, 480), Err(EINVAL));
    old.set_palette(8).expect("YUYV");
    assert_eq!(old.set_size(640, 480), Err(EINVAL));
    old.set_size(320, 240).expect("that is the one");
    old.close();
    assert_eq!(tool.ask(&keep(false)), Reply::Done);
    daemon.input(0).set_format(b"NV12", 64, 48).expect("free again");
    assert_eq!(daemon.pipe(0)["caps"], "NV12:64x48");
}
