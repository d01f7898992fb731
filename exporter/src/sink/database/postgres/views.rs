//! The views for people: `views.sql`, each below what it shows.
//!
//! A view's comment says which text made it, so nothing is touched that is up to date, and nothing that isn't ours. Where
//! the configuration leaves out what a view needs, the view isn't there.

use runtime::db::{AssertSqlSafe, Connection, Error, query, script};
use sha2::{Digest as _, Sha256};

use super::ddl::{self, attempt, let_read, readers};
use super::shape::Fault;
use super::tables::{literal, quoted};

const SQL: &str = include_str!("views.sql");

struct View {
    name: &'static str,
    sql: &'static str,
    comment: String,
}

/// The views of this release, in the order in which they can be made.
fn all() -> impl Iterator<Item = View> {
    SQL.split(";\n").filter_map(|text| {
        let at = text.find("CREATE OR REPLACE VIEW ")?;
        let (meaning, sql) = text.split_at(at);
        let name = sql.split_whitespace().nth(4)?;
        let meaning: Vec<_> = meaning
            .lines()
            .filter_map(|l| l.strip_prefix("-- "))
            .collect();
        let digest = Sha256::digest(text.as_bytes());
        let mark: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let comment = format!("{} {OURS}{mark}]", meaning.join(" "));
        Some(View { name, sql, comment })
    })
}

/// In the comment of each view of ours, before its version.
const OURS: &str = "[Leastwise ";

/// Brings the views to this release.
pub(super) async fn create(c: &mut Connection) -> Result<(), Fault> {
    for view in all() {
        let there = comment(c, view.name).await?;
        if there.as_deref() == Some(view.comment.as_str()) {
            continue;
        }
        if there.is_some_and(|comment| !comment.contains(OURS)) {
            tracing::warn!(
                view = view.name,
                "somebody has a view or table of this name, so the sink's isn't made"
            );
            continue;
        }
        match one(c, &view).await {
            Ok(()) => {}
            Err(e) if ddl::is(&e, &[ddl::NO_TABLE, ddl::NO_COLUMN]) => {
                tracing::debug!(view = view.name, "what it shows is not selected");
            }
            Err(e) if ddl::is(&e, &[ddl::NO_RIGHT]) => {
                tracing::warn!(
                    view = view.name,
                    "the sink's role may not make or replace this view"
                );
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

async fn one(c: &mut Connection, view: &View) -> Result<(), Error> {
    let comment = format!(
        "COMMENT ON VIEW {} IS {}",
        quoted(view.name),
        literal(&view.comment)
    );
    let sql = format!("{};{comment}", view.sql);
    match attempt(c, sql.clone()).await {
        Err(e) if ddl::is(&e, &[ddl::OTHER_COLUMNS]) => {}
        done => return done,
    }
    // It shows other columns than before.
    let readers = readers(c, view.name).await?;
    let drop = format!("DROP VIEW {}", quoted(view.name));
    script(AssertSqlSafe([drop, sql].join(";")), c).await?;
    let_read(c, view.name, &readers).await
}

/// The comment of what has this name; empty where it has none, `None` where nothing is called so.
async fn comment(c: &mut Connection, name: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c WHERE c.oid = to_regclass(quote_ident(?))";
    query(sql).bind(name).fetch_optional(c).await
}

/// A view that was removed, and who could read it.
pub(super) type Dropped = (&'static str, Vec<String>);

/// Removes them, so that a column or table below them can go. Who may read them is kept for [`restore`].
pub(super) async fn drop(c: &mut Connection) -> Result<Vec<Dropped>, Error> {
    let mut dropped = Vec::new();
    // Those that build on others first.
    let all: Vec<View> = all().collect();
    for view in all.iter().rev() {
        if comment(c, view.name)
            .await?
            .is_some_and(|comment| comment.contains(OURS))
        {
            dropped.push((view.name, readers(c, view.name).await?));
            let sql = format!("DROP VIEW {}", quoted(view.name));
            script(AssertSqlSafe(sql), c).await?;
        }
    }
    Ok(dropped)
}

/// Lets the same people read what is there again.
pub(super) async fn restore(c: &mut Connection, dropped: &[Dropped]) -> Result<(), Error> {
    for (name, readers) in dropped {
        if comment(c, name).await?.is_some() {
            let_read(c, name, readers).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_says_what_it_shows() {
        let all: Vec<View> = all().collect();
        assert_eq!(
            all.len(),
            SQL.matches("CREATE ").count(),
            "none is overlooked"
        );
        for view in all {
            assert!(view.name.starts_with("sam_"), "{}", view.name);
            assert!(
                !view.comment.starts_with(" ["),
                "{} says nothing",
                view.name
            );
        }
    }
}
