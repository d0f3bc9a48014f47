//! Buffers of every kind of memory at both nodes: the driver's, the program's (USERPTR), memory behind a
//! descriptor (DMABUF), exported ones (EXPBUF), ones that were added (CREATE_BUFS) and prepared (PREPARE_BUF);
//! what a pusher says of a frame; requests that only look. The rules are those of the V4L2 specification
//! ("Input/Output"), pixels are compared.

use serde_json::Value;
use vloopback_tests::Env;
use vloopback_tests::cases::pass;

fn run(name: &str, more: &[&str]) -> Vec<Value> {
    // No placeholder: between STREAMON and the first frame a slow machine would show one.
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    let pipe = env.pipe(0);
    // A size whose frames are not whole pages.
    let mut args = vec![name, "--device", &pipe.output, "--find", &pipe.input, "--size", "328x246"];
    args.extend(more);
    pass(env.program("v4l2_memory", &args), |_, _| {})
}

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            run(stringify!($name), &[]);
        }
    )*};
}

cases! {
    /// "Streaming I/O (User Pointers)".
    userptr
    /// "Streaming I/O (DMA buffer importing)", with memory files that cannot shrink.
    dmabuf
    /// VIDIOC_EXPBUF, and orphaned buffers.
    export
    /// VIDIOC_CREATE_BUFS.
    create
    /// VIDIOC_PREPARE_BUF.
    prepare
    /// A pusher's own memory.
    push_userptr
    push_dmabuf
    push_export
    /// V4L2_BUF_FLAG_TIMESTAMP_COPY, KEYFRAME and its kin.
    push_times
    /// G_SELECTION, CROPCAP, LOG_STATUS.
    look
}

/// Negative runs: one wrong bit in every frame is seen in each kind of memory.
#[test]
fn a_wrong_bit_is_seen() {
    for name in ["userptr", "dmabuf", "export", "create", "push_userptr", "push_dmabuf", "push_export"] {
        let seen = std::panic::catch_unwind(|| run(name, &["--wrong-all"]));
        let said = seen.expect_err(name);
        let said = said.downcast_ref::<String>().expect("a message");
        assert!(said.contains("is whole") && !said.contains("has to be"), "{name}: {said}");
    }
}
