//! Builds the preload library, so that the program can embed it.
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
    let target_dir = PathBuf::from(variable("OUT_DIR")).join("preload");
    let (target, host) = (variable("TARGET"), variable("HOST"));

    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(workspace).args(["build", "--release", "--locked", "-p", "vloopback-preload"]);
    cargo.arg("--jobs").arg(variable("NUM_JOBS"));
    cargo.arg("--target-dir").arg(&target_dir);
    // Embedded and written to memory-backed directories: line tables would be most of it.
    cargo.args(["--config", "profile.release.strip=\"debuginfo\""]);
    let mut built = target_dir.clone();
    if target != host {
        cargo.arg("--target").arg(&target);
        built.push(&target);
    }
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let ours = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if ours || name.starts_with("DEP_") || DROPPED.contains(&name) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
    assert!(status.success(), "building the preload library failed, its messages are above");

    let library = built.join("release/libvloopback_preload.so");
    assert!(library.is_file(), "cargo built no {}", library.display());
    println!("cargo::rustc-env=VLOOPBACK_PRELOAD_LIBRARY={}", library.display());

    println!("cargo::rerun-if-changed=build.rs");
    for file in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(file).display());
    }
    for package in packages(&library.with_extension("d")) {
        println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
        println!("cargo::rerun-if-changed={}", package.join("src").display());
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
