//! `vloopback list`: the pipes of the running server, as a table or as JSON.

use std::io::Write;
use std::path::Path;

pub use vloopback_daemon::listing::Pipe;
use vloopback_daemon::{Order, ServerError, query_list};

use crate::args::ListArgs;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;

/// Reads the server's list.
///
/// # Errors
/// serde_json's words.
pub fn parse(json: &str) -> Result<Vec<Pipe>, serde_json::Error> {
    serde_json::from_str(json)
}

/// The pipes of the server that listens at `socket`.
///
/// # Errors
/// [`ServerError::Unreachable`]; [`ServerError::Protocol`] where it is of another build.
pub fn pipes(socket: &Path) -> Result<Vec<Pipe>, ServerError> {
    let json = query_list(socket)?;
    parse(&json)
        .map_err(|error| ServerError::Protocol { socket: socket.to_owned(), reason: error.to_string() })
}

/// Asks and prints.
///
/// # Errors
/// [`Failure`] where no server is reachable, or where standard output is
/// closed.
pub fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let socket = args.socket.path();
    let text =
        if args.json { format!("{}\n", query_list(&socket)?.trim_end()) } else { table(&pipes(&socket)?) };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::system("cannot write to standard output"))?;
    Ok(ExitCode::Success)
}

/// Which nodes of a server's pipes have the low numbers. None: it has no pipes.
pub fn order(pipes: &[Pipe]) -> Option<Order> {
    let number = |node: &str| node.strip_prefix("/dev/video").and_then(|digits| digits.parse::<u32>().ok());
    let first = pipes.first()?;
    let (input, output) = (number(&first.input)?, number(&first.output)?);
    Some(if output < input { Order::OutputFirst } else { Order::InputFirst })
}

/// Which node a camera program wants, where there is one; empty where there is no pipe.
fn hint(pipes: &[Pipe]) -> String {
    let Some((first, order)) = pipes.first().zip(order(pipes)) else {
        return String::new();
    };
    let camera = shown(&first.output);
    let more = match order {
        Order::OutputFirst => "",
        Order::InputFirst => "; for programs that always use /dev/video0: vloopback run --camera",
    };
    format!("A camera program opens the OUTPUT, such as {camera}{more}\n")
}

/// The pipes as a table, and under each the processes that have it open; then which node is a camera.
fn table(pipes: &[Pipe]) -> String {
    let mut rows = vec![
        ["PIPE", "INPUT", "OUTPUT", "PUSHER", "CLIENTS", "FORMAT", "WRITTEN", "READ", "DROPPED", "UNWATCHED"]
            .map(String::from),
    ];
    let mut notes: Vec<Vec<String>> = vec![Vec::new()];
    for pipe in pipes {
        let format = pipe.format.as_ref().map_or_else(
            || "-".to_owned(),
            |format| {
                let name = if format.palette.is_empty() { &format.fourcc } else { &format.palette };
                format!("{} {}x{}", shown(name), format.width, format.height)
            },
        );
        let counters = &pipe.counters;
        rows.push([
            pipe.index.to_string(),
            shown(&pipe.input),
            shown(&pipe.output),
            if pipe.claimed { "yes" } else { "-" }.to_owned(),
            pipe.readers.to_string(),
            format,
            counters.written.to_string(),
            counters.read.to_string(),
            counters.dropped.to_string(),
            counters.unwatched.to_string(),
        ]);
        let mut under = Vec::new();
        if !pipe.label.is_empty() {
            under.push(format!("label {}", shown(&pipe.label)));
        }
        if let Some(zero) = &pipe.zero_copy {
            let at = zero.request.as_ref().map(|request| format!(", at {}", shown(request)));
            under.push(format!(
                "zero-copy, {} bytes{}, {} wait",
                zero.bytes,
                at.unwrap_or_default(),
                zero.waiting
            ));
        }
        for owner in &pipe.owners {
            let (did, missed) =
                if owner.role == "pusher" { ("wrote", "unwatched") } else { ("received", "missed") };
            under.push(format!(
                "{} {} ({}): {did} {}, {missed} {}",
                shown(&owner.role),
                shown(&owner.name),
                owner.pid,
                owner.received,
                owner.dropped
            ));
        }
        notes.push(under);
    }
    let mut out = String::new();
    for (line, notes) in columns(&rows).into_iter().zip(notes) {
        out.push_str(&line);
        out.push('\n');
        for note in notes {
            out.push_str("      ");
            out.push_str(&note);
            out.push('\n');
        }
    }
    out.push_str(&hint(pipes));
    out
}

/// Names come from other processes: what would move a terminal's cursor is not shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect()
}

/// Lines of aligned columns, two spaces between them and none at the end.
pub fn columns<R: AsRef<[String]>>(rows: &[R]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        let row = row.as_ref();
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    rows.iter()
        .map(|row| {
            let cells = row.as_ref().iter().zip(&widths);
            let cells: Vec<String> = cells.map(|(cell, &width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[{"index":0,"input":"/dev/video0","output":"/dev/video1","label":"","claimed":true,
        "readers":1,"streaming":1,"format":{"palette":"YUV420P","fourcc":"YU12","width":320,"height":180},
        "counters":{"written":9,"read":8,"dropped":1,"unwatched":0,"copies":9,"lost":0},
        "owners":[{"pid":7,"name":"mo\u001btion","role":"pusher","received":9,"dropped":0}]},
        {"index":1,"input":"/dev/video2","output":"/dev/video3","format":null,
        "zero_copy":{"bytes":4096,"request":"VIDIOCSYNC","waiting":2}},
        {"index":2,"input":"/dev/video4","output":"/dev/video5","format":
            {"palette":"","fourcc":"NV12","width":64,"height":48}}]"#;

    #[test]
    fn a_table_with_owners() {
        let text = table(&parse(JSON).unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[6].contains("/dev/video1") && lines[6].contains("--camera"), "{text}");
        assert_eq!(lines[4], "      zero-copy, 4096 bytes, at VIDIOCSYNC, 2 wait");
        assert!(lines[5].contains("NV12 64x48"), "{text}");
        assert!(lines[0].starts_with("PIPE  INPUT"));
        assert!(lines[1].contains("YUV420P 320x180") && lines[1].contains("yes"));
        assert_eq!(lines[2], "      pusher mo?tion (7): wrote 9, unwatched 0");
        let at = |line: &str, word: &str| line.find(word).unwrap();
        assert_eq!(at(lines[1], "/dev/video1"), at(lines[3], "/dev/video3"));
    }

    #[test]
    fn which_nodes_have_the_low_numbers() {
        let mut pipes = parse(JSON).unwrap();
        assert_eq!(order(&pipes), Some(Order::InputFirst));
        (pipes[0].input, pipes[0].output) = ("/dev/video64".into(), "/dev/video0".into());
        assert_eq!(order(&pipes), Some(Order::OutputFirst));
        assert_eq!(hint(&pipes), "A camera program opens the OUTPUT, such as /dev/video0\n");
        assert_eq!((order(&[]), hint(&[])), (None, String::new()));
    }

    #[test]
    fn junk_is_an_error() {
        assert!(parse("{}").is_err());
        assert_eq!(parse("[]").unwrap(), []);
    }
}
