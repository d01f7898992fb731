//! JSON lines: one record a line in lowerCamelCase, absent values as null.

use std::io::Write as _;
use std::path::Path;

use super::output::{Output, Written};
use super::picked::Picked;
use super::transcode::Plan;
use super::{Encoding, Fault, Packed, Row, Rows};
use crate::cells::Cell;
use crate::config::Selection;
use crate::record::columns;
use crate::wire::{Field, Unusual};

/// A file of lines.
pub(super) struct Ndjson {
    out: Packed,
    shape: Shape,
    /// Of records that it has whole.
    plan: Option<Plan>,
    /// Of lines that are compressed.
    spare: Vec<u8>,
}

impl Ndjson {
    pub(super) fn new(encoding: &Encoding, kind: &str, output: Output) -> Result<Self, Fault> {
        let whole = encoding.shows.is_whole(kind);
        Ok(Ndjson {
            out: Packed::new(encoding.compression, output)?,
            shape: Shape::new(&encoding.shows, kind)?,
            plan: whole.then(|| Plan::new(columns(kind))),
            spare: Vec::new(),
        })
    }
}

impl Rows for Ndjson {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let shape = &self.shape;
        self.out.append(&mut self.spare, |line| {
            shape.write(row, line)?;
            line.push(b'\n');
            Ok(())
        })?
    }

    fn fields(&mut self, message: &[Field<'_>]) -> Result<bool, Fault> {
        let Some(plan) = &self.plan else {
            return Ok(false);
        };
        let taken = self.out.append(&mut self.spare, |line| {
            plan.write(message, line)?;
            line.push(b'\n');
            Ok::<_, Unusual>(())
        })?;
        Ok(taken.is_ok())
    }

    fn finish(self: Box<Self>) -> Result<Written, Fault> {
        Ok(self.out.end()?.finish()?)
    }
}

/// Which fields of a kind a record has as JSON.
pub(crate) enum Shape {
    /// All of them, under their names.
    Whole,
    /// These, after their names and a colon.
    Picked(Picked, Vec<Vec<u8>>),
}

impl Shape {
    pub(crate) fn new(shows: &Selection, kind: &str) -> Result<Self, Fault> {
        if shows.is_whole(kind) {
            return Ok(Shape::Whole);
        }
        let picked = Picked::new(shows, kind);
        let mut fields = Vec::new();
        for shown in &picked.shown {
            let name = shown.name.as_deref().unwrap_or(shown.column.json);
            let mut field = serde_json::to_vec(name)?;
            field.push(b':');
            fields.push(field);
        }
        Ok(Shape::Picked(picked, fields))
    }

    /// Appends a record as an object.
    pub(crate) fn write(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Shape::Whole => Ok(serde_json::to_writer(out, row)?),
            Shape::Picked(picked, fields) => pick(picked, fields, row, out),
        }
    }
}

fn pick(
    picked: &Picked,
    fields: &[Vec<u8>],
    row: &Row<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut values = vec![Vec::new(); fields.len()];
    picked.each(row, |place, _, cell| {
        let Some(value) = values.get_mut(place) else {
            return Ok(());
        };
        match cell {
            Cell::Null => value.extend_from_slice(b"null"),
            Cell::Boolean(yes) => serde_json::to_writer(value, &yes)?,
            Cell::Integer(n) => serde_json::to_writer(value, &n)?,
            Cell::Text(text) => serde_json::to_writer(value, text)?,
            Cell::Texts(texts) => serde_json::to_writer(value, &texts)?,
            Cell::Json(json) => value.extend_from_slice(json.as_bytes()),
        }
        Ok::<_, Fault>(())
    })?;
    let mut before = b'{';
    for (field, value) in fields.iter().zip(&values) {
        out.push(before);
        out.extend_from_slice(field);
        out.extend_from_slice(value);
        before = b',';
    }
    out.push(b'}');
    Ok(())
}

/// The same content must give the same file, whatever the order in which it came. Lines start with tenant and key, so
/// their order is that of the keys. This one way holds a file in memory; no ledger makes us go it.
pub(crate) fn sort(path: &Path) -> std::io::Result<Written> {
    tracing::debug!(path = %path.display(), "the ledger's order is not that of the keys");
    let text = std::fs::read(path)?;
    let mut lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable();
    let mut output = Output::create(path)?;
    for line in lines {
        output.write_all(line)?;
    }
    output.finish()
}
