//! From the message of a record to its JSON in one pass: the bytes that `serde_json` makes of what prost reads.
//!
//! Records come as our ledger encodes them: fields in ascending order, each once. What doesn't is left to those two.

use proto::shape::{Column, ColumnKind, columns};

use crate::wire::{Fields, Unusual, Value};

/// How a kind of message becomes an object.
pub(super) struct Plan(Vec<Field>);

/// A field, in the order of the numbers.
struct Field {
    number: u32,
    kind: ColumnKind,
    /// What stands before its value.
    name: Vec<u8>,
    /// The same with what stands for a value that is not in the message.
    absent: Vec<u8>,
    /// Of objects.
    of: Plan,
}

impl Plan {
    pub(super) fn new(columns: &[Column]) -> Self {
        let mut before = '{';
        let field = |column: &Column| {
            let name = format!("{before}\"{}\":", column.json);
            before = ',';
            Field {
                number: column.number,
                kind: column.kind,
                absent: format!("{name}{}", absent(column)).into(),
                name: name.into(),
                of: Plan::new(self::columns(column.of)),
            }
        };
        Plan(columns.iter().map(field).collect())
    }

    /// Appends the object that a message is, or nothing.
    pub(super) fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unusual> {
        let begin = out.len();
        let written = self.object(message, out);
        if written.is_err() {
            out.truncate(begin);
        }
        written
    }

    fn object(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unusual> {
        let mut left = self.0.iter().peekable();
        // The newest that was written, and the list that is not closed.
        let (mut last, mut open) = (0, None::<&Field>);
        for field in Fields::new(message) {
            let (number, value) = field?;
            if let Some(list) = open {
                if list.number == number {
                    out.push(b',');
                    list.value(value, out)?;
                    continue;
                }
                out.push(b']');
                open = None;
            }
            while let Some(skipped) = left.next_if(|f| f.number < number) {
                out.extend_from_slice(&skipped.absent);
                last = skipped.number;
            }
            if let Some(field) = left.next_if(|f| f.number == number) {
                out.extend_from_slice(&field.name);
                if field.is_list() {
                    out.push(b'[');
                    open = Some(field);
                }
                field.value(value, out)?;
                last = number;
            } else if number <= last {
                return Err(Unusual);
            }
            // Otherwise a newer release wrote it.
        }
        if open.is_some() {
            out.push(b']');
        }
        for field in left {
            out.extend_from_slice(&field.absent);
        }
        out.push(b'}');
        Ok(())
    }
}

impl Field {
    fn is_list(&self) -> bool {
        matches!(self.kind, ColumnKind::Texts | ColumnKind::Objects)
    }

    /// Appends a value, or one of a list.
    fn value(&self, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Unusual> {
        use ColumnKind::{Boolean, Day, Integer, Moment, Objects, Text, Texts};
        match (self.kind, value) {
            (Text | Moment | Day | Texts, Value::Bytes(bytes)) => text(bytes, out),
            (Objects, Value::Bytes(bytes)) => self.of.object(bytes, out),
            (Boolean, Value::Number(n)) => {
                let text: &[u8] = if n == 0 { b"false" } else { b"true" };
                out.extend_from_slice(text);
                Ok(())
            }
            // A field of 32 bits; what is negative comes with 64.
            (Integer, Value::Number(n)) => {
                serde_json::to_writer(out, &(n as i32)).map_err(|_| Unusual)
            }
            _ => Err(Unusual),
        }
    }
}

fn absent(column: &Column) -> &'static str {
    match column.kind {
        _ if column.optional => "null",
        ColumnKind::Text | ColumnKind::Moment | ColumnKind::Day => "\"\"",
        ColumnKind::Boolean => "false",
        ColumnKind::Integer => "0",
        ColumnKind::Texts | ColumnKind::Objects => "[]",
    }
}

/// Appends a string.
fn text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unusual> {
    let plain = |b: &u8| (0x20..0x80).contains(b) & (*b != b'"') & (*b != b'\\');
    // Without a way out in the middle, it is looked at many bytes at a time.
    if bytes.iter().fold(true, |all, b| all & plain(b)) {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unusual)?;
    serde_json::to_writer(out, text).map_err(|_| Unusual)
}

#[cfg(test)]
#[path = "transcode_tests.rs"]
mod tests;
