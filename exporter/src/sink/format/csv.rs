//! Comma-separated values (RFC 4180): UTF-8, lines end with CR LF, the first one names the columns in `snake_case`.
//!
//! Absent and empty are both nothing, lists are JSON. Characters that control something are replaced by U+FFFD, line
//! breaks and tabs aside. What a spreadsheet would take for a formula gets a `'` before it, as OWASP advises; numbers
//! are ours and stay numbers.

use std::io::Write as _;

use csv::{Terminator, Writer, WriterBuilder};

use super::output::{Output, Written};
use super::picked::Picked;
use super::{Encoding, Fault, Packed, Row, Rows, pack};
use crate::cells::Cell;

/// A file of values.
pub(super) struct Csv {
    out: Writer<Packed>,
    picked: Picked,
    inert: bool,
    fields: Vec<String>,
}

pub(in crate::sink) fn writer<W: std::io::Write>(to: W) -> Writer<W> {
    WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(to)
}

/// The text with which a file begins.
pub(super) fn head(encoding: &Encoding, kind: &str) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    if encoding.csv.bom {
        text.extend_from_slice("\u{feff}".as_bytes());
    }
    let mut out = writer(text);
    out.write_record(Picked::new(&encoding.shows, kind).names())
        .map_err(fault)?;
    out.into_inner().map_err(|e| Fault::Io(e.into_error()))
}

impl Csv {
    pub(super) fn new(encoding: &Encoding, kind: &str, mut output: Output) -> Result<Self, Fault> {
        output.write_all(&pack::pack(&head(encoding, kind)?, encoding.compression)?)?;
        let picked = Picked::new(&encoding.shows, kind);
        Ok(Csv {
            out: writer(Packed::new(encoding.compression, output)?),
            fields: vec![String::new(); picked.shown.len()],
            picked,
            inert: encoding.csv.inert,
        })
    }
}

impl Rows for Csv {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let (fields, inert) = (&mut self.fields, self.inert);
        self.picked.each(row, |place, _, cell| {
            let Some(field) = fields.get_mut(place) else {
                return Ok(());
            };
            field.clear();
            match cell {
                Cell::Null => {}
                Cell::Boolean(yes) => field.push_str(if yes { "true" } else { "false" }),
                Cell::Integer(n) => field.push_str(&n.to_string()),
                Cell::Text(text) => push(text, inert, field),
                Cell::Texts(texts) => push(&serde_json::to_string(&texts)?, inert, field),
                Cell::Json(json) => push(&json, inert, field),
            }
            Ok::<_, Fault>(())
        })?;
        self.out.write_record(&self.fields).map_err(fault)
    }

    fn finish(self: Box<Self>) -> Result<Written, Fault> {
        let packed = self
            .out
            .into_inner()
            .map_err(|e| Fault::Io(e.into_error()))?;
        Ok(packed.end()?.finish()?)
    }
}

/// Appends a text that people wrote.
fn push(text: &str, inert: bool, field: &mut String) {
    if inert && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        field.push('\'');
    }
    let controls = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(controls) {
        field.push_str(before);
        field.push('\u{fffd}');
        rest = after;
    }
    field.push_str(rest);
}

/// Why a row was not written.
pub(in crate::sink) fn fault(e: csv::Error) -> Fault {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => Fault::Io(e),
        other => Fault::Row(format!("{other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_no_formula() {
        let pushed = |text, inert| {
            let mut field = String::new();
            push(text, inert, &mut field);
            field
        };
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "=HYPERLINK(\"x\")",
        ] {
            assert_eq!(pushed(text, true), format!("'{text}"));
            assert_eq!(pushed(text, false), text);
        }
        for text in ["", "Ann", "a=b", "'t Hooft", "Zoë, \"Z\"\r\nline"] {
            assert_eq!(pushed(text, true), text);
        }
        assert_eq!(
            pushed("a\0b\u{1b}c\u{85}", true),
            "a\u{fffd}b\u{fffd}c\u{fffd}"
        );
    }
}
