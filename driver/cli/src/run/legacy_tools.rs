//! `modprobe` and `modinfo` for programs and scripts of the module's time: where they ask for vloopback they are
//! answered as by a machine that has the module loaded, and nothing is done. All else goes on to the system's own.
//! They lie in a folder that `--legacy` puts first in PATH.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::preload;
use crate::private_dir::{open_up, private_dir};

/// What both end with: the system's own command of the same name.
const GO_ON: &str = r#"
here=${0%/*} own=${0##*/} path=:$PATH:
while case $path in *":$here:"*) true ;; *) false ;; esac; do path=${path%%":$here:"*}:${path#*":$here:"}; done
path=${path#:}
PATH=${path%:}:/usr/sbin:/sbin
command -v "$own" >/dev/null || { echo "$own: there is none on this machine" >&2; exit 1; }
exec "$own" "$@"
"#;

const MODPROBE: &str = r#"#!/bin/sh
# Put here by `vloopback run --legacy`: the pipes are there without a module.
for word; do
    case $word in
    vloopback) exit 0 ;;
    -*) ;;
    *) break ;;
    esac
done
"#;

const MODINFO: &str = r#"#!/bin/sh
# Put here by `vloopback run --legacy`: what the module's own page was.
tell() {
    printf '%-16s%s\n' filename: '(builtin)' name: vloopback version: VERSION \
        description: 'Video loopback without a kernel module' license: 'MIT OR Apache-2.0' \
        parm: 'pipes:Number of pipes (int)' parm: 'spares:Number of spare pipes (int)' \
        parm: 'num_buffers:Number of frames that a client may map (int)' \
        parm: 'dev_offset:First node number, -1 for the lowest free ones (int)'
}
field= wanted=
for word; do
    case $wanted$word in
    value*) field=$word wanted= ;;
    -F | --field) wanted=value ;;
    -F*) field=${word#-F} ;;
    --field=*) field=${word#*=} ;;
    -n | --filename) field=filename ;;
    -d | --description) field=description ;;
    -l | --license) field=license ;;
    -p | --parameters) field=parm ;;
    -a | --author) field=author ;;
    -*) ;;
    vloopback)
        if [ -z "$field" ]; then tell; else tell | sed -n "s/^$field: *//p"; fi
        exit 0
        ;;
    *) break ;;
    esac
done
"#;

/// Writes the commands where that has not been done yet, and returns PATH with their folder in front.
///
/// # Errors
/// Why they could not be written.
pub fn path() -> io::Result<OsString> {
    let folder = install(&private_dir()?)?;
    let path =
        std::env::var_os("PATH").unwrap_or_else(|| OsStr::new(super::program::DEFAULT_PATH).to_owned());
    let others = std::env::split_paths(&path).filter(|other| *other != folder);
    std::env::join_paths(std::iter::once(folder.clone()).chain(others)).map_err(io::Error::other)
}

fn install(dir: &Path) -> io::Result<PathBuf> {
    let modinfo = MODINFO.replace("VERSION", env!("CARGO_PKG_VERSION"));
    let tools = [("modprobe", format!("{MODPROBE}{GO_ON}")), ("modinfo", format!("{modinfo}{GO_ON}"))];
    let all: String = tools.iter().map(|(_, text)| text.as_str()).collect();
    let folder = dir.join(format!("legacy.{:016x}", preload::hash(all.as_bytes())));
    std::fs::create_dir_all(&folder)?;
    open_up(&folder)?;
    for (name, text) in &tools {
        preload::put(&folder.join(name), text.as_bytes())?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Output};

    /// One of the commands on a machine whose own is `sh -c 'echo own "$@"'`.
    fn call(words: &[&str]) -> Output {
        let temp = tempfile::tempdir().unwrap();
        let folder = install(temp.path()).unwrap();
        let own = temp.path().join("own");
        std::fs::create_dir(&own).unwrap();
        for name in ["modprobe", "modinfo"] {
            preload::put(&own.join(name), b"#!/bin/sh\necho own \"$@\"\nexit 3\n").unwrap();
        }
        let path = std::env::join_paths([&folder, &own, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Command::new(folder.join(words[0])).args(&words[1..]).env("PATH", path).output().unwrap()
    }

    #[test]
    fn vloopback_is_there_and_the_rest_is_the_systems() {
        for line in ["modprobe vloopback", "modprobe -q vloopback pipes=4", "modprobe -r vloopback"] {
            let words: Vec<&str> = line.split(' ').collect();
            let told = call(&words);
            assert!(
                told.status.success() && told.stdout.is_empty() && told.stderr.is_empty(),
                "{line}: {told:?}"
            );
        }
        let text = |words: &[&str]| String::from_utf8(call(words).stdout).unwrap();
        let all = text(&["modinfo", "vloopback"]);
        assert!(
            all.starts_with("filename:       (builtin)\n") && all.contains("parm:           pipes:"),
            "{all}"
        );
        assert_eq!(
            text(&["modinfo", "-F", "version", "vloopback"]),
            format!("{}\n", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(text(&["modinfo", "-n", "vloopback"]), "(builtin)\n");
        for words in [&["modprobe", "-q", "other", "vloopback"][..], &["modinfo", "other"], &["modprobe"]] {
            let told = call(words);
            assert_eq!(told.status.code(), Some(3), "{words:?}: {told:?}");
            let expected = ["own", &words[1..].join(" ")].join(" ");
            assert_eq!(String::from_utf8_lossy(&told.stdout).trim_end(), expected.trim_end());
        }
    }
}
