//! The library under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The library, built for this test with the test's own profile. Cargo does not build a library
/// that is no more than a `cdylib` for a package's tests.
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    // <target directory>/<profile>/deps/<test>
    let exe = std::env::current_exe().expect("a test knows its own path");
    let profile = exe.ancestors().nth(2).expect("a test lies in a target directory");
    let target = profile.parent().expect("a profile has a folder of its own");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs, as it did for this test").success());
    }
    let library = profile.join("libvloopback_preload.so");
    assert!(library.is_file(), "{}: build the package first", library.display());
    library
}
