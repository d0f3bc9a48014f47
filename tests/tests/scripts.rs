//! The scripts that get a machine ready for the tests, and the page that names what the tests run.

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

/// Whether a test of that name is in `tests/tests`: `file::test`, or `folder::file::test`.
fn is_test(name: &str) -> bool {
    let (file, test) = name.rsplit_once("::").expect("a file and a test");
    let path = source_root().join("tests/tests").join(file.replace("::", "/")).with_extension("rs");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}()"))
}

/// The page of programs names the tests that run them; they are there.
#[test]
fn the_programs_page_names_tests_that_are_there() {
    let page = fs::read_to_string(source_root().join("driver/docs/programs.md")).expect("the page");
    let names: Vec<&str> = page.split('`').filter(|word| word.contains("::")).collect();
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !is_test(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Judged.
    assert!(!is_test("v4l2_programs::viewers::nothing_plays") && !is_test("nowhere::mpv_plays"));
    // A program of a test's is on the page.
    for file in
        ["ctl", "desktop", "ffmpeg", "gstreamer", "motion", "python", "scanners", "together", "viewers"]
    {
        let path = source_root().join(format!("tests/tests/v4l2_programs/{file}.rs"));
        let text = fs::read_to_string(path).expect("a file of tests");
        for test in text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()) {
            let name = format!("v4l2_programs::{file}::{test}");
            assert!(names.contains(&name.as_str()), "{name} is not in driver/docs/programs.md");
        }
    }
}
