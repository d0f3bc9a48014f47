//! What every way of reaching a pipe has to keep: rules, written once, that are run over each [`Transport`].
//!
//! A transport opens nodes, each in a process of its own. Those that exist are *agents*: programs that take an
//! order a line on standard input and answer each with one JSON object a line, `{"event":"done","errno":E,…}`,
//! where E is 0 or why it was refused. A new way of reaching a pipe needs an agent, and a line in
//! `tests/tests/conformance.rs`; where it cannot do what an order says it answers with ENOSYS, and the rules that
//! need it are listed there by name.
//!
//! | order | for | answer, besides `errno` |
//! |---|---|---|
//! | `open /dev/videoN` | both | |
//! | `format FOURCC WxH` | an input | as `get` |
//! | `get` | both | `format` (the fourcc), `width`, `height`, `sizeimage`: what is in force |
//! | `write HEX` | an input | |
//! | `start` | an output | it streams from now on |
//! | `take wait` | an output | `sequence` (-1 where there is none), `bytes` in hexadecimal; waits for a frame |
//! | `take try` | an output | the same; EAGAIN where there is no frame now |
//! | `ready MS` | an output | `ready`: whether a frame can be taken within so many milliseconds, by poll |
//! | `close` | both | |
//!
//! Each rule is shown to be able to fail: over a transport that lies in a way that the rule names ([`Lie`]).

mod agent;
mod liar;
mod rules;

pub use agent::Agents;
pub use liar::{Liar, Lie};
pub use rules::RULES;

use std::time::Duration;

use crate::{Env, Pipe};

/// A way of reaching a pipe.
pub trait Transport {
    /// What messages call it.
    fn name(&self) -> String;

    /// Opens a node, `/dev/videoN`, in a new process.
    ///
    /// # Errors
    /// errno, as the node gives it.
    fn open(&self, env: &Env, node: &str) -> Result<Box<dyn Port>, i32>;
}

/// What a frame looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// V4L2's four characters.
    pub fourcc: String,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes of a frame; of compressed ones the most that it can have.
    pub sizeimage: usize,
}

/// A frame that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its sequence number, where the transport tells one.
    pub sequence: Option<u32>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An open node in a process of its own. What fails gives the errno.
#[allow(clippy::missing_errors_doc)]
pub trait Port {
    /// Sets the format of an input; tells the one that is in force then.
    fn set_format(&mut self, fourcc: &str, width: u32, height: u32) -> Result<Format, i32>;
    /// The format in force.
    fn format(&mut self) -> Result<Format, i32>;
    /// Pushes a frame into an input.
    fn write(&mut self, frame: &[u8]) -> Result<(), i32>;
    /// An output begins to stream.
    fn start(&mut self) -> Result<(), i32>;
    /// Begins to wait for a frame; [`Port::end_take`] has to follow.
    fn begin_take(&mut self);
    /// The frame that was waited for.
    fn end_take(&mut self) -> Result<Frame, i32>;
    /// The next frame, if there is one now.
    fn try_take(&mut self) -> Result<Option<Frame>, i32>;
    /// Whether there is a frame to take within this time.
    fn ready(&mut self, patience: Duration) -> Result<bool, i32>;
    /// Closes the node.
    fn close(&mut self) -> Result<(), i32>;
    /// Kills the process and waits for its end.
    fn kill(self: Box<Self>);
}

/// What a rule is tried with: a server of its own, whose first pipe nobody has used, and whose clients wait while
/// nobody pushes.
pub struct Bench<'a> {
    /// The server.
    pub env: Env,
    /// Its pipe.
    pub pipe: Pipe,
    /// How inputs are opened.
    pub inputs: &'a dyn Transport,
    /// How outputs are.
    pub outputs: &'a dyn Transport,
}

/// How a rule came out, where it was not broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was kept.
    Kept,
    /// The transport has no such thing.
    Unsupported,
}

/// A rule.
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How a transport lies that the rule finds out.
    pub lie: Lie,
    /// Tries it.
    try_on: fn(&mut Bench) -> Result<Outcome, String>,
}

impl Rule {
    /// Tries the rule with a server of its own.
    ///
    /// # Errors
    /// What was not as it has to be.
    pub fn check(&self, inputs: &dyn Transport, outputs: &dyn Transport) -> Result<Outcome, String> {
        let env = Env::builder().args(&["--idle", "wait"]).start();
        let pipe = env.pipe(0);
        (self.try_on)(&mut Bench { env, pipe, inputs, outputs })
    }
}
