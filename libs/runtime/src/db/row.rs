//! Rows as values: tuples, single columns, and structs by [`row!`](crate::row).

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, ValueRef as _};

use super::Error;

/// A row of either database.
pub struct Row(Kind);

enum Kind {
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Row {
        Row(Kind::Sqlite(row))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::postgres::PgRow> for Row {
    fn from(row: sqlx::postgres::PgRow) -> Row {
        Row(Kind::Postgres(row))
    }
}

/// A column by its number, counted from 0, or its name.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// The number.
    Number(usize),
    /// The name.
    Name(&'a str),
}

impl From<usize> for At<'_> {
    fn from(n: usize) -> Self {
        At::Number(n)
    }
}

impl<'a> From<&'a str> for At<'a> {
    fn from(name: &'a str) -> Self {
        At::Name(name)
    }
}

macro_rules! get {
    ($row:expr, $at:expr) => {
        match $at {
            At::Number(n) => $row.try_get(n),
            At::Name(name) => $row.try_get(name),
        }
    };
}

macro_rules! raw {
    ($row:expr, $at:expr) => {
        match $at {
            At::Number(n) => $row.try_get_raw(n),
            At::Name(name) => $row.try_get_raw(name),
        }
    };
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// When there is no such column, or its value is of another kind.
    pub fn get<'a, T: Column>(&self, at: impl Into<At<'a>>) -> Result<T, Error> {
        T::read(self, at.into())
    }

    fn is_null(&self, at: At<'_>) -> Result<bool, Error> {
        match &self.0 {
            Kind::Sqlite(row) => raw!(row, at).map(|v| v.is_null()),
            #[cfg(feature = "postgres")]
            Kind::Postgres(row) => raw!(row, at).map(|v| v.is_null()),
        }
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// As [`Row::get`].
    fn read(row: &Row, at: At<'_>) -> Result<Self, Error>;
}

impl Column for i64 {
    fn read(row: &Row, at: At<'_>) -> Result<i64, Error> {
        match &row.0 {
            Kind::Sqlite(row) => get!(row, at),
            #[cfg(feature = "postgres")]
            Kind::Postgres(row) => {
                use sqlx::TypeInfo as _;
                let value = raw!(row, at)?;
                let info = value.type_info();
                // Expressions have the type that PostgreSQL gives them.
                match info.name() {
                    "INT4" => get!(row, at).map(|n: i32| n.into()),
                    "INT2" => get!(row, at).map(|n: i16| n.into()),
                    "BOOL" => get!(row, at).map(|n: bool| n.into()),
                    _ => get!(row, at),
                }
            }
        }
    }
}

impl Column for bool {
    fn read(row: &Row, at: At<'_>) -> Result<bool, Error> {
        i64::read(row, at).map(|n| n != 0)
    }
}

macro_rules! smaller {
    ($($type:ty)*) => {$(
        impl Column for $type {
            fn read(row: &Row, at: At<'_>) -> Result<$type, Error> {
                <$type>::try_from(i64::read(row, at)?).map_err(|e| Error::Decode(e.into()))
            }
        }
    )*};
}
smaller!(i32 u32 u64);

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Column for $type {
            fn read(row: &Row, at: At<'_>) -> Result<$type, Error> {
                match &row.0 {
                    Kind::Sqlite(row) => get!(row, at),
                    #[cfg(feature = "postgres")]
                    Kind::Postgres(row) => get!(row, at),
                }
            }
        }
    )*};
}
plain!(String Vec<u8>);

impl<T: Column> Column for Option<T> {
    fn read(row: &Row, at: At<'_>) -> Result<Option<T>, Error> {
        match row.is_null(at)? {
            true => Ok(None),
            false => T::read(row, at).map(Some),
        }
    }
}

/// What a whole row can be read as.
pub trait FromRow: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// As [`Row::get`].
    fn from_row(row: &Row) -> Result<Self, Error>;
}

impl<T: Column> FromRow for T {
    fn from_row(row: &Row) -> Result<T, Error> {
        row.get(0)
    }
}

macro_rules! tuples {
    ($($type:ident $n:literal),*) => {
        impl<$($type: Column),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row) -> Result<Self, Error> {
                Ok(($(row.get::<$type>($n)?,)*))
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);

/// A struct whose fields are read from the columns of the same names.
#[macro_export]
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type,)* }

        impl $crate::db::FromRow for $name {
            fn from_row(row: &$crate::db::Row) -> Result<Self, $crate::db::Error> {
                Ok($name { $($field: row.get(stringify!($field))?,)* })
            }
        }
    };
}
