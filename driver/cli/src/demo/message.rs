//! What the demonstration's processes tell the one that started them: one JSON object a line.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// What a pusher or a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The pusher has a pipe and has set it up.
    Claimed {
        /// Pipe number.
        index: u32,
        /// The input node's path.
        input: String,
        /// The output node's path.
        output: String,
        /// The input's name by VIDIOCGCAP.
        name: String,
    },
    /// The client has set up its device and waits for its first frame; another program was started.
    Waiting,
    /// The program that a client started.
    Process {
        /// Its number.
        pid: u32,
    },
    /// The program that a client started gave up before any frame: it does not take part.
    LeftOut {
        /// Its own words.
        reason: String,
    },
    /// The pusher is about to write frame number `frame`, counted from 0.
    Pushed {
        /// Its number.
        frame: u32,
        /// When, CLOCK_MONOTONIC in nanoseconds.
        at: u64,
    },
    /// All frames are written; the input is still open.
    AllPushed,
    /// The client got a frame, every byte of it as it was pushed.
    Received {
        /// Its number.
        frame: u32,
        /// When, CLOCK_MONOTONIC in nanoseconds.
        at: u64,
    },
    /// The client got bytes that are no frame it could expect.
    Spoiled {
        /// In which way.
        flaw: Flaw,
    },
    /// The client's device said that the pusher is gone, or the client was told to end.
    Ended,
    /// Something did not work.
    Failed {
        /// What, and what the system said.
        reason: String,
    },
}

/// How a frame can be spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Parts of several frames, or changed while the client held it.
    Torn,
    /// A frame that the client had before.
    Repeated,
    /// Nothing that was ever pushed.
    Unknown,
}

/// Says it on standard output, at once.
pub fn say(what: &Says) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        for says in [
            Says::Waiting,
            Says::Pushed { frame: 3, at: 9 },
            Says::Spoiled { flaw: Flaw::Torn },
            Says::Failed { reason: "a\nb".into() },
        ] {
            let line = serde_json::to_string(&says).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Says>(&line).unwrap(), says);
        }
    }
}
