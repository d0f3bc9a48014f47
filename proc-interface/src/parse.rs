//! Text of the views to values.
//!
//! [`parse_vloopbacks`] reads the pipe table as the known pushers do: two lines skipped unread,
//! the rest read in pieces of at most 254 bytes, cut at tabs with runs of tabs taken as one,
//! further columns ignored, the status told by its first letter. Where such a parser would crash
//! or go on with the values of the line before, this one gives an error instead.
//! [`parse_vloopbacks_strict`] accepts only what [`crate::render::vloopbacks`] may write.

use crate::model::{Direction, PipeView};
use crate::render::MAX_LINE;

/// One pipe of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Pipe number. The old parsers do not look at it; what is no number counts as 0, as atoi
    /// has it.
    pub index: u32,
    /// Name of the input node below /dev, such as `video0`.
    pub input: String,
    /// The input's status is `-`: a pusher may try to claim it.
    pub free: bool,
    /// Name of the output node.
    pub output: String,
    /// The output's status is `R`: at least one client has it open.
    pub watched: bool,
}

impl From<&PipeView> for Row {
    /// The row that stands for this pipe in the table.
    fn from(pipe: &PipeView) -> Self {
        Row {
            index: pipe.index,
            input: format!("video{}", pipe.input),
            free: !pipe.writer,
            output: format!("video{}", pipe.output),
            watched: pipe.readers > 0,
        }
    }
}

/// Why a pipe table cannot be read. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The version line or the explanation line is not there.
    #[error("the two leading lines are missing: this is not a pipe table of vloopback")]
    NoHeader,
    /// A line has fewer than five columns.
    #[error("line {line} has {columns} columns instead of 5 separated by tabs")]
    MissingColumn {
        /// Where.
        line: usize,
        /// How many there are.
        columns: usize,
    },
    /// A line that only the tolerant parser would take.
    #[error("line {line} breaks a rule of the table: {rule}")]
    Strict {
        /// Where.
        line: usize,
        /// Which rule.
        rule: &'static str,
    },
}

/// The rows of `/proc/video/vloopback/vloopbacks`, read as the old pushers read it.
///
/// # Errors
/// [`ParseError::NoHeader`] without the two leading lines, [`ParseError::MissingColumn`] where a
/// line lacks columns (an old parser would crash there).
pub fn parse_vloopbacks(text: &str) -> Result<Vec<Row>, ParseError> {
    let mut pieces = Pieces(text.as_bytes());
    if pieces.next().is_none() || pieces.next().is_none() {
        return Err(ParseError::NoHeader);
    }
    let mut rows = Vec::new();
    for (at, piece) in pieces.enumerate() {
        // An empty line is passed over.
        if piece.len() <= 1 {
            continue;
        }
        // The last byte is dropped unseen: it is the newline, if there is one.
        let piece = String::from_utf8_lossy(&piece[..piece.len() - 1]);
        let columns: Vec<&str> = piece.split('\t').filter(|column| !column.is_empty()).collect();
        let &[index, input, input_status, output, output_status, ..] = columns.as_slice() else {
            return Err(ParseError::MissingColumn { line: at + 3, columns: columns.len() });
        };
        rows.push(Row {
            index: atoi(index),
            input: input.to_owned(),
            free: input_status.starts_with('-'),
            output: output.to_owned(),
            watched: output_status.starts_with('R'),
        });
    }
    Ok(rows)
}

/// The rows of a table that keeps every rule of [`crate::render`].
///
/// # Errors
/// [`ParseError`], naming the first line that breaks a rule.
pub fn parse_vloopbacks_strict(text: &str) -> Result<Vec<Row>, ParseError> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    if lines.len() < 2 {
        return Err(ParseError::NoHeader);
    }
    let mut rows = Vec::with_capacity(lines.len() - 2);
    for (at, line) in lines.into_iter().enumerate() {
        let broken = |rule| ParseError::Strict { line: at + 1, rule };
        let body = line.strip_suffix('\n').ok_or(broken("every line ends in a newline"))?;
        if body.is_empty() {
            return Err(broken("no line is empty"));
        }
        if line.len() >= MAX_LINE {
            return Err(broken("every line is shorter than 254 bytes"));
        }
        if at >= 2 {
            rows.push(strict_row(body, at + 1)?);
        }
    }
    Ok(rows)
}

fn strict_row(body: &str, line: usize) -> Result<Row, ParseError> {
    let broken = |rule| ParseError::Strict { line, rule };
    let columns: Vec<&str> = body.split('\t').collect();
    let &[index, input, input_status, output, output_status] = columns.as_slice() else {
        return Err(ParseError::MissingColumn { line, columns: columns.len() });
    };
    let index = number(index).ok_or(broken("the first column is the pipe's number"))?;
    for name in [input, output] {
        if name.strip_prefix("video").and_then(number).is_none() {
            return Err(broken("a node's name is bare: video and a number"));
        }
    }
    let free = match input_status {
        "-" => true,
        "W" => false,
        _ => return Err(broken("the input's status is - or W")),
    };
    let watched = match output_status {
        "-" => false,
        "R" => true,
        _ => return Err(broken("the output's status is - or R")),
    };
    Ok(Row { index, input: input.to_owned(), free, output: output.to_owned(), watched })
}

/// The pipe and direction that a sysfs name file tells of: `Video loopback 0 input` and a
/// newline, which the old parsers need. `None` for any other device's name.
#[must_use]
pub fn parse_sysfs_name(text: &str) -> Option<(u32, Direction)> {
    parse_gcap_name(text.strip_suffix('\n')?)
}

/// The pipe and direction of a `VIDIOCGCAP` name: [`parse_sysfs_name`] without the newline.
#[must_use]
pub fn parse_gcap_name(name: &str) -> Option<(u32, Direction)> {
    let rest = name.strip_prefix("Video loopback ")?;
    let (index, word) = rest.split_once(' ')?;
    let direction = match word {
        "input" => Direction::Input,
        "output" => Direction::Output,
        _ => return None,
    };
    Some((number(index)?, direction))
}

/// A number as we write it: digits alone, no sign, no leading zero.
pub(crate) fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if plain && digits { text.parse().ok() } else { None }
}

/// The leading digits as a number, 0 where there are none or too many.
fn atoi(text: &str) -> u32 {
    let text = text.trim_start();
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

/// What successive `fgets` calls with a buffer of 255 return: lines with their newline, those of
/// more than 254 bytes in several pieces.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let line = self.0.iter().position(|&b| b == b'\n').map_or(self.0.len(), |at| at + 1);
        let (piece, rest) = self.0.split_at(line.min(254));
        self.0 = rest;
        Some(piece)
    }
}
