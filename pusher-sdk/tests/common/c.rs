//! The C library as a C programmer gets it: installed, found by pkg-config, linked.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a program is there; else this says SKIP.
pub fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIP: no {program}");
    }
    found
}

/// The SDK's own directory.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library that cargo built beside this test.
pub fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = deps.join("libvloopback_sdk.so");
    assert!(library.exists(), "{} was not built", library.display());
    library
}

/// What a command prints; it must succeed and say nothing on its standard error.
pub fn output(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && errors.is_empty(), "{command:?}: {}\n{text}{errors}", out.status);
    text
}

/// Installs the library below `prefix` and compiles a program of `source` against it.
pub fn build(prefix: &Path, compiler: &str, flags: &[&str], source: &Path) -> PathBuf {
    output(Command::new("sh").arg(root().join("install.sh")).arg(library()).arg(prefix));
    let found = output(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "vloopback"])
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")),
    );
    let program = prefix.join(source.file_stem().unwrap());
    output(
        Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-pedantic"])
            .args(flags)
            .arg("-o")
            .arg(&program)
            .arg(source)
            .args(found.split_whitespace())
            .arg(format!("-Wl,-rpath,{}", prefix.join("lib").display())),
    );
    program
}
