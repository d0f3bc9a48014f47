//! The command as a child process in our own process group: its signals, its exit status.
//!
//! A signal that a person makes at the terminal (Ctrl-C) goes to the whole group, so the child has
//! it already; one that some process sent (`kill`, `timeout`, a service manager) may have come to
//! us alone, and is passed on. The kernel's origin code tells the two apart. A process that
//! signals the whole group by kill(2) makes the child see the signal twice, which cannot be known
//! here.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::Pid;

use crate::exit_codes::ExitCode;

/// The signals that are passed on. Stop signals are not: they stop us as they stop anybody, and
/// the terminal sends them to the group.
const FORWARDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// Runs `command` to its end.
///
/// # Errors
/// Why it could not be started or waited for.
pub fn run(mut command: Command) -> io::Result<ExitStatus> {
    // An ignored SIGCHLD, inherited from whoever started us, would take the child's status away.
    // SAFETY: sets a default action, which runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let mut watched = SigSet::empty();
    for signal in FORWARDED {
        watched.add(signal);
    }
    watched.add(Signal::SIGCHLD);
    // Blocked before the child exists, so that none is lost; it gets the mask back that we had.
    let before = SigSet::thread_get_mask()?;
    watched.thread_block()?;
    let signals = SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC)?;
    // SAFETY: the closure runs in the forked child and only calls pthread_sigmask, which is
    // async-signal-safe; the mask was copied into the closure.
    unsafe {
        command.pre_exec(move || before.thread_set_mask().map_err(io::Error::from));
    }
    let mut child = command.spawn()?;
    loop {
        match signals.read_signal() {
            Ok(Some(info)) => {
                if info.ssi_signo == Signal::SIGCHLD as u32 {
                    if let Some(status) = child.try_wait()? {
                        return Ok(status);
                    }
                } else {
                    forward(&child, &info);
                }
            }
            Ok(None) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Passes a signal on unless the child had it by itself or sent it.
fn forward(child: &Child, info: &siginfo) {
    let pid = child.id();
    let from_kernel = info.ssi_code > 0;
    if from_kernel || info.ssi_pid == pid {
        return;
    }
    let (Ok(pid), Ok(number)) = (i32::try_from(pid), i32::try_from(info.ssi_signo)) else {
        return;
    };
    if let Ok(signal) = Signal::try_from(number) {
        // The child has not been waited for yet, so its number is still its own; that it may be
        // gone already is no error.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The exit status that a shell gives for a child's.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::Command(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, Some(signal)) => ExitCode::Signalled(u8::try_from(signal).unwrap_or(0)),
        (None, None) => ExitCode::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_as_shells_tell_them() {
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)).code(), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(0)).code(), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(9)).code(), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(11 | 0x80)).code(), 139);
    }
}
