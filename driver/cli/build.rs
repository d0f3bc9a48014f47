//! Builds the preload library, so that the program can embed it; where it can be done, on a 64-bit machine
//! also the one for 32-bit programs.
//!
//! Cargo leaves the library of a path dependency out of reach, and linking it into a binary would
//! export its `close` there; so it is built apart, in a target directory of its own, which also
//! keeps the two cargo processes from waiting for each other's lock.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables of cargo's configuration that the inner cargo needs as much as the outer one; all
/// other `CARGO_…` variables speak of this build and would mislead it.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TARGET_X86_64_",
    "CARGO_TARGET_I686_",
    "CARGO_TARGET_AARCH64_",
    "CARGO_TARGET_ARMV7_",
    "CARGO_TARGET_RISCV64GC_",
];

/// Variables that would change what the library is: wrappers (clippy is one), flags for this
/// build only, the outer cargo's job server.
const DROPPED: &[&str] = &[
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "MAKEFLAGS",
    "MFLAGS",
    "TARGET",
    "HOST",
    "NUM_JOBS",
    "OPT_LEVEL",
    "PROFILE",
    "DEBUG",
    "OUT_DIR",
];

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo did not set {name}"))
}

fn main() {
    let own = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let workspace = own.ancestors().nth(2).expect("the package lies in driver/cli of its workspace");
    let out = PathBuf::from(variable("OUT_DIR"));
    let (target, host) = (variable("TARGET"), variable("HOST"));

    let library = build(workspace, &out.join("preload"), (target != host).then_some(&target), None);
    println!("cargo::rustc-env=VLOOPBACK_PRELOAD_LIBRARY={}", library.display());

    // An empty file stands for a library that cannot be built here.
    let narrow = out.join("narrow.so");
    match Narrow::find(workspace, &target) {
        Some(Ok(with)) => {
            let library = build(workspace, &out.join("preload32"), Some(NARROW_TARGET), Some(&with));
            std::fs::copy(&library, &narrow)
                .unwrap_or_else(|error| panic!("cannot copy {}: {error}", library.display()));
        }
        missing => {
            if let Some(Err(reason)) = missing {
                println!("cargo::warning=32-bit programs will not be served: {reason}");
            }
            std::fs::write(&narrow, "")
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", narrow.display()));
        }
    }
    println!("cargo::rustc-env=VLOOPBACK_PRELOAD_LIBRARY_32={}", narrow.display());

    println!("cargo::rerun-if-changed=build.rs");
    for file in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(file).display());
    }
    for package in packages(&library.with_extension("d")) {
        println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
        println!("cargo::rerun-if-changed={}", package.join("src").display());
    }
}

/// Builds the preload library and returns where it is. `target`: if it is not the host. `with`: another
/// compiler than the outer cargo's.
fn build(workspace: &Path, target_dir: &Path, target: Option<&str>, with: Option<&Narrow>) -> PathBuf {
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(workspace).args(["build", "--release", "--locked", "-p", "vloopback-preload"]);
    cargo.arg("--jobs").arg(variable("NUM_JOBS"));
    cargo.arg("--target-dir").arg(target_dir);
    // Embedded and written to memory-backed directories: line tables would be most of it.
    cargo.args(["--config", "profile.release.strip=\"debuginfo\""]);
    let mut built = target_dir.to_owned();
    if let Some(target) = target {
        cargo.arg("--target").arg(target);
        built.push(target);
    }
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let ours = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if ours || name.starts_with("DEP_") || DROPPED.contains(&name) {
            cargo.env_remove(name);
        }
    }
    if let Some(Narrow { rustc: Some(rustc) }) = with {
        cargo.env("RUSTC", rustc);
    }
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
    assert!(status.success(), "building the preload library failed, its messages are above");

    let library = built.join("release/libvloopback_preload.so");
    assert!(library.is_file(), "cargo built no {}", library.display());
    library
}

/// The target that 32-bit programs of this machine are made for.
const NARROW_TARGET: &str = "i686-unknown-linux-gnu";

/// What can build the library for 32-bit programs.
struct Narrow {
    /// A compiler of its own; None: the outer cargo's can.
    rustc: Option<PathBuf>,
}

impl Narrow {
    /// Looks for it; the error says what is missing. None: programs of this target have no 32-bit sisters
    /// that we know of.
    fn find(workspace: &Path, target: &str) -> Option<Result<Narrow, String>> {
        if target != "x86_64-unknown-linux-gnu" {
            return None;
        }
        for variable in ["VLOOPBACK_I386", "CARGO_TARGET_DIR"] {
            println!("cargo::rerun-if-env-changed={variable}");
        }
        Some(Narrow::compiler(workspace).and_then(|found| linker().map(|()| found)))
    }

    /// Debian's, where `tests/get-i386` has put it, or the one that builds all else.
    fn compiler(workspace: &Path) -> Result<Narrow, String> {
        let named = env::var_os("VLOOPBACK_I386").map(PathBuf::from);
        let target_dir =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        let rustc =
            named.unwrap_or_else(|| workspace.join(target_dir).join("i386")).join("sysroot/bin/rustc");
        let has_target = |rustc: &Path| {
            let asked = Command::new(rustc)
                .current_dir(workspace)
                .args(["--print", "target-libdir", "--target", NARROW_TARGET])
                .output();
            let folder = asked.ok().filter(|asked| asked.status.success()).map(|asked| asked.stdout);
            let folder = folder.and_then(|folder| String::from_utf8(folder).ok());
            // Rust names the folder whether it is there or not.
            folder.is_some_and(|folder| Path::new(folder.trim()).is_dir())
        };
        if has_target(Path::new(&variable("RUSTC"))) {
            Ok(Narrow { rustc: None })
        } else if has_target(&rustc) {
            Ok(Narrow { rustc: Some(rustc) })
        } else {
            Err("there is no compiler for them; tests/get-i386 fetches Debian's, and with rustup \
                 `rustup target add i686-unknown-linux-gnu` will do"
                .into())
        }
    }
}

/// Whether a 32-bit library can be linked here; the error says what is missing.
fn linker() -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR"));
    let (source, library) = (out.join("empty.c"), out.join("empty.so"));
    std::fs::write(&source, "int vloopback_empty;\n")
        .map_err(|error| format!("cannot write {}: {error}", source.display()))?;
    let linked =
        Command::new("cc").args(["-m32", "-shared", "-lpthread", "-o"]).arg(&library).arg(&source).output();
    match linked {
        Ok(linked) if linked.status.success() => Ok(()),
        Ok(_) => Err("cc -m32 links nothing; apt-get install gcc-multilib".into()),
        Err(error) => Err(format!("cc does not start: {error}")),
    }
}

/// The directories of the workspace's packages that the library is made of, by the list of files
/// that cargo leaves beside it (`target: file file …`).
fn packages(list: &Path) -> BTreeSet<PathBuf> {
    let text = std::fs::read_to_string(list)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", list.display()));
    let files = text.split_once(": ").map_or("", |(_, files)| files);
    // A space within a name is written as "\ ".
    let files = files.replace("\\ ", "\u{0}");
    let mut packages = BTreeSet::new();
    for file in files.split_whitespace() {
        let file = PathBuf::from(file.replace('\u{0}', " "));
        if let Some(package) = file.ancestors().find(|dir| dir.join("Cargo.toml").is_file()) {
            packages.insert(package.to_owned());
        }
    }
    packages
}
