//! Text of a JSON document, borrowed where it has no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A JSON string. (serde borrows a plain `Cow`, but copies one within an `Option` or a list.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, s: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(s))
    }

    fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(s.to_owned()))
    }
}

/// Text that may be absent, null or empty, which all mean the same.
pub type Maybe<'a> = Option<Text<'a>>;

/// What Intune and the usage reports write where there is no object.
pub const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The text, unless it is empty.
pub fn text(t: Maybe<'_>) -> Option<String> {
    t.filter(|t| !t.0.is_empty()).map(|t| t.0.into_owned())
}

/// An id or GUID in lower case, unless it is empty.
pub fn id(t: Maybe<'_>) -> Option<String> {
    text(t).map(lower)
}

/// Ids in lower case, sorted, each once.
pub fn ids(list: Option<Vec<Maybe<'_>>>) -> Vec<String> {
    let mut ids: Vec<String> = list.into_iter().flatten().filter_map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Texts as they are, sorted, each once.
pub fn sorted(list: Option<Vec<Maybe<'_>>>) -> Vec<String> {
    let mut all: Vec<String> = list.into_iter().flatten().filter_map(text).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The text in lower case. Ids are ASCII; nothing else is touched.
pub fn lower(mut s: String) -> String {
    s.make_ascii_lowercase();
    s
}
