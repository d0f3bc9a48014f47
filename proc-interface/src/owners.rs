//! Names of the processes that hold a pipe open.
//!
//! A process number comes from SO_PEERCRED, which gives 0 for a process of another PID namespace.
//! The process may end at any time. So every function here may have no answer.

use procfs::process::Process;

/// The name of process `pid` as `ps` and `top` show it, at most 15 bytes, such as `motion`.
/// `None` if there is no such process in this namespace (any more).
#[must_use]
pub fn process_name(pid: i32) -> Option<String> {
    let name = process(pid)?.stat().ok()?.comm;
    if name.is_empty() { None } else { Some(name) }
}

/// The file name of the program that process `pid` runs, such as `python3.11`. Other users'
/// programs are hidden from all but root.
#[must_use]
pub fn executable_name(pid: i32) -> Option<String> {
    let path = process(pid)?.exe().ok()?;
    let name = path.file_name()?.to_string_lossy();
    // The kernel adds this where the file was replaced while the program runs.
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    Some(name.to_owned())
}

fn process(pid: i32) -> Option<Process> {
    // 0 is "not of this namespace"; negative numbers are never processes.
    if pid <= 0 { None } else { Process::new(pid).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        nix::unistd::getpid().as_raw()
    }

    #[test]
    fn names_this_process() {
        let name = process_name(own_pid()).expect("this process is there");
        let program = executable_name(own_pid()).expect("one's own program can be seen");
        assert!(!name.is_empty() && name.len() <= 15);
        let path = std::env::current_exe().expect("has a path");
        assert_eq!(Some(program.as_ref()), path.file_name().map(|name| name.to_string_lossy()).as_deref());
    }

    #[test]
    fn strangers_and_vanished_processes_have_no_name() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(process_name(pid), None);
            assert_eq!(executable_name(pid), None);
        }
        let mut child = std::process::Command::new("true").spawn().expect("true exists");
        let pid = i32::try_from(child.id()).expect("a pid fits");
        child.wait().expect("is ours");
        assert_eq!(process_name(pid), None);
    }
}
