//! The projection of users without reading them.

use super::{Assigned, Row, Way, rows, works};
use crate::wire::{Fields, Unusual, Value, put, put_flag};

/// The field under which [`messages`] puts a row.
pub(crate) const ROW: u32 = 1;

/// The rows of a user as messages of LicenseAssignment, from the message of the user.
///
/// Numbers are those of user.proto and license_assignment.proto.
pub(crate) fn messages(user: &[u8]) -> Result<Vec<u8>, Unusual> {
    let (mut tenant, mut id): (&[u8], &[u8]) = (b"", b"");
    let (mut assigned, mut ways) = (Vec::new(), Vec::new());
    for field in Fields::new(user) {
        match field? {
            (1, value) => tenant = text(value)?,
            (2, value) => id = text(value)?,
            (21, value) => assigned.push(license_of(text(value)?)?),
            (22, value) => ways.push(state_of(text(value)?)?),
            _ => {}
        }
    }
    let rows = rows(&assigned, &ways);
    let (mut row, mut all) = (Vec::new(), Vec::with_capacity(256 * rows.len()));
    for Row {
        sku,
        path,
        group,
        state,
        consumes,
        rest,
    } in rows
    {
        row.clear();
        let (path, there) = (path.as_bytes(), Some);
        let texts = [
            there(tenant),
            there(id),
            there(sku),
            there(path),
            group,
            state,
        ];
        for (number, text) in (1..).zip(texts) {
            if let Some(text) = text {
                put(number, text, &mut row);
            }
        }
        rest.put(7, &mut row);
        put_flag(8, consumes, &mut row);
        rest.put(9, &mut row);
        rest.put(10, &mut row);
        put(ROW, &row, &mut all);
    }
    Ok(all)
}

/// The fields of a message that a row has as well.
#[derive(Clone, Copy)]
struct Carried<'a> {
    message: &'a [u8],
    /// Their numbers there, and in a row.
    numbers: &'static [(u32, u32)],
}

impl<'a> Carried<'a> {
    /// Of most messages, nothing.
    fn of(message: &'a [u8], any: bool, numbers: &'static [(u32, u32)]) -> Self {
        let message = if any { message } else { &[] };
        Carried { message, numbers }
    }

    /// Appends a field of the row.
    fn put(self, number: u32, out: &mut Vec<u8>) {
        let from = self.numbers.iter().find(|(_, to)| *to == number);
        let from = from.map(|(from, _)| *from);
        // All of them could be read before.
        for (at, value) in Fields::new(self.message).flatten() {
            if let Value::Bytes(bytes) = value
                && Some(at) == from
            {
                put(number, bytes, out);
            }
        }
    }
}

fn license_of(message: &[u8]) -> Result<Assigned<&[u8], Carried<'_>>, Unusual> {
    let (mut sku, mut carried): (&[u8], _) = (b"", false);
    for field in Fields::new(message) {
        match field? {
            (1, value) => sku = text(value)?,
            (2, value) => carried = text(value).map(|_| true)?,
            _ => {}
        }
    }
    let rest = Carried::of(message, carried, &[(2, 9)]);
    Ok(Assigned { sku, rest })
}

fn state_of(message: &[u8]) -> Result<Way<&[u8], Carried<'_>>, Unusual> {
    let (mut sku, mut group, mut state): (&[u8], _, &[u8]) = (b"", None, b"");
    let mut carried = false;
    for field in Fields::new(message) {
        match field? {
            (1, value) => sku = text(value)?,
            (2, value) => group = Some(text(value)?),
            (3, value) => state = text(value)?,
            (4..=6, value) => carried = text(value).map(|_| true)?,
            _ => {}
        }
    }
    Ok(Way {
        sku,
        group,
        state,
        works: works(state),
        rest: Carried::of(message, carried, &[(4, 7), (5, 9), (6, 10)]),
    })
}

/// What a row's reader finds out: whether a text is one.
fn text(value: Value<'_>) -> Result<&[u8], Unusual> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(Unusual),
    }
}
