//! The scripts that get a machine ready for the tests.

use std::fs;
use std::path::Path;

use vloopback_tests::{Ended, Job, source_root};

/// `tests/find-libclang` on a system whose root is `root`.
fn find_libclang(root: &Path) -> Ended {
    Job::new(source_root().join("tests/find-libclang")).arg(root).output()
}

/// What the clang-sys crate takes for libclang, and what it does not: a machine on which only the latter is there
/// needs libclang-dev. Mesa's drivers bring libclang-cpp, on many machines the only file that looks like one.
#[test]
fn what_is_a_libclang() {
    // The beginning of a library of this word size.
    let library = [0x7f, b'E', b'L', b'F', if cfg!(target_pointer_width = "64") { 2 } else { 1 }];
    let other_size = [0x7f, b'E', b'L', b'F', if cfg!(target_pointer_width = "64") { 1 } else { 2 }];
    let cases: &[(&str, &[u8], bool)] = &[
        ("usr/lib/llvm-14/lib/libclang.so", &library, true),
        ("usr/lib/llvm-14/lib/libclang-14.so", &library, true),
        ("usr/lib/llvm-14/lib/libclang.so.1", &library, true),
        ("usr/lib/llvm-14/lib/libclang-14.so.1", &library, true),
        ("usr/lib/x86_64-linux-gnu/libclang-14.so.13", &library, true),
        ("usr/lib64/libclang.so.18.1", &library, true),
        ("usr/local/lib/libclang.so", &library, true),
        ("usr/lib/llvm-14/lib/libclang-cpp.so.14", &library, false),
        ("usr/lib/llvm-14/lib/libclang-cpp.so", &library, false),
        ("usr/lib/x86_64-linux-gnu/libclang-cpp.so.14", &library, false),
        ("usr/lib/llvm-14/lib/libclangBasic.so", &library, false),
        ("usr/lib/llvm-14/lib/libclang.so.1", &other_size, false),
        ("usr/lib/llvm-14/lib/libclang.so", b"INPUT(-lclang)", false),
        ("usr/lib/llvm-14/lib/libclang.a", &library, false),
        ("usr/lib/a/b/c/libclang.so", &library, false),
        ("opt/llvm/lib/libclang.so", &library, false),
    ];
    for (path, contents, found) in cases {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a directory");
        fs::write(&file, contents).expect("a file");
        let answer = find_libclang(root.path());
        assert_eq!(answer.code(), i32::from(!found), "{path}: {}{}", answer.text(), answer.stderr);
        let expected = if *found { format!("{}\n", file.display()) } else { String::new() };
        assert_eq!(answer.text(), expected);
    }
    // Beside each other, and a link to nothing.
    let root = tempfile::tempdir().expect("a directory");
    let folder = root.path().join("usr/lib/llvm-14/lib");
    fs::create_dir_all(&folder).expect("a directory");
    fs::write(folder.join("libclang-cpp.so.14"), library).expect("a file");
    std::os::unix::fs::symlink("nothing", folder.join("libclang.so")).expect("a link");
    assert_eq!(find_libclang(root.path()).code(), 1);
    fs::write(folder.join("libclang.so.1"), library).expect("a file");
    assert_eq!(find_libclang(root.path()).code(), 0);
}
