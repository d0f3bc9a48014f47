//! Paths of programs.

use vloopback_runtime::paths::{
    Class, Found, ReleaseFile, absolute_may_matter, classify, classify_in, decimal, relative_may_matter,
    strip_tree,
};

/// Any bytes are a path; two of them, parted by a zero, are a folder and a path in it.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let path = parts.next().unwrap_or_default();
    let other = parts.next().unwrap_or_default();
    absolute(path);
    let found = classify_in(path, other);
    if found.class != Class::NotOurs {
        assert_eq!(path.first(), Some(&b'/'), "a folder that is none");
        consistent(&found);
    }
    let _ = relative_may_matter(other);
    let _ = strip_tree(path, other);
    let _ = decimal(other);
}

fn absolute(path: &[u8]) {
    let found = classify(path);
    if found.class == Class::NotOurs {
        return;
    }
    assert!(absolute_may_matter(path), "the early no was wrong");
    assert_eq!(classify_in(b"/", path).class, found.class);
    consistent(&found);
}

/// The normalised path is one that no normalising changes, and it says what the class says.
fn consistent(found: &Found) {
    let path = found.path.as_bytes();
    assert_eq!(path.first(), Some(&b'/'));
    let parts: Vec<&[u8]> = path[1..].split(|&byte| byte == b'/').collect();
    assert!(parts.iter().all(|part| !matches!(*part, b"" | b"." | b"..")), "{}", path.escape_ascii());
    assert_eq!(classify(path).class, found.class, "{}", path.escape_ascii());
    match found.class {
        Class::Device(number) => assert_eq!(path, format!("/dev/video{number}").as_bytes()),
        Class::DeviceLink(number) => assert_eq!(path, format!("/dev/v4l/video{number}").as_bytes()),
        Class::Modules => {
            assert!(
                path == b"/proc/modules" || path.starts_with(b"/sys/module/vloopback"),
                "{}",
                path.escape_ascii()
            );
        }
        Class::Release(ReleaseFile::Version) => assert_eq!(path, b"/proc/version"),
        Class::Release(ReleaseFile::OsRelease) => assert_eq!(path, b"/proc/sys/kernel/osrelease"),
        Class::Tree { legacy } => {
            assert_eq!(legacy, path.starts_with(b"/proc/video/vloopback"), "{}", path.escape_ascii());
        }
        Class::MergedDir | Class::NotOurs => {}
    }
}
