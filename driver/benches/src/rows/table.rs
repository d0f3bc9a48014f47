//! The table as text.

use std::fmt;

use super::{Row, Side};
use crate::stats::Summary;

/// Rows, to be printed.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Row]);

/// A number with as many digits as say something.
fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn spread(summary: &Summary) -> String {
    match summary.rounds {
        1 => short(summary.median),
        _ => format!("{} ({}..{})", short(summary.median), short(summary.low), short(summary.high)),
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["row", "unit", "baseline", "candidate", "figure", "bar", "met", "note"].map(String::from);
        let lines = self.0.iter().map(|row| {
            let sign = match row.side {
                Side::AtLeast => "≥",
                Side::AtMost => "≤",
            };
            [
                row.name.to_owned(),
                row.unit.to_owned(),
                row.baseline.as_ref().map_or_else(|| "–".to_owned(), spread),
                spread(&row.candidate),
                format!("{} {}", short(row.figure), row.figure_unit),
                format!("{sign} {}", short(row.bar)),
                if row.met { "yes" } else { "NO" }.to_owned(),
                row.note.clone(),
            ]
        });
        let lines: Vec<[String; 8]> = std::iter::once(head).chain(lines).collect();
        let mut widths = [0; 8];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in &lines {
            let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Bar, RowName};

    #[test]
    fn columns_line_up() {
        let rows = [
            Bar::at_least(0.95, "of memcpy").row(
                RowName::OneCopy,
                "MB/s",
                Some(Summary::of(&[9000.0, 9100.0])),
                Summary::of(&[9000.0, 9050.0]),
                0.997,
            ),
            Bar::at_most(100.0, "ns").row(RowName::Unused, "ns", None, Summary::single(123.4), 123.4),
        ];
        assert!(rows[0].met && !rows[1].met);
        let text = Table(&rows).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let column = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
        assert_eq!(column(lines[0], "met"), column(lines[1], "yes"));
        assert_eq!(column(lines[0], "met"), column(lines[2], "NO"));
        assert!(lines[2].contains("–"));
    }
}
