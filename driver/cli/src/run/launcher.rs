//! Commands that start another one with an environment of their own: LD_PRELOAD gets lost on the way, and what
//! they start meets the machine's own nodes. With `vloopback run` behind them instead of in front all is well.
//!
//! Which commands do so, and by which options, only their names tell. A warning is all that comes of it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::variables::LD_PRELOAD;

/// What is told before the start: which command loses the library, and the order that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The command's name, as it was given.
    pub name: String,
    /// Why.
    pub reason: &'static str,
    /// The command line that works.
    pub instead: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the program that {} starts will not see the pipes: {}; put `vloopback run` behind it: {}",
            self.name, self.reason, self.instead
        )
    }
}

/// A command that may lose the library, and its options: where they end, the command behind it begins.
struct Launcher {
    name: &'static str,
    /// The short options that take a value.
    short: &'static str,
    /// The long options that take a value, which may be the next word.
    long: &'static [&'static str],
    /// Words with a `=` before the command set variables.
    assigns: bool,
    reason: &'static str,
    /// Whether it loses the library with these options: those before the command behind it.
    loses: fn(&Options) -> bool,
}

/// What stands between a launcher's name and the command behind it.
struct Options<'words> {
    words: &'words [OsString],
    short: &'static str,
}

impl Options<'_> {
    /// Whether one of these was given: `-x` (alone or among others), `--word` or `--word=…`.
    fn has(&self, letter: u8, word: &str) -> bool {
        self.words.iter().map(|option| option.as_bytes()).any(|option| {
            if let Some(long) = option.strip_prefix(b"--") {
                let name = long.split(|byte| *byte == b'=').next().unwrap_or(long);
                return !word.is_empty() && name == word.as_bytes();
            }
            // Letters up to the first that takes a value.
            option.strip_prefix(b"-").is_some_and(|letters| {
                let flags = letters.iter().position(|byte| self.short.as_bytes().contains(byte));
                letters.iter().take(flags.map_or(letters.len(), |at| at + 1)).any(|byte| *byte == letter)
            })
        })
    }

    /// Whether a bare `-` was given.
    fn has_dash(&self) -> bool {
        self.words.iter().any(|word| word == "-")
    }

    /// Whether LD_PRELOAD is handed on by name.
    fn names_library(&self) -> bool {
        let text = LD_PRELOAD.as_bytes();
        self.words.iter().any(|word| word.as_bytes().windows(text.len()).any(|part| part == text))
    }
}

const RESETS: &str = "it starts programs without LD_PRELOAD";
const LOGIN: &str = "it makes a new environment, as a login does";
const EMPTY: &str = "it clears the environment";
const MANAGER: &str = "the service manager starts it, with an environment of its own";

const LAUNCHERS: &[Launcher] = &[
    Launcher {
        name: "sudo",
        short: "CDghpRrTtUu",
        long: &[
            "close-from",
            "chdir",
            "group",
            "host",
            "prompt",
            "chroot",
            "role",
            "command-timeout",
            "type",
            "other-user",
            "user",
        ],
        assigns: true,
        reason: RESETS,
        loses: |options| !options.names_library(),
    },
    Launcher { name: "doas", short: "Cu", long: &[], assigns: false, reason: RESETS, loses: |_| true },
    Launcher { name: "pkexec", short: "", long: &["user"], assigns: false, reason: RESETS, loses: |_| true },
    Launcher {
        name: "env",
        short: "uCS",
        long: &["unset", "chdir", "split-string"],
        assigns: true,
        reason: EMPTY,
        loses: |options| {
            let cleared = options.has(b'i', "ignore-environment") || options.has_dash();
            // Named to be unset, or to be set.
            let set = |word: &OsString| word.as_bytes().starts_with(b"LD_PRELOAD=");
            let unset = options.names_library() && (options.has(b'u', "unset"));
            (cleared || unset) && !options.words.iter().any(set)
        },
    },
    Launcher {
        name: "systemd-run",
        short: "HMupE",
        long: &[
            "host",
            "machine",
            "unit",
            "property",
            "setenv",
            "slice",
            "description",
            "service-type",
            "uid",
            "gid",
            "nice",
            "working-directory",
            "on-active",
            "on-boot",
            "on-startup",
            "on-unit-active",
            "on-unit-inactive",
            "on-calendar",
            "path-property",
            "socket-property",
            "timer-property",
        ],
        assigns: false,
        reason: MANAGER,
        // A scope is a process of our own, with our environment.
        loses: |options| !options.has(0, "scope") && !options.names_library(),
    },
    Launcher {
        name: "firejail",
        short: "",
        long: &[],
        assigns: false,
        reason: "it is setuid, and the loader preloads nothing for such programs",
        loses: |_| !geteuid().is_root(),
    },
    // Only a login clears the environment, where root starts it. For others it is setuid.
    Launcher {
        name: "su",
        short: "cgGsTw",
        long: &["command", "group", "supp-group", "shell", "whitelist-environment"],
        assigns: false,
        reason: LOGIN,
        loses: |options| options.has(b'l', "login") || options.has_dash() || !geteuid().is_root(),
    },
    Launcher {
        name: "runuser",
        short: "cgGsuTw",
        long: &["command", "group", "supp-group", "shell", "user", "whitelist-environment"],
        assigns: false,
        reason: LOGIN,
        loses: |options| options.has(b'l', "login") || options.has_dash(),
    },
];

/// Looks at a command: None where nothing is known that would lose the library. `run`: how `vloopback run` is
/// to be called behind it.
pub fn inspect(words: &[OsString], run: &str) -> Option<Lost> {
    let (first, rest) = words.split_first()?;
    let name = Path::new(first).file_name()?;
    let launcher = LAUNCHERS.iter().find(|launcher| OsStr::new(launcher.name) == name)?;
    // su and its kin take a user's name, and their command as an option or not at all.
    let by_shell = matches!(launcher.name, "su" | "runuser");
    let end = if by_shell { rest.len() } else { launcher.end_of_options(rest) };
    let (options, command) = rest.split_at(end);
    let options = Options { words: options, short: launcher.short };
    if command.is_empty() && !by_shell || !(launcher.loses)(&options) {
        return None;
    }
    let mut instead = vec![OsString::from(first)];
    if by_shell {
        return Some(Lost {
            name: first.to_string_lossy().into_owned(),
            reason: launcher.reason,
            instead: format!("{} … -c '{run} PROGRAM'", first.to_string_lossy()),
        });
    }
    instead.extend(options.words.iter().filter(|word| *word != "--").cloned());
    let shown = |words: &[OsString]| {
        words.iter().map(|word| crate::quoting::quoted_text(word)).collect::<Vec<_>>().join(" ")
    };
    Some(Lost {
        name: first.to_string_lossy().into_owned(),
        reason: launcher.reason,
        instead: format!("{} {run} {}", shown(&instead), shown(command)),
    })
}

impl Launcher {
    /// Where the command behind it begins.
    fn end_of_options(&self, words: &[OsString]) -> usize {
        let mut at = 0;
        while let Some(word) = words.get(at).map(|word| word.as_bytes()) {
            if word == b"--" {
                return at + 1;
            }
            if let Some(long) = word.strip_prefix(b"--") {
                let takes = self.long.iter().any(|name| name.as_bytes() == long);
                at += 1 + usize::from(takes);
            } else if let Some(letters) = word.strip_prefix(b"-") {
                // The value is the rest of the word, or the next one.
                let value = letters.iter().position(|byte| self.short.as_bytes().contains(byte));
                at += 1 + usize::from(value.is_some_and(|value| value + 1 == letters.len()));
            } else if self.assigns && word.contains(&b'=') {
                at += 1;
            } else {
                return at;
            }
        }
        words.len()
    }
}

/// The dynamic loader's options that take a value.
const LOADER_VALUES: &[&str] = &[
    "--library-path",
    "--inhibit-rpath",
    "--audit",
    "--preload",
    "--argv0",
    "--glibc-hwcaps-prepend",
    "--glibc-hwcaps-mask",
];

/// The program that a dynamic loader is told to start (`/lib64/ld-linux-x86-64.so.2 PROGRAM`): the loader
/// preloads for it as for any.
pub fn behind_loader(arguments: &[OsString]) -> Option<&OsString> {
    let mut words = arguments.iter();
    loop {
        let word = words.next()?;
        if LOADER_VALUES.iter().any(|option| word == option) {
            words.next()?;
        } else if !word.as_bytes().starts_with(b"--") {
            return Some(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        inspect(&words, "vloopback run --").map(|lost| lost.instead)
    }

    #[test]
    fn the_order_that_works() {
        for (line, instead) in [
            ("sudo X", "sudo vloopback run -- X"),
            ("/usr/bin/sudo -u nobody X -y", "/usr/bin/sudo -u nobody vloopback run -- X -y"),
            ("sudo -unobody X", "sudo -unobody vloopback run -- X"),
            ("sudo -nu nobody -- X -u y", "sudo -nu nobody vloopback run -- X -u y"),
            ("sudo --user nobody A=b X", "sudo --user nobody A=b vloopback run -- X"),
            ("sudo --user=nobody X", "sudo --user=nobody vloopback run -- X"),
            ("sudo -E X", "sudo -E vloopback run -- X"),
            ("doas -u nobody X", "doas -u nobody vloopback run -- X"),
            ("pkexec --user nobody X", "pkexec --user nobody vloopback run -- X"),
            ("env -i X", "env -i vloopback run -- X"),
            ("env - X y", "env - vloopback run -- X y"),
            ("env --ignore-environment A=b X", "env --ignore-environment A=b vloopback run -- X"),
            ("env -u LD_PRELOAD X", "env -u LD_PRELOAD vloopback run -- X"),
            ("env --unset=LD_PRELOAD X", "env --unset=LD_PRELOAD vloopback run -- X"),
            ("systemd-run X", "systemd-run vloopback run -- X"),
            ("systemd-run --user --wait -p A=b X", "systemd-run --user --wait -p A=b vloopback run -- X"),
            ("su - nobody", "su … -c 'vloopback run -- PROGRAM'"),
            ("su -l nobody -c X", "su … -c 'vloopback run -- PROGRAM'"),
            ("su -lc X nobody", "su … -c 'vloopback run -- PROGRAM'"),
            ("runuser --login nobody", "runuser … -c 'vloopback run -- PROGRAM'"),
        ] {
            assert_eq!(told(line).as_deref(), Some(instead), "{line}");
        }
    }

    #[test]
    fn what_keeps_the_environment() {
        for line in [
            "env A=b X",
            "env -u HOME X",
            "env -u HOMEi X",
            "env -i LD_PRELOAD=l.so X",
            "env X -i",
            "env",
            "sudo",
            "sudo -l",
            "sudo LD_PRELOAD=l.so X",
            "sudo --preserve-env=LD_PRELOAD X",
            "systemd-run --scope X",
            "systemd-run -E LD_PRELOAD=l.so X",
            "runuser -u nobody -- X",
            "setpriv --reuid=1 X",
            "nice sudo X",
            "X sudo",
        ] {
            assert_eq!(told(line), None, "{line}");
        }
        if geteuid().is_root() {
            assert_eq!(told("su nobody -s /bin/sh -c X"), None);
        }
    }

    #[test]
    fn the_program_behind_the_loader() {
        let program = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            behind_loader(&words).map(|word| word.to_string_lossy().into_owned())
        };
        assert_eq!(program("/bin/ls -l").as_deref(), Some("/bin/ls"));
        assert_eq!(program("--library-path /lib --inhibit-cache /bin/ls").as_deref(), Some("/bin/ls"));
        assert_eq!(program("--version"), None);
    }
}
