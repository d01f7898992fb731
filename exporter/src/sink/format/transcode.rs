//! From the message of a record to its JSON in one pass: the bytes that `serde_json` makes of what prost reads.
//!
//! Records come as our ledger encodes them: fields in ascending order, each once. What doesn't is left to those two.

use std::ops::Range;

use proto::shape::{Column, ColumnKind, columns};

use crate::wire::{self, Fields, Unusual, Value};

/// How a kind of message becomes an object.
pub(super) struct Plan {
    fields: Vec<Field>,
    /// The object without its end where none of its values is in the message.
    absent: Vec<u8>,
}

/// A field, in the order of the numbers.
struct Field {
    number: u32,
    kind: ColumnKind,
    /// Where its value begins and ends in what its object is without values.
    value: Range<usize>,
    /// Of objects.
    of: Plan,
}

impl Plan {
    pub(super) fn new(columns: &[Column]) -> Self {
        let mut absent = Vec::new();
        let mut before = '{';
        let field = |column: &Column| {
            absent.extend_from_slice(format!("{before}\"{}\":", column.json).as_bytes());
            before = ',';
            let begin = absent.len();
            absent.extend_from_slice(self::absent(column).as_bytes());
            Field {
                number: column.number,
                kind: column.kind,
                value: begin..absent.len(),
                of: Plan::new(self::columns(column.of)),
            }
        };
        let fields = columns.iter().map(field).collect();
        Plan { fields, absent }
    }

    /// Appends the object that the fields of a message make.
    pub(super) fn write(
        &self,
        message: &[wire::Field<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), Unusual> {
        self.object(message.iter().map(|field| Ok(*field)), out)
    }

    fn object<'a>(
        &self,
        message: impl Iterator<Item = Result<wire::Field<'a>, Unusual>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unusual> {
        let mut left = self.fields.iter().peekable();
        // The newest that was passed, the list that is not closed, and where what is not in the message goes on.
        let (mut last, mut open, mut from) = (0, None::<&Field>, 0);
        for field in message {
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
                last = skipped.number;
            }
            if let Some(field) = left.next_if(|f| f.number == number) {
                out.extend_from_slice(self.absent.get(from..field.value.start).ok_or(Unusual)?);
                if field.is_list() {
                    out.push(b'[');
                    open = Some(field);
                }
                field.value(value, out)?;
                (last, from) = (number, field.value.end);
            } else if number <= last {
                return Err(Unusual);
            }
            // Otherwise a newer release wrote it.
        }
        if open.is_some() {
            out.push(b']');
        }
        out.extend_from_slice(self.absent.get(from..).ok_or(Unusual)?);
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
        match self.kind {
            Text | Moment | Day | Texts => text(value.bytes()?, out),
            Objects => self.of.object(Fields::new(value.bytes()?), out),
            Boolean => {
                let text: &[u8] = match value.number()? {
                    0 => b"false",
                    _ => b"true",
                };
                out.extend_from_slice(text);
                Ok(())
            }
            // A field of 32 bits; what is negative comes with 64.
            Integer => serde_json::to_writer(out, &(value.number()? as i32)).map_err(|_| Unusual),
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
    if is_plain(bytes) {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unusual)?;
    serde_json::to_writer(out, text).map_err(|_| Unusual)
}

/// Whether a text is ASCII of which JSON escapes nothing. Eight bytes at a time: most texts are short.
fn is_plain(bytes: &[u8]) -> bool {
    let Some(end) = bytes.last_chunk() else {
        let plain = |b: &u8| (0x20..0x80).contains(b) && *b != b'"' && *b != b'\\';
        return bytes.iter().all(plain);
    };
    let (chunks, _) = bytes.as_chunks();
    !chunks
        .iter()
        .chain([end])
        .fold(false, |any, c| any | stands_out(*c))
}

/// Whether one of eight bytes is none that JSON has as it is.
///
/// Source: "Determine if a word has a byte less than n", <https://graphics.stanford.edu/~seander/bithacks.html>.
fn stands_out(bytes: [u8; 8]) -> bool {
    let all = |b: u8| u64::from_ne_bytes([b; 8]);
    let below = |word: u64, b: u8| word.wrapping_sub(all(b)) & !word;
    let word = u64::from_ne_bytes(bytes);
    let (quote, backslash) = (word ^ all(b'"'), word ^ all(b'\\'));
    (word | below(word, b' ') | below(quote, 1) | below(backslash, 1)) & all(0x80) != 0
}

#[cfg(test)]
#[path = "transcode_tests.rs"]
mod tests;
