//! What Graph takes in a filter or an order, by type and property: `data/filters.tsv`.
//!
//! Columns: type, property (the items of a list as `list/property`), kind, operators of a plain query, operators that
//! need an advanced one, order (`plain`, `advanced` or `-`).

use std::sync::LazyLock;

use super::{Expr, Function, Literal, Op};
use crate::reply::Failure;

/// How many values may be joined by `or`, or stand in a list, on a plain query.
const MOST_CLAUSES: usize = 15;

/// Whether the request is an advanced query: `ConsistencyLevel: eventual` and `$count=true`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Plain,
    Advanced,
}

/// The rules of one type.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// As in the table: `user`.
    pub(crate) kind: &'a str,
    /// Whether the type has a property of this name.
    pub(crate) has: fn(&str) -> bool,
}

struct Row {
    kind: &'static str,
    name: &'static str,
    value: &'static str,
    plain: &'static str,
    advanced: &'static str,
    order: &'static str,
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut fields = line.split('\t');
        Some(Row {
            kind: fields.next()?,
            name: fields.next()?,
            value: fields.next()?,
            plain: fields.next()?,
            advanced: fields.next()?,
            order: fields.next()?,
        })
    };
    include_str!("../../data/filters.tsv")
        .lines()
        .filter_map(row)
        .collect()
});

impl Rules<'_> {
    /// Refuses what Graph refuses.
    pub(crate) fn check(&self, expr: &Expr, mode: Mode) -> Result<(), Failure> {
        self.inside(expr, mode, "")
    }

    /// Refuses an order that Graph doesn't have. `filtered`: whether there is a filter too.
    pub(crate) fn check_order(
        &self,
        name: &str,
        filtered: bool,
        mode: Mode,
    ) -> Result<(), Failure> {
        let row = self.row(name, "")?;
        let plain = row.is_some_and(|r| r.order == "plain") && !filtered;
        let advanced = row.is_some_and(|r| r.order != "-") && mode == Mode::Advanced;
        if plain || advanced {
            return Ok(());
        }
        Err(Failure::unsupported(
            "Sorting not supported for current query.",
        ))
    }

    /// Checks below `list/`, or at the top when it is empty.
    fn inside(&self, expr: &Expr, mode: Mode, list: &str) -> Result<(), Failure> {
        match expr {
            Expr::And(parts) => parts.iter().try_for_each(|p| self.inside(p, mode, list)),
            Expr::Or(parts) => {
                few(leaves(parts), mode)?;
                parts.iter().try_for_each(|p| self.inside(p, mode, list))
            }
            Expr::Not(part) => {
                let mut result = Ok(());
                part.properties(&mut |name| {
                    if result.is_ok() {
                        result = self.allowed(name, list, "not", mode).map(|_| ());
                    }
                });
                result?;
                self.inside(part, mode, list)
            }
            Expr::Compare(name, op, value) => {
                let row = self.allowed(name, list, word(*op), mode)?;
                typed(row.value, value, *op)
            }
            Expr::In(name, values) => {
                few(values.len(), mode)?;
                let row = self.allowed(name, list, "in", mode)?;
                values.iter().try_for_each(|v| typed(row.value, v, Op::Eq))
            }
            Expr::Call(function, name, _) => {
                let word = match function {
                    Function::StartsWith => "startsWith",
                    Function::EndsWith => "endsWith",
                    Function::Contains => "contains",
                };
                self.allowed(name, list, word, mode).map(|_| ())
            }
            Expr::Any(name, inner) => {
                self.allowed(name, list, "any", mode)?;
                match inner {
                    Some(inner) => self.inside(inner, mode, &format!("{name}/")),
                    None => self.allowed(name, list, "$count", mode).map(|_| ()),
                }
            }
            Expr::Count(name, op, number) => {
                self.allowed(name, list, "$count", mode)?;
                if *number == 0 && matches!(op, Op::Eq | Op::Ne) {
                    return Ok(());
                }
                Err(Failure::unsupported(format!(
                    "Unsupported Query. '{name}/$count' can be compared by 'eq 0' and 'ne 0' only."
                )))
            }
        }
    }

    /// The row of a property, none when the type has it but no filter takes it.
    fn row(&self, name: &str, list: &str) -> Result<Option<&'static Row>, Failure> {
        let full = format!("{list}{name}");
        let row = TABLE
            .iter()
            .find(|r| r.kind == self.kind && r.name.eq_ignore_ascii_case(&full));
        let root = name.split('/').next().unwrap_or(name);
        if row.is_none() && list.is_empty() && !(self.has)(root) {
            let message = format!(
                "Invalid filter clause: Could not find a property named '{root}' on type 'microsoft.graph.{}'.",
                self.kind
            );
            return Err(Failure::new(400, "BadRequest", message));
        }
        Ok(row)
    }

    fn allowed(
        &self,
        name: &str,
        list: &str,
        operator: &str,
        mode: Mode,
    ) -> Result<&'static Row, Failure> {
        let row = self.row(name, list)?;
        let has = |list: &str| list.split(' ').any(|o| o == operator);
        match row {
            Some(row) if has(row.plain) => {
                // The index that advanced queries read doesn't know this one.
                if name.eq_ignore_ascii_case("hasMembersWithLicenseErrors")
                    && mode == Mode::Advanced
                {
                    return Err(self.clause(name));
                }
                Ok(row)
            }
            Some(row) if has(row.advanced) => match mode {
                Mode::Advanced => Ok(row),
                Mode::Plain => Err(Failure::unsupported(format!(
                    "Operator '{operator}' is not supported for property '{name}' without the advanced query parameters: 'ConsistencyLevel: eventual' and '$count=true'."
                ))),
            },
            _ => Err(self.clause(name)),
        }
    }

    fn clause(&self, name: &str) -> Failure {
        let (head, tail) = self.kind.split_at_checked(1).unwrap_or((self.kind, ""));
        Failure::unsupported(format!(
            "Unsupported or invalid query filter clause specified for property '{name}' of resource '{}{tail}'.",
            head.to_ascii_uppercase()
        ))
    }
}

fn word(op: Op) -> &'static str {
    match op {
        Op::Eq => "eq",
        Op::Ne => "ne",
        Op::Ge => "ge",
        Op::Gt => "gt",
        Op::Le => "le",
        Op::Lt => "lt",
    }
}

/// How many values an `or` joins.
fn leaves(parts: &[Expr]) -> usize {
    let one = |part: &Expr| match part {
        Expr::Or(parts) => leaves(parts),
        Expr::In(_, values) => values.len(),
        _ => 1,
    };
    parts.iter().map(one).sum()
}

fn few(clauses: usize, mode: Mode) -> Result<(), Failure> {
    if clauses <= MOST_CLAUSES || mode == Mode::Advanced {
        return Ok(());
    }
    Err(Failure::unsupported(format!(
        "Too many child clauses specified in search filter expression containing 'OR' operators: {clauses}. Max allowed: {MOST_CLAUSES}."
    )))
}

/// Whether a value is of the property's type; null is of every type, but has no order.
fn typed(kind: &str, value: &Literal, op: Op) -> Result<(), Failure> {
    let (edm, fits) = match kind {
        "bool" => ("Edm.Boolean", matches!(value, Literal::Bool(_))),
        "time" => ("Edm.DateTimeOffset", matches!(value, Literal::Time(_))),
        "guid" => ("Edm.Guid", matches!(value, Literal::Guid(_))),
        _ => ("Edm.String", matches!(value, Literal::Text(_))),
    };
    let null = *value == Literal::Null && matches!(op, Op::Eq | Op::Ne);
    if fits || null {
        return Ok(());
    }
    Err(Failure::new(
        400,
        "BadRequest",
        format!(
            "Invalid filter clause: A binary operator with incompatible types was detected. Found operand types '{edm}' and '{}' for operator kind '{}'.",
            value.edm(),
            op.kind()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_known_words_only() {
        assert!(TABLE.len() > 60);
        for row in TABLE.iter() {
            assert!(
                ["text", "bool", "time", "guid", "list"].contains(&row.value),
                "{}",
                row.name
            );
            assert!(
                ["plain", "advanced", "-"].contains(&row.order),
                "{}",
                row.name
            );
            for word in row.plain.split(' ').chain(row.advanced.split(' ')) {
                let known = [
                    "-", "eq", "ne", "ge", "gt", "le", "lt", "in", "not", "any", "$count",
                ];
                assert!(
                    known.contains(&word) || word.ends_with("With"),
                    "{}: {word}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn only_an_advanced_query_may_say_not() {
        let rules = Rules {
            kind: "group",
            has: |_| false,
        };
        let check = |text: &str, mode| rules.check(&Expr::parse(text).unwrap(), mode);
        for text in [
            "not(displayName eq 'x')",
            "displayName ne 'x'",
            "endsWith(mail,'x')",
            "assignedLicenses/$count eq 0",
            "not assignedLicenses/any(x:x/skuId eq 05e9a617-0261-4cee-bb44-138d3ef5d965)",
        ] {
            assert!(check(text, Mode::Plain).is_err(), "{text}");
            assert!(check(text, Mode::Advanced).is_ok(), "{text}");
        }
        let odd = "hasMembersWithLicenseErrors eq true";
        assert!(check(odd, Mode::Plain).is_ok());
        assert!(check(odd, Mode::Advanced).is_err());
    }
}
