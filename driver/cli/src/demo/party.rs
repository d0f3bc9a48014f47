//! The demonstration's processes: started under the preload library, heard over pipes, and never
//! left behind.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::message::Says;
use crate::args::EraArgs;
use crate::{run, serve};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The pusher.
    Pusher,
    /// The client of this number.
    Client(usize),
}

impl Who {
    /// The client's number; None for the pusher.
    pub fn client(self) -> Option<usize> {
        match self {
            Who::Pusher => None,
            Who::Client(number) => Some(number),
        }
    }
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A process said something.
    Says(Who, Says),
    /// A process ended, or said something that is not of us.
    Gone(Who),
    /// A signal asks us to end.
    Signal(i32),
}

struct Member {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// The processes. Those that still run when it is dropped are killed.
pub struct Party {
    library: std::path::PathBuf,
    socket: std::path::PathBuf,
    members: Vec<(Who, Member)>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Party {
    /// Nobody yet.
    pub fn new(library: &Path, socket: &Path) -> Party {
        let (sender, events) = channel();
        Party { library: library.to_owned(), socket: socket.to_owned(), members: Vec::new(), sender, events }
    }

    /// Where events can be put from elsewhere.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Starts this program again with these arguments, under the preload library.
    /// One that is `legacy` is served by the rules of V4L1's time.
    pub fn start(&mut self, who: Who, legacy: bool, arguments: Vec<String>) -> io::Result<()> {
        let era =
            EraArgs { uname: None, legacy, identity: None, convert: false, fit: None, no_convert: false };
        let mut child = Command::new(serve::own_program())
            .args(arguments)
            .envs(run::environment(&self.library, &self.socket, &era))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        self.members.push((who, Member { child, stdin }));
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            for line in lines.map_while(Result::ok) {
                let Ok(says) = serde_json::from_str(&line) else { break };
                if sender.send(Event::Says(who, says)).is_err() {
                    return;
                }
            }
            // Nobody listens any more when the demonstration is over.
            let _ = sender.send(Event::Gone(who));
        });
        Ok(())
    }

    /// Sends a line to a process.
    pub fn tell(&mut self, who: Who, line: &str) -> io::Result<()> {
        match self.member(who).and_then(|member| member.stdin.as_mut()) {
            Some(stdin) => writeln!(stdin, "{line}").and_then(|()| stdin.flush()),
            None => Ok(()),
        }
    }

    /// Ends a process's standard input.
    pub fn release(&mut self, who: Who) {
        if let Some(member) = self.member(who) {
            member.stdin = None;
        }
    }

    /// A process's number; None for one that was not started.
    pub fn pid(&self, who: Who) -> Option<u32> {
        self.members.iter().find(|(name, _)| *name == who).map(|(_, member)| member.child.id())
    }

    fn member(&mut self, who: Who) -> Option<&mut Member> {
        self.members.iter_mut().find(|(name, _)| *name == who).map(|(_, member)| member)
    }

    /// The next event; None if none comes before `deadline`.
    pub fn next(&self, deadline: Instant) -> Option<Event> {
        let left = deadline.saturating_duration_since(Instant::now());
        // We hold a sender: it cannot be closed.
        self.events.recv_timeout(left).ok()
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        for (_, member) in &mut self.members {
            member.stdin = None;
            // Both fail only for one that has ended already.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
