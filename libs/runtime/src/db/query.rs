//! One way to ask either database, so that services name no driver and most statements have one text.
//!
//! In a text, `?` is a parameter, `IN (??)` a parameter that is a list, and a lock at the end (`FOR UPDATE`,
//! `FOR SHARE`, each also with what follows it) is taken where several processes may write; SQLite has one writer and
//! no such words.

use std::borrow::Cow;

use futures::TryStreamExt as _;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr, SqlStr};

use super::row::{FromRow, Row};
use super::{Connection, Error, On};

/// A value on its way into a statement. Numbers and flags are 64-bit integers in both databases.
#[derive(Clone, Debug)]
pub enum Value<'q> {
    /// A number or a flag.
    Integer(Option<i64>),
    /// A text.
    Text(Option<Cow<'q, str>>),
    /// Bytes.
    Bytes(Option<Cow<'q, [u8]>>),
    /// Numbers, for `IN (??)`.
    Integers(Cow<'q, [i64]>),
    /// Texts, for `IN (??)`.
    Texts(Vec<&'q str>),
    /// Byte strings, for `unnest`: PostgreSQL only.
    Blobs(Vec<&'q [u8]>),
}

/// What can be bound to a parameter.
pub trait Bind<'q> {
    /// As it goes into the statement.
    fn value(self) -> Value<'q>;
}

impl<'q> Bind<'q> for Value<'q> {
    fn value(self) -> Value<'q> {
        self
    }
}

macro_rules! bind {
    ($($type:ty => |$x:ident| $variant:ident, $value:expr;)*) => {$(
        impl<'q> Bind<'q> for $type {
            fn value(self) -> Value<'q> {
                let $x = self;
                Value::$variant(Some($value))
            }
        }
        impl<'q> Bind<'q> for Option<$type> {
            fn value(self) -> Value<'q> {
                Value::$variant(self.map(|$x| $value))
            }
        }
    )*};
}

bind! {
    i64 => |n| Integer, n;
    &'q i64 => |n| Integer, *n;
    i32 => |n| Integer, n.into();
    u32 => |n| Integer, n.into();
    // Ours are counts and microseconds: far below the end.
    u64 => |n| Integer, i64::try_from(n).unwrap_or(i64::MAX);
    bool => |n| Integer, n.into();
    &'q str => |s| Text, Cow::Borrowed(s);
    &'q String => |s| Text, Cow::Borrowed(s.as_str());
    String => |s| Text, Cow::Owned(s);
    &'q [u8] => |b| Bytes, Cow::Borrowed(b);
    &'q Vec<u8> => |b| Bytes, Cow::Borrowed(b.as_slice());
    Vec<u8> => |b| Bytes, Cow::Owned(b);
}

impl<'q> Bind<'q> for &'q Option<String> {
    fn value(self) -> Value<'q> {
        self.as_deref().value()
    }
}

impl<'q> Bind<'q> for &'q [i64] {
    fn value(self) -> Value<'q> {
        Value::Integers(Cow::Borrowed(self))
    }
}

impl<'q> Bind<'q> for &'q Vec<i64> {
    fn value(self) -> Value<'q> {
        Value::Integers(Cow::Borrowed(self))
    }
}

impl<'q> Bind<'q> for Vec<i64> {
    fn value(self) -> Value<'q> {
        Value::Integers(Cow::Owned(self))
    }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl<'q> Bind<'q> for &'q [$type] {
            fn value(self) -> Value<'q> {
                Value::Texts(self.iter().map(AsRef::as_ref).collect())
            }
        }
        impl<'q> Bind<'q> for &'q Vec<$type> {
            fn value(self) -> Value<'q> {
                self.as_slice().value()
            }
        }
    )*};
}
texts!(&'q str, String, &'q String);

/// A statement with its parameters.
#[must_use = "a statement does nothing before it is executed"]
pub struct Query<'q> {
    sql: SqlStr,
    values: Vec<Value<'q>>,
}

/// A statement: `?` is a parameter, `IN (??)` a list.
pub fn query<'q>(sql: impl SqlSafeStr) -> Query<'q> {
    Query {
        sql: sql.into_sql_str(),
        values: Vec::new(),
    }
}

/// Executes several statements without parameters; their text goes to the database as it is.
///
/// # Errors
/// When the database refuses one.
pub async fn script(sql: impl SqlSafeStr, c: &mut Connection) -> Result<(), Error> {
    let sql = sqlx::raw_sql(sql.into_sql_str());
    match c.on() {
        On::Sqlite(c) => sql.execute(c).await.map(drop),
        #[cfg(feature = "postgres")]
        On::Postgres(c) => sql.execute(c).await.map(drop),
    }
}

/// Asks the connection's database and turns each row, or the count of changed ones, into what the caller wants.
macro_rules! ask {
    ($query:ident, $c:ident, |$q:ident, $on:ident| $ask:expr) => {
        match $c.on() {
            On::Sqlite($on) => {
                let $q = sqlx::query_with(sqlite_text($query.sql), sqlite_values($query.values)?);
                $ask
            }
            #[cfg(feature = "postgres")]
            On::Postgres($on) => {
                let values = postgres_values($query.values)?;
                let $q = sqlx::query_with(postgres_text($query.sql), values);
                $ask
            }
        }
    };
}

impl<'q> Query<'q> {
    /// Adds the next parameter.
    pub fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.values.push(value.value());
        self
    }

    /// Executes it and says how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execute(self, c: &mut Connection) -> Result<u64, Error> {
        ask!(self, c, |q, on| Ok(q.execute(on).await?.rows_affected()))
    }

    /// All rows.
    ///
    /// # Errors
    /// When the database refuses, or a row is not what is expected.
    pub async fn fetch_all<T: FromRow>(self, c: &mut Connection) -> Result<Vec<T>, Error> {
        ask!(self, c, |q, on| {
            let rows = q.fetch_all(on).await?;
            rows.into_iter()
                .map(|row| T::from_row(&Row::from(row)))
                .collect()
        })
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`fetch_all`](Query::fetch_all).
    pub async fn fetch_optional<T: FromRow>(self, c: &mut Connection) -> Result<Option<T>, Error> {
        ask!(self, c, |q, on| {
            let row = q.fetch_optional(on).await?;
            row.map(|row| T::from_row(&Row::from(row))).transpose()
        })
    }

    /// The first row.
    ///
    /// # Errors
    /// As [`fetch_all`](Query::fetch_all), and when there is none.
    pub async fn fetch_one<T: FromRow>(self, c: &mut Connection) -> Result<T, Error> {
        self.fetch_optional(c).await?.ok_or(Error::RowNotFound)
    }

    /// Hands over one row after the other, for results that are too large to be kept.
    ///
    /// # Errors
    /// As [`fetch_all`](Query::fetch_all).
    pub async fn each<T: FromRow>(
        self,
        c: &mut Connection,
        mut take: impl FnMut(T),
    ) -> Result<(), Error> {
        ask!(self, c, |q, on| {
            let mut rows = q.fetch(on);
            while let Some(row) = rows.try_next().await? {
                take(T::from_row(&Row::from(row))?);
            }
            Ok(())
        })
    }
}

const LIST: &str = "IN (??)";

fn rewritten(text: String) -> SqlStr {
    // It came in as a text that is safe, and nothing of a parameter's value goes into it.
    AssertSqlSafe(text).into_sql_str()
}

/// SQLite knows `?`, but neither arrays nor row locks.
fn sqlite_text(sql: SqlStr) -> SqlStr {
    let text = sql.as_str();
    let end = [" FOR UPDATE", " FOR NO KEY UPDATE", " FOR SHARE"]
        .iter()
        .filter_map(|lock| text.rfind(lock))
        .min()
        .unwrap_or(text.len());
    match (end == text.len(), text.contains(LIST)) {
        (true, false) => sql,
        _ => rewritten(text[..end].replace(LIST, "IN (SELECT value FROM json_each(?))")),
    }
}

fn sqlite_values(values: Vec<Value<'_>>) -> Result<SqliteArguments, Error> {
    let mut out = SqliteArguments::default();
    out.reserve(values.len(), 0);
    let json = |list: serde_json::Result<String>| list.map_err(|e| Error::Encode(e.into()));
    for value in values {
        match value {
            Value::Integer(n) => out.add(n),
            Value::Text(Some(Cow::Borrowed(s))) => out.add(s),
            Value::Text(s) => out.add(s.map(Cow::into_owned)),
            Value::Bytes(b) => out.add(b.map(Cow::into_owned)),
            Value::Integers(list) => out.add(json(serde_json::to_string(&list))?),
            Value::Texts(list) => out.add(json(serde_json::to_string(&list))?),
            Value::Blobs(_) => Err("SQLite has no lists of byte strings".into()),
        }
        .map_err(Error::Encode)?;
    }
    Ok(out)
}

/// PostgreSQL numbers its parameters and takes a list as one.
#[cfg(any(test, feature = "postgres"))]
fn postgres_text(sql: SqlStr) -> SqlStr {
    let text = sql.as_str();
    if !text.contains('?') {
        return sql;
    }
    let mut out = String::with_capacity(text.len() + 32);
    let (mut number, mut quoted) = (0, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with(LIST) {
            number += 1;
            out.push_str(&format!("= ANY(${number})"));
            rest = &rest[LIST.len()..];
            continue;
        }
        quoted ^= c == '\'';
        match c {
            '?' if !quoted => {
                number += 1;
                out.push_str(&format!("${number}"));
            }
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    rewritten(out)
}

#[cfg(feature = "postgres")]
fn postgres_values(values: Vec<Value<'_>>) -> Result<sqlx::postgres::PgArguments, Error> {
    let mut out = sqlx::postgres::PgArguments::default();
    let size = |v: &Value<'_>| match v {
        Value::Text(Some(s)) => s.len(),
        Value::Bytes(Some(b)) => b.len(),
        _ => 8,
    };
    out.reserve(values.len(), values.iter().map(size).sum());
    for value in values {
        match value {
            Value::Integer(n) => out.add(n),
            Value::Text(s) => out.add(s.map(without_nul)),
            Value::Bytes(b) => out.add(b.as_deref()),
            Value::Integers(list) => out.add(&*list),
            Value::Texts(list) => match list.iter().any(|s| s.contains('\0')) {
                false => out.add(list),
                true => {
                    let list = list.into_iter().map(|s| without_nul(Cow::Borrowed(s)));
                    out.add(list.collect::<Vec<_>>())
                }
            },
            Value::Blobs(list) => out.add(list),
        }
        .map_err(Error::Encode)?;
    }
    Ok(out)
}

/// PostgreSQL's texts can't hold U+0000, which JSON from outside may.
#[cfg(feature = "postgres")]
fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => text,
    }
}

/// `(?,?,…),(?,?,…)`: the values of a multi-row statement. One statement for many rows is about twenty times as fast
/// as one for each, because every statement is a round trip to SQLite's thread or to the server.
pub fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row; rows].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_both() {
        let sql = "SELECT a FROM t WHERE a = ? AND k IN (??) AND b <> 'why?' AND c = ? FOR UPDATE";
        assert_eq!(
            sqlite_text(sql.into_sql_str()).as_str(),
            "SELECT a FROM t WHERE a = ? AND k IN (SELECT value FROM json_each(?)) AND b <> 'why?' AND c = ?"
        );
        assert_eq!(
            postgres_text(sql.into_sql_str()).as_str(),
            "SELECT a FROM t WHERE a = $1 AND k = ANY($2) AND b <> 'why?' AND c = $3 FOR UPDATE"
        );
        for plain in ["SELECT 1", "SELECT 1 FOR SHARE SKIP LOCKED"] {
            assert_eq!(sqlite_text(plain.into_sql_str()).as_str(), "SELECT 1");
            assert_eq!(postgres_text(plain.into_sql_str()).as_str(), plain);
        }
    }
}
