//! Records as cells, column by column: what sinks with columns are written from.

use std::fmt::Display;

use proto::shape::{Column, ColumnKind};
use serde::ser::{Error as _, Impossible, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Absent.
    Null,
    /// Of a column of [`ColumnKind::Boolean`].
    Boolean(bool),
    /// Of a column of [`ColumnKind::Integer`].
    Integer(i64),
    /// Of a column of texts, moments or days.
    Text(&'a str),
    /// Of a column of [`ColumnKind::Texts`].
    Texts(Vec<String>),
    /// JSON, of a column of [`ColumnKind::Objects`].
    Json(String),
}

/// A record that isn't what its columns say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(String);

impl Mismatch {
    pub(crate) fn new(why: &str) -> Self {
        Mismatch(why.to_owned())
    }
}

impl serde::ser::Error for Mismatch {
    fn custom<T: Display>(message: T) -> Self {
        Mismatch(message.to_string())
    }
}

/// Gives every cell of a record to `take`, in the order of the columns.
///
/// # Errors
/// When the record isn't one with these columns, or the first error of `take`.
pub(crate) fn each<M: Serialize>(
    record: &M,
    columns: &'static [Column],
    take: &mut dyn FnMut(&'static Column, Cell<'_>) -> Result<(), Mismatch>,
) -> Result<(), Mismatch> {
    record.serialize(Row { columns, take })
}

type Take<'t> = dyn FnMut(&'static Column, Cell<'_>) -> Result<(), Mismatch> + 't;

/// All but one of a serializer's methods: here a value is one thing or a mistake.
macro_rules! no {
    ($($method:ident($($arg:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $arg),*) -> Result<$ok, Mismatch> {
            Err(Mismatch::custom("its fields are not those of its columns"))
        })*
    };
}

/// What neither rows nor cells are.
macro_rules! no_compounds {
    ($never:ident) => {
        type SerializeTuple = $never;
        type SerializeTupleStruct = $never;
        type SerializeTupleVariant = $never;
        type SerializeMap = $never;
        type SerializeStructVariant = $never;
        no! {
            serialize_bytes(&[u8]) -> ();
            serialize_char(char) -> ();
            serialize_unit_struct(&'static str) -> ();
            serialize_unit_variant(&'static str, u32, &'static str) -> ();
            serialize_tuple(usize) -> $never;
            serialize_tuple_struct(&'static str, usize) -> $never;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> $never;
            serialize_map(Option<usize>) -> $never;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> $never;
            serialize_i8(i8) -> ();
            serialize_i16(i16) -> ();
            serialize_u8(u8) -> ();
            serialize_u16(u16) -> ();
            serialize_u64(u64) -> ();
            serialize_f32(f32) -> ();
            serialize_f64(f64) -> ();
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), Mismatch> {
            Err(Mismatch::custom("its fields are not those of its columns"))
        }
    };
}

type Never = Impossible<(), Mismatch>;

/// A record.
struct Row<'t, 'f> {
    columns: &'static [Column],
    take: &'t mut Take<'f>,
}

impl<'t, 'f> Serializer for Row<'t, 'f> {
    type Ok = ();
    type Error = Mismatch;
    type SerializeSeq = Never;
    type SerializeStruct = Row<'t, 'f>;
    no_compounds!(Never);
    no! {
        serialize_bool(bool) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u32(u32) -> ();
        serialize_str(&str) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_seq(Option<usize>) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Mismatch> {
        Ok(self)
    }
}

impl SerializeStruct for Row<'_, '_> {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        let (column, rest) = self
            .columns
            .split_first()
            .filter(|(column, _)| column.json == name)
            .ok_or_else(|| Mismatch(format!("the field {name} has no column")))?;
        self.columns = rest;
        if column.kind == ColumnKind::Objects {
            let json = serde_json::to_string(value).map_err(Mismatch::custom)?;
            return (self.take)(column, Cell::Json(json));
        }
        value.serialize(One {
            column,
            take: self.take,
        })
    }

    fn end(self) -> Result<(), Mismatch> {
        match self.columns {
            [] => Ok(()),
            [column, ..] => Err(Mismatch(format!("the field {} is missing", column.json))),
        }
    }
}

/// A cell.
struct One<'t, 'f> {
    column: &'static Column,
    take: &'t mut Take<'f>,
}

impl One<'_, '_> {
    fn is(self, cell: Cell<'_>) -> Result<(), Mismatch> {
        (self.take)(self.column, cell)
    }
}

impl<'t, 'f> Serializer for One<'t, 'f> {
    type Ok = ();
    type Error = Mismatch;
    type SerializeSeq = List<'t, 'f>;
    type SerializeStruct = Never;
    no_compounds!(Never);
    no! {
        serialize_struct(&'static str, usize) -> Never;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Mismatch> {
        self.is(Cell::Boolean(value))
    }

    fn serialize_i32(self, value: i32) -> Result<(), Mismatch> {
        self.is(Cell::Integer(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<(), Mismatch> {
        self.is(Cell::Integer(value))
    }

    fn serialize_u32(self, value: u32) -> Result<(), Mismatch> {
        self.is(Cell::Integer(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<(), Mismatch> {
        self.is(Cell::Text(value))
    }

    fn serialize_none(self) -> Result<(), Mismatch> {
        self.is(Cell::Null)
    }

    fn serialize_unit(self) -> Result<(), Mismatch> {
        self.is(Cell::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'t, 'f>, Mismatch> {
        Ok(List {
            cell: self,
            texts: Vec::with_capacity(length.unwrap_or(0)),
        })
    }
}

/// A list of texts.
struct List<'t, 'f> {
    cell: One<'t, 'f>,
    texts: Vec<String>,
}

impl SerializeSeq for List<'_, '_> {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        let texts = &mut self.texts;
        value.serialize(One {
            column: self.cell.column,
            take: &mut |column, cell| match cell {
                Cell::Text(text) => {
                    texts.push(text.to_owned());
                    Ok(())
                }
                _ => Err(Mismatch(format!("{} is no list of texts", column.json))),
            },
        })
    }

    fn end(self) -> Result<(), Mismatch> {
        self.cell.is(Cell::Texts(self.texts))
    }
}

#[cfg(test)]
mod tests {
    use proto::body::Body;
    use proto::inventory::v1::{AssignedLicense, Finding, User};
    use proto::kind::RecordKind;

    use super::*;

    fn cells(body: &Body, kind: RecordKind) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        each(body, kind.columns(), &mut |column, cell| {
            out.push((column.name, format!("{cell:?}")));
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn each_value_comes_with_its_column() {
        let user = User {
            user_id: "u".into(),
            account_enabled: Some(false),
            assigned_licenses: vec![AssignedLicense::default()],
            ..User::default()
        };
        let cells = cells(&Body::User(Box::new(user)), RecordKind::User);
        let of = |name| &cells.iter().find(|c| c.0 == name).unwrap().1;
        assert_eq!(of("user_id"), r#"Text("u")"#);
        assert_eq!(of("mail"), "Null");
        assert_eq!(of("account_enabled"), "Boolean(false)");
        assert_eq!(
            of("assigned_licenses"),
            r#"Json("[{\"skuId\":\"\",\"disabledPlans\":[]}]")"#
        );
        let finding = Finding {
            units: 3,
            reasons: vec!["a".into(), "b".into()],
            ..Finding::default()
        };
        let cells = self::cells(&Body::Finding(Box::new(finding)), RecordKind::Finding);
        let of = |name| &cells.iter().find(|c| c.0 == name).unwrap().1;
        assert_eq!(
            (of("units").as_str(), of("reasons").as_str()),
            ("Integer(3)", r#"Texts(["a", "b"])"#)
        );
    }

    #[test]
    fn every_kind_fits_its_columns_and_no_other() {
        for kind in RecordKind::ALL {
            let body = Body::decode(kind, &[]).unwrap().unwrap();
            assert_eq!(cells(&body, kind).len(), kind.columns().len());
        }
        let user = Body::decode(RecordKind::User, &[]).unwrap().unwrap();
        let wrong = each(&user, RecordKind::Group.columns(), &mut |_, _| Ok(()));
        assert!(wrong.unwrap_err().to_string().contains("userId"));
    }
}
