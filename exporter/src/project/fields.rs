//! The projection of users without reading them.
//!
//! Numbers are those of user.proto and license_assignment.proto.

use super::{Assigned, Row, Way, rows, works};
use crate::wire::{Field, Fields, Unusual, Value};

/// The rows of a user, from the fields of its message.
pub(crate) struct Assignments<'a> {
    tenant: &'a [u8],
    id: &'a [u8],
    rows: Vec<Row<&'a [u8], Carried<'a>>>,
}

impl<'a> Assignments<'a> {
    pub(crate) fn of(user: &[Field<'a>]) -> Result<Self, Unusual> {
        let (mut tenant, mut id): (&[u8], &[u8]) = (b"", b"");
        let (mut assigned, mut ways) = (Vec::new(), Vec::new());
        for &(number, value) in user {
            match number {
                1 => tenant = value.bytes()?,
                2 => id = value.bytes()?,
                21 => assigned.push(license_of(value.bytes()?)?),
                22 => ways.push(state_of(value.bytes()?)?),
                _ => {}
            }
        }
        let rows = rows(&assigned, &ways);
        Ok(Assignments { tenant, id, rows })
    }

    /// Calls for each row with the fields of a LicenseAssignment.
    pub(crate) fn each<E>(
        &self,
        mut call: impl FnMut(&[Field<'a>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fields = Vec::with_capacity(16);
        for row in &self.rows {
            fields.clear();
            let texts = [
                (1, self.tenant),
                (2, self.id),
                (3, row.sku),
                (4, row.path.as_bytes()),
            ];
            fields.extend(texts.map(|(number, text)| (number, Value::Bytes(text))));
            fields.extend(row.group.map(|group| (5, Value::Bytes(group))));
            fields.extend(row.state.map(|state| (6, Value::Bytes(state))));
            row.rest.put(7, &mut fields);
            fields.push((8, Value::Number(row.consumes.into())));
            row.rest.put(9, &mut fields);
            row.rest.put(10, &mut fields);
            call(&fields)?;
        }
        Ok(())
    }
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
    fn put(self, number: u32, out: &mut Vec<Field<'a>>) {
        let from = self.numbers.iter().find(|(_, to)| *to == number);
        let from = from.map(|(from, _)| *from);
        // All of them could be read before.
        for (at, value) in Fields::new(self.message).flatten() {
            if let Value::Bytes(bytes) = value
                && Some(at) == from
            {
                out.push((number, Value::Bytes(bytes)));
            }
        }
    }
}

fn license_of(message: &[u8]) -> Result<Assigned<&[u8], Carried<'_>>, Unusual> {
    let (mut sku, mut carried): (&[u8], _) = (b"", false);
    for field in Fields::new(message) {
        match field? {
            (1, value) => sku = value.bytes()?,
            (2, value) => carried = value.bytes().map(|_| true)?,
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
            (1, value) => sku = value.bytes()?,
            (2, value) => group = Some(value.bytes()?),
            (3, value) => state = value.bytes()?,
            (4..=6, value) => carried = value.bytes().map(|_| true)?,
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
