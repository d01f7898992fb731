//! What changes of tables and views have in common.

use runtime::db::{AssertSqlSafe, Connection, Error, query, script};

use super::tables::quoted;

/// SQLSTATEs that are expected here, PostgreSQL's documentation, appendix A.
pub(super) const NO_RIGHT: &str = "42501";
pub(super) const NO_TABLE: &str = "42P01";
pub(super) const NO_COLUMN: &str = "42703";
pub(super) const OTHER_COLUMNS: &str = "42P16";
pub(super) const BUILT_ON: &str = "2BP01";

/// Whether the database gave one of these errors.
pub(super) fn is(e: &Error, codes: &[&str]) -> bool {
    match e {
        Error::Database(d) => d.code().is_some_and(|c| codes.contains(&&*c)),
        _ => false,
    }
}

/// Executes statements; where the database refuses them, the transaction goes on as if they had not been.
pub(super) async fn attempt(c: &mut Connection, sql: String) -> Result<(), Error> {
    script("SAVEPOINT attempt", c).await?;
    match script(AssertSqlSafe(sql), c).await {
        Ok(()) => script("RELEASE SAVEPOINT attempt", c).await,
        Err(e) => {
            script("ROLLBACK TO SAVEPOINT attempt", c).await?;
            Err(e)
        }
    }
}

/// Who may read a table or view, besides its owner; as statements spell them.
pub(super) async fn readers(c: &mut Connection, relation: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = to_regclass(quote_ident(?)) AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner ORDER BY 1";
    query(sql).bind(relation).fetch_all(c).await
}

/// Lets them read it.
pub(super) async fn let_read(
    c: &mut Connection,
    relation: &str,
    readers: &[String],
) -> Result<(), Error> {
    if readers.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "GRANT SELECT ON {} TO {}",
        quoted(relation),
        readers.join(", ")
    );
    script(AssertSqlSafe(sql), c).await
}
