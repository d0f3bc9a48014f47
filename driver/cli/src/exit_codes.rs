//! The exit status of `vloopback` and `vloopbackd`. Scripts rely on these numbers.

use std::process::ExitCode as ProcessExitCode;

/// The exit status of every subcommand. `run` also passes on its command's own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: success.
    Success,
    /// 1: something failed; the message on standard error says what.
    Failure,
    /// 2: the command line or the configuration file is wrong.
    Usage,
    /// 3: no server can be reached (or started).
    NoServer,
    /// 4: the device or pipe does not exist, or cannot do what was asked.
    BadDevice,
    /// 5: `demo`: a client saw pixels that were not pushed.
    WrongPixels,
    /// 126: `run`: the command cannot be started.
    CannotRun,
    /// 127: `run`: the command was not found.
    CommandNotFound,
    /// `run`: the command's own exit status, 0 to 255.
    Command(u8),
    /// 128 + n: `run`: signal number n ended the command.
    Signalled(u8),
}

impl ExitCode {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            ExitCode::Success => 0,
            ExitCode::Failure => 1,
            ExitCode::Usage => 2,
            ExitCode::NoServer => 3,
            ExitCode::BadDevice => 4,
            ExitCode::WrongPixels => 5,
            ExitCode::CannotRun => 126,
            ExitCode::CommandNotFound => 127,
            ExitCode::Command(status) => status,
            // Linux's signals end at 64.
            ExitCode::Signalled(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// The list that `--help` ends with.
pub const HELP: &str = "\
Exit status:
  0    success
  1    something failed; the message on standard error says what
  2    the command line or the configuration file is wrong
  3    no server can be reached or started
  4    the device or pipe does not exist, or cannot do what was asked
  5    demo: a client saw pixels that were not pushed
  126  run: the command cannot be started
  127  run: the command was not found
  128+n  run: signal number n ended the command
  Otherwise run ends with the status of its command.";

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> ProcessExitCode {
        ProcessExitCode::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed_and_documented() {
        let fixed = [
            (ExitCode::Success, 0),
            (ExitCode::Failure, 1),
            (ExitCode::Usage, 2),
            (ExitCode::NoServer, 3),
            (ExitCode::BadDevice, 4),
            (ExitCode::WrongPixels, 5),
            (ExitCode::CannotRun, 126),
            (ExitCode::CommandNotFound, 127),
        ];
        for (code, number) in fixed {
            assert_eq!(code.code(), number);
            let line = format!("\n  {number} ");
            assert!(HELP.contains(&line), "{number} is not in the help text");
        }
        assert_eq!(ExitCode::Command(7).code(), 7);
        assert_eq!(ExitCode::Signalled(15).code(), 143);
        assert_eq!(ExitCode::Signalled(64).code(), 192);
    }
}
