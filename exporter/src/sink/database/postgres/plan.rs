//! What has to be done so that a table shows what it should, without touching what people added to it. Pure.

use super::tables::Table;

/// A step. Names are those of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A column is called otherwise.
    Rename { from: String, to: String },
    /// A column is new; by its place among the table's.
    Add(usize),
    /// A column is not shown any more.
    Drop(String),
}

/// The field of every table; so each table that the sink made has one that it noted.
pub(super) const TENANT: &str = "tenantId";

/// A column of ours, as the sink noted it when it made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// The field, as JSON spells it.
    pub field: String,
    /// What the column is called.
    pub name: String,
}

/// The steps that bring a table to what it should be. `has` are its columns and their types now, `made` those that the
/// sink made, `known` tells whether this release knows a field.
///
/// # Errors
/// What somebody did to the table that it can't be filled as it is.
pub(super) fn steps(
    table: &Table,
    has: &[(String, String)],
    made: &[Made],
    known: impl Fn(&str) -> bool,
) -> Result<Vec<Step>, String> {
    let of = |name: &str| has.iter().find(|(n, _)| n == name).map(|(_, sql)| sql);
    for (name, sql) in table.own() {
        fits(name, sql, of(name))?;
    }
    let mut steps = Vec::new();
    // Fields of a newer release are none of this one's business.
    let gone = made
        .iter()
        .filter(|m| m.field != TENANT && known(&m.field))
        .filter(|m| !table.columns.iter().any(|c| c.column.json == m.field));
    for gone in gone.filter(|m| of(&m.name).is_some()) {
        steps.push(Step::Drop(gone.name.clone()));
    }
    for (place, wanted) in table.columns.iter().enumerate() {
        let before = made.iter().find(|m| m.field == wanted.column.json);
        if let Some(before) = before {
            fits(&before.name, wanted.sql(), of(&before.name))?;
            if before.name == wanted.name {
                continue;
            }
        }
        let free = steps.contains(&Step::Drop(wanted.name.clone()));
        if of(&wanted.name).is_some() && !free {
            return Err(format!(
                "has a column \"{}\" that is not the sink's, which needs the name",
                wanted.name
            ));
        }
        steps.push(match before {
            Some(before) => Step::Rename {
                from: before.name.clone(),
                to: wanted.name.clone(),
            },
            None => Step::Add(place),
        });
    }
    Ok(steps)
}

fn fits(name: &str, wanted: &str, has: Option<&String>) -> Result<(), String> {
    match has {
        None => Err(format!("lacks the column \"{name}\"")),
        Some(has) if has != wanted => Err(format!(
            "has a column \"{name}\" of type {has} instead of {wanted}"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tables;
    use super::*;

    fn table(json: &str) -> Table {
        tables(&serde_json::from_str(json).unwrap()).remove(0)
    }

    fn has(columns: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [
            ("tenant_id", "text"),
            ("key", "text"),
            ("closing", "bigint"),
        ];
        let all = own.iter().chain(columns);
        all.map(|(n, t)| ((*n).into(), (*t).into())).collect()
    }

    fn made(columns: &[(&str, &str)]) -> Vec<Made> {
        let each = columns.iter().map(|(field, name)| Made {
            field: (*field).into(),
            name: (*name).into(),
        });
        each.collect()
    }

    fn known(field: &str) -> bool {
        field != "fromTheFuture"
    }

    const MAIL: &str = r#"{"kinds":["user"],"fields":{"user":["mail","accountEnabled"]}}"#;

    #[test]
    fn what_is_missing_is_added_and_what_is_not_ours_stays() {
        let has = has(&[("mail", "text"), ("their_note", "text"), ("new", "text")]);
        let made = made(&[("mail", "mail"), ("fromTheFuture", "new")]);
        let steps = steps(&table(MAIL), &has, &made, known).unwrap();
        assert_eq!(steps, [Step::Add(1)]);
    }

    #[test]
    fn what_is_not_shown_goes_and_a_name_moves() {
        let has = has(&[
            ("mail", "text"),
            ("city", "text"),
            ("account_enabled", "boolean"),
        ]);
        let made = made(&[
            ("mail", "mail"),
            ("city", "city"),
            ("accountEnabled", "account_enabled"),
        ]);
        let json = r#"{"kinds":["user"],"fields":{"user":["mail","accountEnabled"]},"names":{"user":{"mail":"city"}}}"#;
        let steps = steps(&table(json), &has, &made, known).unwrap();
        let rename = Step::Rename {
            from: "mail".into(),
            to: "city".into(),
        };
        assert_eq!(steps, [Step::Drop("city".into()), rename]);
    }

    #[test]
    fn what_somebody_did_is_told() {
        let ours = made(&[("mail", "mail"), ("accountEnabled", "account_enabled")]);
        for (columns, made, why) in [
            (
                &[("mail", "text")][..],
                &ours[..],
                "lacks the column \"account_enabled\"",
            ),
            (
                &[("mail", "text"), ("account_enabled", "text")],
                &ours,
                "of type text instead of boolean",
            ),
            (
                &[("mail", "text"), ("account_enabled", "boolean")],
                &ours[..1],
                "\"account_enabled\" that is not the sink's",
            ),
        ] {
            let told = steps(&table(MAIL), &has(columns), made, known).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
