//! Fixed-size text fields of the kernel's structures: NUL-terminated, the rest zero.

/// Fills a text field: as much of `text` as leaves room for the closing NUL, the rest zero.
///
/// A character that does not fit whole is left out, so that the field stays valid UTF-8.
///
/// # Panics
/// If `N` is 0.
#[must_use]
pub fn field<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut len = text.len().min(N - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    bytes
}

/// The bytes before the first NUL; all of them if there is none.
#[must_use]
pub fn bytes(field: &[u8]) -> &[u8] {
    let len = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    &field[..len]
}

/// The text before the first NUL, cut where it stops being UTF-8.
#[must_use]
pub fn text(field: &[u8]) -> &str {
    let bytes = bytes(field);
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_terminated_and_whole() {
        assert_eq!(&field::<8>("abc"), b"abc\0\0\0\0\0");
        assert_eq!(&field::<4>("abcdef"), b"abc\0");
        assert_eq!(&field::<4>("ab\u{e9}"), b"ab\0\0");
        assert_eq!(&field::<1>("x"), b"\0");
    }

    #[test]
    fn fields_are_read_back() {
        assert_eq!(text(b"abc\0def"), "abc");
        assert_eq!(text(b"abc"), "abc");
        assert_eq!(text(b"ab\xff"), "ab");
        assert_eq!(bytes(b"\0x"), b"");
    }
}
