//! The daemon's tree of plain files as one block of bytes ([`crate::Request::Tree`]), for processes that reach the
//! socket but not the folder beside it. It is a sequence of entries: six numbers (kind, mode, owner, group, length of
//! the path, length of the contents), then path and contents. A reader trusts nothing in it.

/// The longest image that is made or read.
pub const MAX_IMAGE: usize = 4 << 20;

/// How many links in a row are followed.
const MAX_LINKS: usize = 8;

const HEAD: usize = 6 * 4;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Dir,
    /// A file; its text is the contents.
    File,
    /// A symbolic link; its text is the contents.
    Link,
    /// A device node.
    Node,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'image> {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
    /// As programs see it: `/dev/video0`.
    pub path: &'image [u8],
    /// A file's or a link's text.
    pub contents: &'image [u8],
}

/// Appends an entry to an image.
pub fn pack(image: &mut Vec<u8>, entry: &Entry<'_>) {
    let kind = match entry.kind {
        Kind::Dir => 0,
        Kind::File => 1,
        Kind::Link => 2,
        Kind::Node => 3,
    };
    // Texts of the tree are short; a length that did not fit would end the image for its readers.
    let len = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX);
    for number in [kind, entry.mode, entry.uid, entry.gid, len(entry.path), len(entry.contents)] {
        image.extend(number.to_ne_bytes());
    }
    image.extend(entry.path);
    image.extend(entry.contents);
}

/// The entries of an image, up to the first invalid one.
pub fn entries(image: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = image;
    core::iter::from_fn(move || {
        let head = rest.get(..HEAD)?;
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_ne_bytes(head.get(at * 4..at * 4 + 4)?.try_into().ok()?))
        };
        let kind = match number(0)? {
            0 => Kind::Dir,
            1 => Kind::File,
            2 => Kind::Link,
            3 => Kind::Node,
            _ => return None,
        };
        let path_end = HEAD.checked_add(usize::try_from(number(4)?).ok()?)?;
        let end = path_end.checked_add(usize::try_from(number(5)?).ok()?)?;
        let entry = Entry {
            kind,
            mode: number(1)? & 0o7777,
            uid: number(2)?,
            gid: number(3)?,
            path: rest.get(HEAD..path_end)?,
            contents: rest.get(path_end..end)?,
        };
        rest = rest.get(end..)?;
        Some(entry)
    })
}

/// The entry at a path, whose folders may be links. `follow`: its last name may be a link as well.
#[must_use]
pub fn find<'image>(image: &'image [u8], path: &[u8], follow: bool) -> Option<Entry<'image>> {
    let mut room = [0; 256];
    let mut len = path.len();
    room.get_mut(..len)?.copy_from_slice(path);
    for _ in 0..MAX_LINKS {
        let path = room.get(..len)?;
        // The longest entry that the path begins with.
        let above = |entry: &Entry<'_>| {
            path.strip_prefix(entry.path).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        let entry = entries(image).filter(above).max_by_key(|entry| entry.path.len())?;
        let whole = entry.path.len() == len;
        if entry.kind != Kind::Link || (whole && !follow) {
            return whole.then_some(entry);
        }
        // From the link's folder on, along its text, then along the rest.
        let rest = path.get(entry.path.len()..)?;
        let mut next = [0; 256];
        let mut end = 0;
        let parts = entry.path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let count = parts.clone().count().checked_sub(1)?;
        let target = entry.contents.split(|byte| *byte == b'/');
        for part in parts.take(count).chain(target).chain(rest.split(|byte| *byte == b'/')) {
            match part {
                b"" | b"." => {}
                b".." => end = next.get(..end)?.iter().rposition(|byte| *byte == b'/').unwrap_or(0),
                name => {
                    *next.get_mut(end)? = b'/';
                    next.get_mut(end + 1..end + 1 + name.len())?.copy_from_slice(name);
                    end += 1 + name.len();
                }
            }
        }
        (room, len) = (next, end);
    }
    None
}

/// The entries of a folder of an image, by bare names.
pub fn listing<'image>(
    image: &'image [u8],
    folder: &'image [u8],
) -> impl Iterator<Item = (&'image [u8], Entry<'image>)> {
    entries(image).filter_map(move |entry| {
        let name = entry.path.strip_prefix(folder)?.strip_prefix(b"/")?;
        (!name.is_empty() && !name.contains(&b'/')).then_some((name, entry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image() -> Vec<u8> {
        let mut image = Vec::new();
        let mut add = |kind, path: &'static str, contents: &'static str| {
            let (path, contents) = (path.as_bytes(), contents.as_bytes());
            pack(&mut image, &Entry { kind, mode: 0o644, uid: 1, gid: 2, path, contents });
        };
        add(Kind::Dir, "/dev", "");
        add(Kind::Node, "/dev/video0", "");
        add(Kind::Dir, "/dev/v4l", "");
        add(Kind::Link, "/dev/v4l/video0", "../video0");
        add(Kind::Dir, "/sys/devices/video0", "");
        add(Kind::File, "/sys/devices/video0/name", "a name\n");
        add(Kind::Link, "/sys/devices/video0/subsystem", "../../class");
        add(Kind::Dir, "/sys/class", "");
        add(Kind::Link, "/sys/class/video0", "../devices/video0");
        add(Kind::Link, "/sys/loop", "loop");
        image
    }

    #[test]
    fn paths_lead_through_links() {
        let image = image();
        let found = |path: &str, follow| {
            find(&image, path.as_bytes(), follow).map(|entry| String::from_utf8(entry.path.to_vec()).unwrap())
        };
        assert_eq!(found("/dev/video0", true).as_deref(), Some("/dev/video0"));
        assert_eq!(found("/dev/v4l/video0", true).as_deref(), Some("/dev/video0"));
        assert_eq!(found("/dev/v4l/video0", false).as_deref(), Some("/dev/v4l/video0"));
        let name = "/sys/devices/video0/name";
        assert_eq!(found("/sys/class/video0/name", false).as_deref(), Some(name));
        assert_eq!(found("/sys/class/video0/subsystem/video0/name", true).as_deref(), Some(name));
        for path in ["/dev/video1", "/dev/video0/x", "/dev/vid", "/sys/loop", "/sys/loop/x", "/", "", "x"] {
            assert_eq!(found(path, true), None, "{path}");
        }
        let names: Vec<&[u8]> = listing(&image, b"/dev").map(|(name, _)| name).collect();
        assert_eq!(names, [&b"video0"[..], b"v4l"]);
    }

    proptest! {
        #[test]
        fn a_damaged_image_is_cut_short(at in 0usize..400, byte: u8, cut in 0usize..600) {
            let whole = image();
            let mut image = whole.clone();
            let len = image.len();
            image[at % len] = byte;
            image.truncate(cut);
            prop_assert!(entries(&image).count() <= entries(&whole).count() + 1);
            let _ = find(&image, b"/sys/class/video0/subsystem/video0/name", true);
            let _ = listing(&image, b"/dev").count();
        }
    }
}
