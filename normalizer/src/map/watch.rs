//! A deserializer that notes which properties of an object its type doesn't know, while it reads it.
//!
//! What serde's generated code ignores goes through `deserialize_ignored_any`: only there something is done, so that
//! objects without such properties cost what they did. An array is no object, which serde would read by position.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::notes::Notes;
use super::text::Text;

/// Where in an object something is read.
#[derive(Clone, Copy)]
pub(super) struct Place<'w, 'de> {
    notes: &'w Notes<'de>,
    /// The property around, empty at the top.
    around: &'de str,
    /// The property.
    name: &'de str,
}

/// Reads a `T`, noting what it doesn't know.
pub(super) fn read<'de, T: Deserialize<'de>>(
    json: &'de str,
    notes: &Notes<'de>,
) -> serde_json::Result<T> {
    let mut inner = serde_json::Deserializer::from_str(json);
    let at = Place {
        notes,
        around: "",
        name: "",
    };
    let read = T::deserialize(Watched {
        inner: &mut inner,
        at,
    })?;
    inner.end().map(|()| read)
}

struct Watched<'w, 'de, D> {
    inner: D,
    at: Place<'w, 'de>,
}

/// Methods that go to the inner deserializer as they are.
macro_rules! as_it_is {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.at.notes.property(self.at.around, self.at.name);
        self.inner.deserialize_ignored_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let at = self.at;
        self.inner
            .deserialize_struct(name, fields, Object { visitor, at })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let at = self.at;
        self.inner.deserialize_seq(List { visitor, at })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let at = self.at;
        self.inner.deserialize_option(Perhaps { visitor, at })
    }

    as_it_is! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_unit();
        deserialize_map();
        deserialize_identifier();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

struct Object<'w, 'de, V> {
    visitor: V,
    at: Place<'w, 'de>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let (at, name) = (self.at, Cell::new(""));
        self.visitor.visit_map(Properties { inner, at, name })
    }
}

struct Properties<'w, 'de, A> {
    inner: A,
    at: Place<'w, 'de>,
    /// The property whose value comes next.
    name: Cell<&'de str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Properties<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let name = &self.name;
        self.inner.next_key_seed(Name { seed, name })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let at = Place {
            notes: self.at.notes,
            around: self.at.name,
            name: self.name.get(),
        };
        self.inner.next_value_seed(Inside { seed, at })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Reads a property's name and keeps it. One with escapes stays empty: no documented name has any.
struct Name<'n, 'de, S> {
    seed: S,
    name: &'n Cell<&'de str>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<S::Value, D::Error> {
        match Text::deserialize(d)?.0 {
            Cow::Borrowed(name) => {
                self.name.set(name);
                self.seed.deserialize(BorrowedStrDeserializer::new(name))
            }
            Cow::Owned(name) => {
                self.name.set("");
                self.seed.deserialize(StrDeserializer::new(&name))
            }
        }
    }
}

struct List<'w, 'de, V> {
    visitor: V,
    at: Place<'w, 'de>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for List<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let at = self.at;
        self.visitor.visit_seq(Elements { inner, at })
    }
}

struct Elements<'w, 'de, A> {
    inner: A,
    at: Place<'w, 'de>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let at = self.at;
        self.inner.next_element_seed(Inside { seed, at })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Perhaps<'w, 'de, V> {
    visitor: V,
    at: Place<'w, 'de>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Perhaps<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let at = self.at;
        self.visitor.visit_some(Watched { inner, at })
    }
}

/// Whatever stands inside is watched too.
struct Inside<'w, 'de, S> {
    seed: S,
    at: Place<'w, 'de>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let at = self.at;
        self.seed.deserialize(Watched { inner, at })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow, default)]
        inner: Option<Vec<Inner<'a>>>,
    }

    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        a: Text<'a>,
    }

    #[test]
    fn what_a_type_does_not_know_is_noted_with_the_property_around() {
        let notes = Notes::default();
        let json =
            r#"{"inner":[{"a":"1","b":{"c":2}},{"a":"2","b":null}],"d":[1],"@e":0,"a\tb":1}"#;
        let outer: Outer<'_> = read(json, &notes).unwrap();
        let texts: Vec<_> = outer.inner.unwrap().into_iter().map(|i| i.a.0).collect();
        assert_eq!(texts, ["1", "2"]);
        let found: Vec<_> = notes
            .take(&[])
            .into_iter()
            .map(|u| (u.name, u.count))
            .collect();
        let expected = [("d", 1), ("inner.b", 2), ("other", 1)];
        assert_eq!(found, expected.map(|(name, n)| (name.to_owned(), n)));
    }

    #[test]
    fn an_array_is_no_object() {
        for json in [
            r#"{"inner":[["1"]]}"#,
            "[[]]",
            "[]",
            r#"{"inner":{"a":"1"}}"#,
        ] {
            assert!(
                read::<Outer<'_>>(json, &Notes::default()).is_err(),
                "{json}"
            );
        }
        assert!(read::<Outer<'_>>("{} {}", &Notes::default()).is_err());
        assert!(read::<Outer<'_>>(r#"{"inner":null}"#, &Notes::default()).is_ok());
    }
}
