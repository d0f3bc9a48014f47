//! A line of progress on standard error, where that is a terminal.

use std::io::{self, IsTerminal, Write};

/// The line. Wiped by [`Progress::clear`], or when it is dropped.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    terminal: bool,
}

impl Progress {
    /// Nothing shown yet.
    pub fn new() -> Progress {
        Progress { shown: false, terminal: io::stderr().is_terminal() }
    }

    /// Whether anybody would see it, so that a text need not be made for nothing.
    pub fn is_seen(&self) -> bool {
        self.terminal
    }

    /// Shows `text` in place of what is there.
    pub fn show(&mut self, text: &str) {
        if self.terminal {
            // The line is wiped to its end, because the next text may be shorter.
            eprint!("\r{text}\x1b[K");
            let _ = io::stderr().flush();
            self.shown = true;
        }
    }

    /// Wipes it.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
