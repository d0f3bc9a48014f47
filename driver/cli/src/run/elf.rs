//! Just enough of the ELF format to tell whether a program can be served by a preload library.
//! Reads a few headers, never the whole file, and trusts nothing in them.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Something that bytes can be read from at a place.
pub trait ReadAt {
    /// Exactly `length` bytes from `offset` on; None where they are not all there.
    fn bytes_at(&self, offset: u64, length: usize) -> Option<Vec<u8>>;
}

impl ReadAt for File {
    fn bytes_at(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

impl ReadAt for [u8] {
    fn bytes_at(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let start = usize::try_from(offset).ok()?;
        Some(self.get(start..start.checked_add(length)?)?.to_vec())
    }
}

/// What the headers say of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// 64-bit rather than 32-bit.
    pub wide: bool,
    /// The machine's number (62 is x86-64, 3 i386, 183 AArch64, 40 ARM, 243 RISC-V).
    pub machine: u16,
    /// The dynamic loader that the program asks for; None for a static program.
    pub loader: Option<Vec<u8>>,
    /// Built by the Go toolchain.
    pub go: bool,
}

/// The most program headers and sections that are looked at.
const HEADERS_MAX: u64 = 512;
/// The longest loader name, note segment and section name table that are read, in bytes.
const TABLE_MAX: u64 = 64 * 1024;

const PT_INTERP: u64 = 3;
const PT_NOTE: u64 = 4;

/// A file of one of ELF's two widths and two byte orders.
struct Reader<'a, R: ?Sized> {
    source: &'a R,
    wide: bool,
    big_endian: bool,
}

impl<R: ReadAt + ?Sized> Reader<'_, R> {
    /// An unsigned number of `length` bytes.
    fn number(&self, offset: u64, length: usize) -> Option<u64> {
        let mut bytes = self.source.bytes_at(offset, length)?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A field of a header at `base`: where it lies and how long it is in 64-bit files, then the
    /// same in 32-bit ones.
    fn field(&self, base: u64, wide: (u64, usize), narrow: (u64, usize)) -> Option<u64> {
        let (offset, length) = if self.wide { wide } else { narrow };
        self.number(base.checked_add(offset)?, length)
    }

    fn bytes(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if length > TABLE_MAX {
            return None;
        }
        self.source.bytes_at(offset, usize::try_from(length).ok()?)
    }

    /// Whether a note segment has a note of Go's linker: name "Go".
    fn go_note(&self, segment: &[u8]) -> bool {
        let word = |at: usize| -> Option<usize> {
            let bytes: [u8; 4] = segment.get(at..at + 4)?.try_into().ok()?;
            let number = if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            usize::try_from(number).ok()
        };
        let padded = |length: usize| length.checked_add(3).map(|length| length & !3);
        let mut at = 0;
        while let (Some(name), Some(content)) = (word(at), word(at + 4)) {
            let start = at + 12;
            if name == 4 && segment.get(start..start + 4) == Some(b"Go\0\0") {
                return true;
            }
            let next = padded(name)
                .zip(padded(content))
                .and_then(|(name, content)| start.checked_add(name)?.checked_add(content));
            match next {
                Some(next) if next <= segment.len() => at = next,
                _ => return false,
            }
        }
        false
    }
}

/// Reads the headers; None for what is no ELF program.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Option<Elf> {
    let ident = source.bytes_at(0, 16)?;
    if &ident[..4] != b"\x7fELF" || !matches!(ident[4], 1 | 2) || !matches!(ident[5], 1 | 2) {
        return None;
    }
    let file = Reader { source, wide: ident[4] == 2, big_endian: ident[5] == 2 };
    let mut elf =
        Elf { wide: file.wide, machine: u16::try_from(file.number(18, 2)?).ok()?, loader: None, go: false };
    segments(&file, &mut elf)?;
    // Sections can be stripped: a file without them is whole.
    elf.go = elf.go || has_go_section(&file).unwrap_or(false);
    Some(elf)
}

/// Looks through the program headers.
fn segments<R: ReadAt + ?Sized>(file: &Reader<'_, R>, elf: &mut Elf) -> Option<()> {
    let table = file.field(0, (32, 8), (28, 4))?;
    let size = file.field(0, (54, 2), (42, 2))?;
    let count = file.field(0, (56, 2), (44, 2))?;
    for i in 0..count.min(HEADERS_MAX) {
        let header = table.checked_add(i * size)?;
        let kind = file.number(header, 4)?;
        if kind != PT_INTERP && kind != PT_NOTE {
            continue;
        }
        let offset = file.field(header, (8, 8), (4, 4))?;
        let length = file.field(header, (32, 8), (16, 4))?;
        let Some(mut content) = file.bytes(offset, length) else {
            continue;
        };
        if kind == PT_INTERP {
            content.truncate(content.iter().position(|&byte| byte == 0).unwrap_or(content.len()));
            elf.loader = Some(content);
        } else {
            elf.go = elf.go || file.go_note(&content);
        }
    }
    Some(())
}

/// Whether there is a section named `.go.buildinfo`.
fn has_go_section<R: ReadAt + ?Sized>(file: &Reader<'_, R>) -> Option<bool> {
    let table = file.field(0, (40, 8), (32, 4))?;
    let size = file.field(0, (58, 2), (46, 2))?;
    let count = file.field(0, (60, 2), (48, 2))?;
    let names = file.field(0, (62, 2), (50, 2))?;
    let names = table.checked_add(names.checked_mul(size)?)?;
    let names_at = file.field(names, (24, 8), (16, 4))?;
    let names_length = file.field(names, (32, 8), (20, 4))?;
    let names = file.bytes(names_at, names_length)?;
    for i in 0..count.min(HEADERS_MAX) {
        let name = usize::try_from(file.number(table.checked_add(i * size)?, 4)?).ok()?;
        if names.get(name..).is_some_and(|name| name.starts_with(b".go.buildinfo\0")) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A 64-bit little-endian program with a loader (or none) and a note of this name (or none).
    pub(crate) fn program(loader: Option<&str>, note: Option<&[u8; 4]>) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 62;
        file[32] = 64; // Program headers follow at once.
        file[54] = 56;
        let mut segments: Vec<(u8, Vec<u8>)> = vec![(1, vec![0xcc; 8])];
        if let Some(loader) = loader {
            segments.push((3, format!("{loader}\0").into_bytes()));
        }
        if let Some(name) = note {
            // Another note goes before it, with odd lengths that are padded.
            let mut content = [3u32, 5, 1].map(u32::to_le_bytes).concat();
            content.extend(b"AB\0\0xxxxx\0\0\0");
            content.extend([4u32, 2, 4].map(u32::to_le_bytes).concat());
            content.extend(name);
            content.extend(b"id\0\0");
            segments.push((4, content));
        }
        file[56] = segments.len() as u8;
        let mut at = 64 + 56 * segments.len();
        let mut bodies = Vec::new();
        for (kind, content) in segments {
            let mut header = vec![0; 56];
            header[0] = kind;
            header[8..16].copy_from_slice(&(at as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(content.len() as u64).to_le_bytes());
            at += content.len();
            file.extend(header);
            bodies.extend(content);
        }
        file.extend(bodies);
        file
    }

    #[test]
    fn dynamic_static_and_go() {
        let elf = read(program(Some("/lib64/ld-linux-x86-64.so.2"), None).as_slice()).unwrap();
        assert_eq!(elf.loader.as_deref(), Some(b"/lib64/ld-linux-x86-64.so.2".as_slice()));
        assert!(elf.wide && elf.machine == 62 && !elf.go);
        let elf = read(program(None, Some(b"Go\0\0")).as_slice()).unwrap();
        assert!(elf.loader.is_none() && elf.go);
        assert!(!read(program(None, Some(b"GNU\0")).as_slice()).unwrap().go);
    }

    #[test]
    fn a_go_section_is_enough() {
        let mut file = program(Some("/lib/ld.so"), None);
        let names_at = file.len() as u64;
        file.extend(b"\0.text\0.go.buildinfo\0");
        let table = file.len() as u64;
        for name in [1u32, 7] {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            file.extend(header);
        }
        let mut names = vec![0; 64];
        names[24..32].copy_from_slice(&names_at.to_le_bytes());
        names[32..40].copy_from_slice(&21u64.to_le_bytes());
        file.extend(names);
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58] = 64;
        file[60] = 3;
        file[62] = 2;
        assert!(read(file.as_slice()).unwrap().go);
    }

    #[test]
    fn narrow_and_big_endian_files_are_read() {
        let mut file = vec![0; 52 + 32];
        file[..6].copy_from_slice(b"\x7fELF\x01\x02");
        file[19] = 20;
        file[31] = 52;
        file[43] = 32;
        file[45] = 1;
        file[52 + 3] = 3;
        file[52 + 7] = 84;
        file[52 + 19] = 7;
        file.extend(b"/ld.so\0");
        let elf = read(file.as_slice()).unwrap();
        assert_eq!((elf.wide, elf.machine), (false, 20));
        assert_eq!(elf.loader.as_deref(), Some(b"/ld.so".as_slice()));
    }

    #[test]
    fn this_test_is_a_dynamic_program() {
        let elf = read(&File::open("/proc/self/exe").unwrap()).unwrap();
        assert!(elf.loader.is_some() && !elf.go);
        assert_eq!(elf.wide, cfg!(target_pointer_width = "64"));
    }

    proptest! {
        #[test]
        fn junk_never_panics(at in 0usize..400, junk in proptest::collection::vec(any::<u8>(), 1..16), cut in 0usize..500) {
            let mut file = program(Some("/lib/ld.so"), Some(b"Go\0\0"));
            let length = file.len();
            for (i, byte) in junk.into_iter().enumerate() {
                file[(at + i) % length] = byte;
            }
            file.truncate(cut);
            let _ = read(file.as_slice());
        }
    }
}
