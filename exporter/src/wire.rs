//! Messages as protobuf's wire format has them, field by field, without making values of them first.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

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

/// A message is not as we write them: reading it tells what is in it, or what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusual;

/// The fields of a message with their numbers, in the order in which they stand there.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Fields(message)
    }

    #[inline]
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        // Most of what there is: a short text of a low number.
        if let [key @ 0x08..=0x7f, length @ 0..=0x7f, rest @ ..] = self.0
            && key & 7 == WireType::LengthDelimited as u8
        {
            let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
            self.0 = rest;
            return Some((u32::from(key >> 3), Value::Bytes(bytes)));
        }
        let (number, wire) = decode_key(&mut self.0).ok()?;
        let value = match wire {
            WireType::Varint => Value::Number(decode_varint(&mut self.0).ok()?),
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).ok()?;
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
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
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Unusual>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            [] => None,
            _ => Some(self.field().ok_or(Unusual)),
        }
    }
}

/// Appends a text or a message.
pub(crate) fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends true or false.
pub(crate) fn put_flag(number: u32, flag: bool, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(flag.into(), out);
}
