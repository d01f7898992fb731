//! The projection of users without reading them.

use super::{Assigned, Row, Way, rows};
use crate::wire::{Fields, Unusual, Value, put, put_flag};

/// The rows of a user as messages of LicenseAssignment, from the message of the user.
///
/// Numbers are those of user.proto and license_assignment.proto.
pub(crate) fn messages(user: &[u8]) -> Result<impl Iterator<Item = Vec<u8>>, Unusual> {
    let (mut tenant, mut id) = ("", "");
    let (mut assigned, mut ways) = (Vec::new(), Vec::new());
    for field in Fields::new(user) {
        match field? {
            (1, value) => tenant = text(value)?,
            (2, value) => id = text(value)?,
            (21, Value::Bytes(license)) => assigned.push(license_of(license)?),
            (22, Value::Bytes(state)) => ways.push(state_of(state)?),
            (21 | 22, _) => return Err(Unusual),
            _ => {}
        }
    }
    let message = move |row: Row<'_, Carried<'_>>| {
        let mut out = Vec::with_capacity(256);
        put(1, tenant.as_bytes(), &mut out);
        put(2, id.as_bytes(), &mut out);
        put(3, row.sku.as_bytes(), &mut out);
        put(4, row.path.as_bytes(), &mut out);
        let texts = [(5, row.group), (6, row.state)];
        for (number, text) in texts.into_iter().filter_map(|(n, t)| Some((n, t?))) {
            put(number, text.as_bytes(), &mut out);
        }
        row.rest.put(7, &mut out);
        put_flag(8, row.consumes, &mut out);
        row.rest.put(9, &mut out);
        row.rest.put(10, &mut out);
        out
    };
    Ok(rows(&assigned, &ways).into_iter().map(message))
}
/// The fields of a message that a row has as well.
#[derive(Clone, Copy)]
struct Carried<'a> {
    message: &'a [u8],
    /// Their numbers there, and in a row.
    numbers: &'static [(u32, u32)],
}

impl Carried<'_> {
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

fn license_of(message: &[u8]) -> Result<Assigned<'_, Carried<'_>>, Unusual> {
    let mut sku = "";
    for field in Fields::new(message) {
        match field? {
            (1, value) => sku = text(value)?,
            (2, value) => _ = text(value)?,
            _ => {}
        }
    }
    let numbers = &[(2, 9)];
    let rest = Carried { message, numbers };
    Ok(Assigned { sku, rest })
}

fn state_of(message: &[u8]) -> Result<Way<'_, Carried<'_>>, Unusual> {
    let numbers = &[(4, 7), (5, 9), (6, 10)];
    let mut way = Way {
        sku: "",
        group: None,
        state: "",
        rest: Carried { message, numbers },
    };
    for field in Fields::new(message) {
        match field? {
            (1, value) => way.sku = text(value)?,
            (2, value) => way.group = Some(text(value)?),
            (3, value) => way.state = text(value)?,
            (4..=6, value) => _ = text(value)?,
            _ => {}
        }
    }
    Ok(way)
}

fn text(value: Value<'_>) -> Result<&str, Unusual> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Unusual),
        _ => Err(Unusual),
    }
}
