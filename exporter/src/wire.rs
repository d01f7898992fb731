//! Messages as protobuf's wire format has them, field by field, without making values of them first.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// What a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number, or true and false.
    Number(u64),
    /// A text or a message.
    Bytes(&'a [u8]),
    /// Of a type that no contract of ours has.
    Other,
}

impl<'a> Value<'a> {
    /// The text or message that its reader takes it for.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Unusual> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Unusual),
        }
    }

    /// The number that its reader takes it for.
    pub(crate) fn number(self) -> Result<u64, Unusual> {
        match self {
            Value::Number(n) => Ok(n),
            _ => Err(Unusual),
        }
    }
}

/// A field: its number, and what it has.
pub(crate) type Field<'a> = (u32, Value<'a>);

/// A message is not as we write them: reading it tells what is in it, or what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusual;

/// The fields of a message with their numbers, in the order in which they stand there.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Fields(message)
    }

    /// All of them.
    pub(crate) fn all(self) -> Result<Vec<Field<'a>>, Unusual> {
        // As many as most messages have.
        let mut all = Vec::with_capacity(32);
        for field in self {
            all.push(field?);
        }
        Ok(all)
    }

    /// Inlined always: a field that comes back by way of memory costs as much again.
    #[inline(always)]
    fn field(&mut self) -> Option<Field<'a>> {
        let (number, wire, n) = match self.0 {
            // Most of what there is: a short text of a low number.
            [key @ 0x08..=0x7f, length @ 0..=0x7f, rest @ ..]
                if key & 7 == WireType::LengthDelimited as u8 =>
            {
                self.0 = rest;
                let (number, length) = (u32::from(key >> 3), u64::from(*length));
                (number, WireType::LengthDelimited, length)
            }
            _ => self.head()?,
        };
        let value = match wire {
            WireType::Varint => Value::Number(n),
            WireType::LengthDelimited => {
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(n).ok()?)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            other => {
                skip_field(other, number, &mut self.0, DecodeContext::default()).ok()?;
                Value::Other
            }
        };
        Some((number, value))
    }

    /// Number and type of a field, and the number that it is or that says how long it is.
    #[inline(never)]
    fn head(&mut self) -> Option<(u32, WireType, u64)> {
        let (number, wire) = decode_key(&mut self.0).ok()?;
        let n = match wire {
            WireType::Varint | WireType::LengthDelimited => decode_varint(&mut self.0).ok()?,
            _ => 0,
        };
        Some((number, wire, n))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Unusual>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            [] => None,
            _ => Some(self.field().ok_or(Unusual)),
        }
    }
}

/// Appends a field.
#[cfg(test)]
pub(crate) fn put(number: u32, value: Value<'_>, out: &mut Vec<u8>) {
    use prost::encoding::{encode_key, encode_varint};
    match value {
        Value::Number(n) => {
            encode_key(number, WireType::Varint, out);
            encode_varint(n, out);
        }
        Value::Bytes(bytes) => {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Value::Other => {}
    }
}
