//! The text views of /proc and /sys.

use arbitrary::{Arbitrary, Unstructured};
use vloopback_proc::model::{Counters, FormatView, Owner, PipeView, Rate, Role, Snapshot};
use vloopback_proc::parse::{parse_gcap_name, parse_sysfs_name, parse_vloopbacks, parse_vloopbacks_strict};
use vloopback_proc::{Row, render};

/// No text breaks a parser; text that keeps every rule is read alike by both; and whatever is
/// rendered keeps every rule, whatever names processes and people have given things.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    parsers(&text);
    if let Ok(snapshot) = snapshot(&mut Unstructured::new(data)) {
        rendered(&snapshot);
    }
}

fn parsers(text: &str) {
    let tolerant = parse_vloopbacks(text);
    if let Ok(strict) = parse_vloopbacks_strict(text) {
        assert_eq!(tolerant, Ok(strict));
    }
    if let Some((index, direction)) = parse_sysfs_name(text) {
        let again = render::sysfs_name(index, direction);
        assert_eq!(parse_sysfs_name(&again), Some((index, direction)));
    }
    if let Some((index, direction)) = parse_gcap_name(text) {
        let again = render::gcap_name(index, direction);
        assert_eq!(parse_gcap_name(&again), Some((index, direction)));
    }
    let modules = render::modules_with(text, "vloopback", 0);
    assert!(modules.starts_with(text) && modules.contains("vloopback"));
    assert_eq!(render::modules_with(&modules, "vloopback", 0), modules, "once is enough");
}

fn rendered(snapshot: &Snapshot) {
    let table = render::vloopbacks(snapshot);
    let rows: Vec<Row> = snapshot.pipes.iter().map(Row::from).collect();
    assert_eq!(parse_vloopbacks_strict(&table).as_ref(), Ok(&rows));
    assert_eq!(parse_vloopbacks(&table).as_ref(), Ok(&rows));
    for pipe in &snapshot.pipes {
        let text = render::vloopback(pipe);
        assert!(text.ends_with('\n'));
        for line in text.split_inclusive('\n') {
            assert!(line.len() < render::MAX_LINE && line.len() > 1, "{line:?}");
            assert!(line.trim_end_matches('\n').split('\t').all(|column| !column.is_empty()), "{line:?}");
        }
        assert_eq!(
            text.lines().count() - pipe.owners.len(),
            render::vloopback(&PipeView { owners: Vec::new(), ..pipe.clone() }).lines().count(),
            "an owner is a line, whatever it is called"
        );
    }
}

fn snapshot(u: &mut Unstructured<'_>) -> arbitrary::Result<Snapshot> {
    let version = String::arbitrary(u)?;
    let pipes = (0..u.int_in_range(0..=4)?).map(|_| pipe(u)).collect::<Result<_, _>>()?;
    Ok(Snapshot { version, pipes, ..Snapshot::default() })
}

fn pipe(u: &mut Unstructured<'_>) -> arbitrary::Result<PipeView> {
    let counters = Counters { written: u.arbitrary()?, copies: u.arbitrary()?, ..Counters::default() };
    let format = match u.arbitrary()? {
        false => None,
        true => Some(FormatView {
            palette_name: u.arbitrary()?,
            fourcc: u.arbitrary()?,
            width: u.arbitrary()?,
            height: u.arbitrary()?,
            fps: Some(Rate { frames: u.arbitrary()?, seconds: u.arbitrary()? }),
        }),
    };
    let owner = |u: &mut Unstructured<'_>| -> arbitrary::Result<Owner> {
        Ok(Owner {
            pid: u.arbitrary()?,
            comm: u.arbitrary()?,
            role: if u.arbitrary()? { Role::Pusher } else { Role::Client },
            received: u.arbitrary()?,
            dropped: u.arbitrary()?,
        })
    };
    Ok(PipeView {
        index: u.arbitrary()?,
        input: u.arbitrary()?,
        output: u.arbitrary()?,
        writer: u.arbitrary()?,
        readers: u.arbitrary()?,
        counters,
        format,
        owners: (0..u.int_in_range(0..=3)?).map(|_| owner(u)).collect::<Result<_, _>>()?,
        label: u.arbitrary()?,
        ..PipeView::default()
    })
}
