//! Words for a POSIX shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `value` as one word of a POSIX shell.
pub fn quoted(value: &OsStr) -> Vec<u8> {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return bytes.to_vec();
    }
    let mut word = vec![b'\''];
    for &byte in bytes {
        match byte {
            // A quote ends the quoted part, stands for itself behind a backslash, and begins anew.
            b'\'' => word.extend(b"'\\''"),
            _ => word.push(byte),
        }
    }
    word.push(b'\'');
    word
}

/// [`quoted`], to be shown.
pub fn quoted_text(value: &OsStr) -> String {
    String::from_utf8_lossy(&quoted(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn words() {
        assert_eq!(quoted(OsStr::new("/run/x.so:/b")), b"/run/x.so:/b");
        assert_eq!(quoted(OsStr::new("a b")), b"'a b'");
        assert_eq!(quoted(OsStr::new("it's")), b"'it'\\''s'");
        assert_eq!(quoted(OsStr::new("")), b"''");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_shell_reads_back_what_was_quoted(bytes in proptest::collection::vec(1u8..=255, 0..40)) {
            let value = OsStr::from_bytes(&bytes);
            let mut script = b"printf %s ".to_vec();
            script.extend(quoted(value));
            let output = Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output().unwrap();
            prop_assert_eq!(output.stdout, bytes);
        }
    }
}
