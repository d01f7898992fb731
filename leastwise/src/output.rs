//! Tables for people, JSON and CSV for programs.

use runtime::Problem;
use runtime::error::Exit;
use serde::Serialize;

use crate::cli::Format;

/// A column of a table.
pub struct Column<T> {
    /// Its heading.
    pub title: &'static str,
    /// Numbers are aligned to the right.
    pub numeric: bool,
    /// What a row shows.
    pub cell: fn(&T) -> String,
}

/// Prints rows in the wanted form. The table shows `columns`, JSON and CSV show everything.
///
/// # Errors
/// When standard output can't be written.
pub fn print<T: Serialize>(
    rows: &[T],
    columns: &[Column<T>],
    format: Format,
) -> Result<(), Problem> {
    let text = match format {
        Format::Table => table(rows, columns),
        Format::Json => serde_json::to_string_pretty(rows).map_err(failed)? + "\n",
        Format::Csv => csv(rows, true).map_err(failed)?,
    };
    write(&text)
}

/// Writes to standard output; a reader that has gone away is no failure.
///
/// # Errors
/// When it can't be written.
pub fn write(text: &str) -> Result<(), Problem> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(e)),
        _ => Ok(()),
    }
}

/// The problem of a result that can't be printed.
pub fn failed(e: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(
        "LW-4030",
        "the result can't be printed.",
        "check where standard output goes",
    )
    .exit(Exit::Io)
    .caused_by(e)
}

/// The rows below their headings.
pub fn table<T>(rows: &[T], columns: &[Column<T>]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|r| columns.iter().map(|c| printable(&(c.cell)(r))).collect())
        .collect();
    let width = |n: usize| {
        cells
            .iter()
            .map(|r| r[n].chars().count())
            .chain([columns[n].title.chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(n, c)| {
            let gap = " ".repeat(widths[n] - c.chars().count());
            if columns[n].numeric {
                gap + c
            } else {
                c.clone() + &gap
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let titles: Vec<String> = columns.iter().map(|c| c.title.to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
    std::iter::once(line(&titles))
        .chain([line(&rule)])
        .chain(cells.iter().map(|r| line(r)))
        .collect()
}

/// Names come from tenants: nothing in them may steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The rows as comma-separated values, below their header if that is wanted.
///
/// # Errors
/// When a row can't be written so.
pub fn csv<T: Serialize>(rows: &[T], header: bool) -> Result<String, std::io::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = rows
        .iter()
        .filter_map(|r| match serde_json::to_value(r) {
            Ok(serde_json::Value::Object(o)) => Some(o),
            _ => None,
        })
        .collect();
    if let Some(first) = rows.first().filter(|_| header) {
        writer.write_record(first.keys())?;
    }
    for row in &rows {
        writer.write_record(row.values().map(field))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// A spreadsheet must not take a name that somebody chose for a formula.
fn field(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(s) if s.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{s}")
        }
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// 12345 as 12,345.
pub fn thousands(n: impl Into<i128>) -> String {
    let n = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    if n < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        count: i32,
    }

    const ROWS: [Row; 2] = [
        Row {
            name: "=cmd|x",
            count: 1,
        },
        Row {
            name: "b\u{1b}[2J",
            count: 1234,
        },
    ];

    #[test]
    fn numbers_are_aligned_and_control_characters_are_not_printed() {
        let columns = [
            Column {
                title: "Name",
                numeric: false,
                cell: |r: &Row| r.name.to_owned(),
            },
            Column {
                title: "Count",
                numeric: true,
                cell: |r: &Row| thousands(r.count),
            },
        ];
        let text = table(&ROWS, &columns);
        assert!(!text.contains('\u{1b}'));
        assert_eq!(text.lines().last(), Some("b\u{fffd}[2J   1,234"));
    }

    #[test]
    fn a_name_is_no_formula() {
        assert_eq!(csv(&ROWS, true).unwrap().lines().nth(1), Some("'=cmd|x,1"));
    }

    #[test]
    fn digits_are_grouped() {
        let all: Vec<String> = [0, 12, 999, 1000, -1_234_567]
            .into_iter()
            .map(thousands)
            .collect();
        assert_eq!(all, ["0", "12", "999", "1,000", "-1,234,567"]);
    }
}
