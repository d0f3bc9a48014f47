//! The text views: golden bytes, the rules that old parsers rest on, and those parsers' way of
//! reading against ours.

mod common;

use common::{idle, three};
use proptest::prelude::*;
use vloopback_proc::parse::{parse_gcap_name, parse_sysfs_name};
use vloopback_proc::parse::{parse_vloopbacks, parse_vloopbacks_strict};
use vloopback_proc::{
    Counters, Direction, FormatView, NodeAccess, Owner, ParseError, PipeView, Rate, Role, Row, Snapshot,
    render,
};

#[test]
fn golden_tables() {
    assert_eq!(render::vloopbacks(&three()), include_str!("golden/vloopbacks"));
    let empty = Snapshot { version: "vloopback 0.1.0".into(), pipes: Vec::new(), ..Snapshot::default() };
    assert_eq!(render::vloopbacks(&empty), include_str!("golden/vloopbacks-no-pipe"));
}

#[test]
fn golden_pipe_files() {
    let pipes = three().pipes;
    assert_eq!(render::vloopback(&pipes[0]), include_str!("golden/vloopback0"));
    assert_eq!(render::vloopback(&pipes[1]), include_str!("golden/vloopback1"));
}

#[test]
fn golden_sysfs_files() {
    assert_eq!(render::sysfs_name(0, Direction::Input), "Video loopback 0 input\n");
    assert_eq!(render::sysfs_name(12, Direction::Output), "Video loopback 12 output\n");
    assert_eq!(render::dev(7), "81:7\n");
    assert_eq!(render::uevent(7), "MAJOR=81\nMINOR=7\nDEVNAME=video7\n");
    assert_eq!(render::index(), "0\n");
}

#[test]
fn golden_modules() {
    let line = "vloopback 16384 0 - Live 0x0000000000000000\n";
    assert_eq!(render::module_line("vloopback", 0), line);
    assert_eq!(render::module_line("vloopback", 3), line.replace(" 0 -", " 3 -"));
    assert_eq!(render::modules_with("", "vloopback", 0), line);
    let host = "ext4 1040384 2 - Live 0x0000000000000000\n";
    assert_eq!(render::modules_with(host, "vloopback", 0), format!("{host}{line}"));
    assert_eq!(render::modules_with(host.trim_end(), "vloopback", 0), format!("{host}{line}"));
    let loaded = format!("{line}{host}");
    assert_eq!(render::modules_with(&loaded, "vloopback", 0), loaded);
    // A longer name or a module that uses ours does not count as ours.
    for other in ["vloopback2 1 0 - Live 0x0\n", "videodev 1 1 vloopback, Live 0x0\n"] {
        assert_eq!(render::modules_with(other, "vloopback", 0), format!("{other}{line}"));
    }
}

#[test]
fn golden_devices() {
    let alone = "Character devices:\n 81 video4linux\n";
    assert_eq!(render::devices_with(""), alone);
    let host = "Character devices:\n  1 mem\n 29 fb\n116 alsa\n\nBlock devices:\n259 blkext\n";
    let with =
        "Character devices:\n  1 mem\n 29 fb\n 81 video4linux\n116 alsa\n\nBlock devices:\n259 blkext\n";
    assert_eq!(render::devices_with(host), with);
    assert_eq!(render::devices_with(with), with);
    // A block device of that number is another.
    let block = "Character devices:\n  1 mem\n\nBlock devices:\n 81 other\n";
    let expected = "Character devices:\n  1 mem\n 81 video4linux\n\nBlock devices:\n 81 other\n";
    assert_eq!(render::devices_with(block), expected);
    let last = "Character devices:\n  1 mem\n";
    assert_eq!(render::devices_with(last), "Character devices:\n  1 mem\n 81 video4linux\n");
}

/// A writer is one user, each descriptor on an output another.
#[test]
fn the_modules_users_are_the_open_descriptors() {
    let pipe = |writer, readers| PipeView { writer, readers, ..PipeView::default() };
    let users =
        |pipes: &[PipeView]| render::module_users(&Snapshot { pipes: pipes.to_vec(), ..Snapshot::default() });
    assert_eq!(users(&[]), 0);
    assert_eq!(users(&[pipe(true, 0), pipe(false, 2), pipe(true, 3)]), 7);
    assert_eq!(users(&[pipe(true, u32::MAX), pipe(true, 9)]), u32::MAX);
}

#[test]
fn names_fit_into_what_holds_them() {
    let longest = render::gcap_name(999_999_999, Direction::Output);
    assert_eq!(longest.len(), 31, "VIDIOCGCAP has 32 bytes with the final zero");
    assert_eq!(parse_gcap_name(&longest), Some((999_999_999, Direction::Output)));
}

#[test]
fn sysfs_names_of_other_devices_are_not_ours() {
    for text in [
        "",
        "\n",
        "Video loopback 0 input",
        "Video loopback 0 input\n\n",
        "video loopback 0 input\n",
        "Video loopback 0 Input\n",
        "Video loopback 0\n",
        "Video loopback input\n",
        "Video loopback  0 input\n",
        "Video loopback 00 input\n",
        "Video loopback -1 input\n",
        "Video loopback +1 input\n",
        "Video loopback 0 input too\n",
        "Video loopback 4294967296 input\n",
        "Loopback video device 0\n",
        "Integrated Camera: Integrated C\n",
    ] {
        assert_eq!(parse_sysfs_name(text), None, "{text:?}");
    }
}

#[test]
fn blank_or_hostile_names_never_make_an_empty_or_split_column() {
    let mut pipe = idle(0);
    for comm in ["", " ", "\t", "\n", "a\tb\nc\r\0d\u{7f}\u{85}\u{2028}", &"ä".repeat(4000)] {
        pipe.label = comm.to_owned();
        pipe.owners =
            vec![Owner { pid: 1, comm: comm.to_owned(), role: Role::Client, received: 0, dropped: 0 }];
        let text = render::vloopback(&pipe);
        assert_lines(&text);
        assert_eq!(text.lines().count(), 10, "{text}");
        let owner = text.lines().last().expect("has lines");
        assert_eq!(owner.split('\t').count(), 7, "{owner:?}");
    }
    let snapshot = Snapshot { version: "\n".into(), pipes: vec![idle(0)], ..Snapshot::default() };
    assert_lines(&render::vloopbacks(&snapshot));
}

#[test]
fn the_tolerant_parser_takes_what_old_parsers_take() {
    let table = "anything\n\nx\t\tvideo0\t-busy\tvideo1\tRW\tmore\n\n7\tvideo2\tW\tvideo3\t-";
    let row = |index, input: &str, free, output: &str, watched| Row {
        index,
        input: input.into(),
        free,
        output: output.into(),
        watched,
    };
    // The last line has no newline: its last byte is lost, and so is its last column.
    assert_eq!(parse_vloopbacks(table), Err(ParseError::MissingColumn { line: 5, columns: 4 }));
    assert_eq!(
        parse_vloopbacks(&format!("{table}\n")),
        Ok(vec![row(0, "video0", true, "video1", true), row(7, "video2", false, "video3", false)])
    );
}

#[test]
fn what_crashes_old_parsers_is_an_error() {
    assert_eq!(parse_vloopbacks(""), Err(ParseError::NoHeader));
    assert_eq!(parse_vloopbacks("one line\n"), Err(ParseError::NoHeader));
    assert_eq!(parse_vloopbacks("a\nb\n"), Ok(Vec::new()));
    for (line, columns) in [("0 video0 - video1 -\n", 1), ("junk\n", 1), ("0\tvideo0\t-\n", 3)] {
        assert_eq!(
            parse_vloopbacks(&format!("a\nb\n{line}")),
            Err(ParseError::MissingColumn { line: 3, columns })
        );
    }
}

#[test]
fn the_strict_parser_holds_every_rule() {
    let row = "0\tvideo0\t-\tvideo1\t-\n";
    assert!(parse_vloopbacks_strict(&format!("a\nb\n{row}")).is_ok());
    let long = "x".repeat(253);
    for bad in [
        String::new(),
        "a\n".into(),
        format!("a\n\n{row}"),
        format!("a\nb\n{row}\n"),
        format!("a\nb\n{}", row.trim_end()),
        format!("{long}\nb\n{row}"),
        "a\nb\n0\t\tvideo0\t-\tvideo1\t-\n".into(),
        "a\nb\n0 video0 - video1 -\n".into(),
        "a\nb\n0\t/dev/video0\t-\t/dev/video1\t-\n".into(),
        "a\nb\n0\tvideo0\tR\tvideo1\t-\n".into(),
        "a\nb\n0\tvideo0\t-\tvideo1\tW\n".into(),
        "a\nb\n0\tvideo0\t-\tvideo1\t-\tmore\n".into(),
        "a\nb\n00\tvideo0\t-\tvideo1\t-\n".into(),
        "a\nb\nx\tvideo0\t-\tvideo1\t-\n".into(),
    ] {
        assert!(parse_vloopbacks_strict(&bad).is_err(), "{bad:?}");
    }
}

/// Every line: not empty, shorter than 254 bytes with its newline, no empty column.
fn assert_lines(text: &str) {
    assert!(text.ends_with('\n'), "no final newline");
    for line in text.split_inclusive('\n') {
        assert!(line.len() > 1, "blank line in {text:?}");
        assert!(line.len() < render::MAX_LINE, "{} bytes: {line:?}", line.len());
        let body = &line[..line.len() - 1];
        assert!(body.split('\t').all(|column| !column.trim().is_empty()), "{line:?}");
        assert!(!body.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
}

/// How the old C programs read the table, on bytes with final zeros as they do: `fgets` with a
/// buffer of 255, `strtok` with a tab. Gives (input, input status, output, output status) a line.
mod old {
    /// `fgets(buffer, 255, file)`.
    fn fgets<'a>(file: &mut &'a [u8]) -> Option<&'a [u8]> {
        let mut n = 0;
        while n < 254 && n < file.len() {
            n += 1;
            if file[n - 1] == b'\n' {
                break;
            }
        }
        if n == 0 {
            return None;
        }
        let (line, rest) = file.split_at(n);
        *file = rest;
        Some(line)
    }

    /// `strtok(…, "\t")`, with the cursor given instead of kept in a static.
    fn strtok(buffer: &mut [u8], cursor: &mut usize) -> Option<String> {
        while buffer[*cursor] == b'\t' {
            *cursor += 1;
        }
        if buffer[*cursor] == 0 {
            return None;
        }
        let start = *cursor;
        while buffer[*cursor] != 0 && buffer[*cursor] != b'\t' {
            *cursor += 1;
        }
        let token = String::from_utf8_lossy(&buffer[start..*cursor]).into_owned();
        if buffer[*cursor] == b'\t' {
            buffer[*cursor] = 0;
            *cursor += 1;
        }
        Some(token)
    }

    pub type Line = (String, String, String, String);

    /// All lines, or `None` where such a program would follow a null pointer.
    pub fn read(text: &str) -> Option<Vec<Line>> {
        let mut file = text.as_bytes();
        fgets(&mut file)?;
        fgets(&mut file)?;
        let mut lines = Vec::new();
        while let Some(line) = fgets(&mut file) {
            if line.len() <= 1 {
                continue;
            }
            let mut buffer = line.to_vec();
            *buffer.last_mut()? = 0;
            let mut cursor = 0;
            strtok(&mut buffer, &mut cursor)?;
            lines.push((
                strtok(&mut buffer, &mut cursor)?,
                strtok(&mut buffer, &mut cursor)?,
                strtok(&mut buffer, &mut cursor)?,
                strtok(&mut buffer, &mut cursor)?,
            ));
        }
        Some(lines)
    }

    /// The same in our terms.
    pub fn ours(rows: &[vloopback_proc::Row]) -> Vec<(String, bool, String, bool)> {
        rows.iter().map(|r| (r.input.clone(), r.free, r.output.clone(), r.watched)).collect()
    }

    /// Statuses as the old programs tell them.
    pub fn told(lines: Vec<Line>) -> Vec<(String, bool, String, bool)> {
        let told = |(input, i, output, o): Line| (input, i.starts_with('-'), output, o.starts_with('R'));
        lines.into_iter().map(told).collect()
    }
}

fn any_owner() -> impl Strategy<Value = Owner> {
    (any::<i32>(), any::<String>(), any::<bool>(), any::<u64>(), any::<u64>()).prop_map(
        |(pid, comm, pusher, received, dropped)| {
            let role = if pusher { Role::Pusher } else { Role::Client };
            Owner { pid, comm, role, received, dropped }
        },
    )
}

fn any_format() -> impl Strategy<Value = FormatView> {
    let rate = any::<Option<(u32, u32)>>();
    (any::<String>(), any::<String>(), any::<u32>(), any::<u32>(), rate).prop_map(
        |(palette_name, fourcc, width, height, rate)| FormatView {
            palette_name,
            fourcc,
            width,
            height,
            fps: rate.map(|(frames, seconds)| Rate { frames, seconds }),
        },
    )
}

fn any_pipe() -> impl Strategy<Value = PipeView> {
    (
        any::<[u32; 4]>(),
        any::<bool>(),
        any::<[u64; 5]>(),
        proptest::option::of(any_format()),
        proptest::collection::vec(any_owner(), 0..4),
        ".{0,300}",
    )
        .prop_map(|([index, input, output, readers], writer, counts, format, owners, label)| {
            let [written, read, dropped, unwatched, copies] = counts;
            PipeView {
                index,
                input,
                output,
                writer,
                // Zero must not be rare.
                readers: readers % 3,
                counters: Counters { written, read, dropped, unwatched, copies },
                format,
                owners,
                label,
                access: NodeAccess::default(),
                ..PipeView::default()
            }
        })
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let pipes = proptest::collection::vec(any_pipe(), 0..20);
    ("(.|\n|\t){0,400}", pipes).prop_map(|(version, pipes)| Snapshot {
        version,
        pipes,
        ..Snapshot::default()
    })
}

/// Tables as a careless driver might write them: runs of tabs, columns too many or (seldom) too
/// few, empty lines, lines longer than the old programs' buffer.
fn any_lines() -> impl Strategy<Value = Vec<String>> {
    let column = "(0|7|video1|-|W|R|-busy|\\t-|é é|x{60})";
    let rows = proptest::collection::vec(column, 5..8).prop_map(|c| c.join("\t") + "\n");
    let line = prop_oneof![
        20 => rows,
        2 => Just("\n".to_owned()),
        1 => "(0|video0|\\t| ){0,4}\\n",
    ];
    proptest::collection::vec(line, 0..12)
}

proptest! {
    #[test]
    fn every_snapshot_keeps_the_rules_and_comes_back(snapshot in any_snapshot()) {
        let table = render::vloopbacks(&snapshot);
        assert_lines(&table);
        prop_assert_eq!(table.lines().count(), 2 + snapshot.pipes.len());
        let rows: Vec<Row> = snapshot.pipes.iter().map(Row::from).collect();
        prop_assert_eq!(parse_vloopbacks_strict(&table), Ok(rows.clone()));
        prop_assert_eq!(parse_vloopbacks(&table), Ok(rows.clone()));
        let old = old::read(&table).expect("old programs would crash");
        prop_assert_eq!(old::told(old), old::ours(&rows));
        for pipe in &snapshot.pipes {
            let text = render::vloopback(pipe);
            assert_lines(&text);
            let first = text.split_inclusive('\n').next().unwrap_or_default();
            let alone = parse_vloopbacks_strict(&format!("a\nb\n{first}"));
            prop_assert_eq!(alone, Ok(vec![Row::from(pipe)]));
            prop_assert_eq!(text.lines().count(), 9 + pipe.owners.len());
        }
    }

    #[test]
    fn any_text_is_read_as_old_programs_read_it(lines in any_lines(), cut: bool) {
        let mut text = lines.concat();
        if cut {
            text.pop();
        }
        // They crash where we give an error, and else agree.
        let ours = parse_vloopbacks(&text).ok().map(|rows| old::ours(&rows));
        prop_assert_eq!(old::read(&text).map(old::told), ours);
    }

    #[test]
    fn sysfs_names_come_back(index: u32, input: bool) {
        let direction = if input { Direction::Input } else { Direction::Output };
        let text = render::sysfs_name(index, direction);
        prop_assert_eq!(text.split(' ').count(), 4);
        prop_assert!(text.ends_with('\n'));
        prop_assert_eq!(parse_sysfs_name(&text), Some((index, direction)));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "(.|\n|\t){0,600}") {
        let _ = parse_vloopbacks(&text);
        let _ = parse_vloopbacks_strict(&text);
        let _ = parse_sysfs_name(&text);
    }
}
