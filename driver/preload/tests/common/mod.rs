//! Where the library under test is.

use std::path::PathBuf;

/// The library that cargo built for this test: in the test's own folder, or in the one above.
pub fn library() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("libvloopback_preload.so"))
        .find(|library| library.is_file())
        .expect("cargo builds the library before its tests")
}
