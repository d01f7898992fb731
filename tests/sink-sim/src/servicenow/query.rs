//! Encoded queries: `u_state=held^u_nameLIKEa^ORu_name=b^ORDERBYu_name`.

use std::cmp::Ordering;

use super::Row;

/// Operators, longest first where one begins another.
const OPERATORS: [&str; 12] = [
    "ISNOTEMPTY",
    "ISEMPTY",
    "STARTSWITH",
    "ENDSWITH",
    "NOT IN",
    "LIKE",
    "IN",
    "!=",
    ">=",
    "<=",
    ">",
    "<",
];

/// What a query asks for.
pub(super) struct Query {
    /// All of these; of each, one.
    conditions: Vec<Vec<Condition>>,
    /// Fields by which rows are sorted, and whether downwards.
    order: Vec<(String, bool)>,
}

struct Condition {
    field: String,
    operator: String,
    value: String,
}

impl Query {
    /// Reads a query for a table that knows these fields. What it doesn't know is dropped, as
    /// `glide.invalid_query.returns_no_rows` has it when it isn't set.
    pub(super) fn read(text: &str, knows: impl Fn(&str) -> bool) -> Self {
        let mut query = Self {
            conditions: Vec::new(),
            order: Vec::new(),
        };
        for part in text.split('^').filter(|part| !part.is_empty()) {
            if let Some(field) = part.strip_prefix("ORDERBYDESC") {
                query.order.push((field.to_owned(), true));
            } else if let Some(field) = part.strip_prefix("ORDERBY") {
                query.order.push((field.to_owned(), false));
            } else if let Some(part) = part.strip_prefix("OR") {
                let condition = Condition::read(part).filter(|c| knows(&c.field));
                if let (Some(last), Some(condition)) = (query.conditions.last_mut(), condition) {
                    last.push(condition);
                }
            } else if let Some(condition) = Condition::read(part).filter(|c| knows(&c.field)) {
                query.conditions.push(vec![condition]);
            }
        }
        query
    }

    /// Whether it asks for this row.
    pub(super) fn takes(&self, row: &Row) -> bool {
        self.conditions
            .iter()
            .all(|one_of| one_of.iter().any(|condition| condition.holds(row)))
    }

    /// Which row comes first.
    pub(super) fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let by = |(field, down): &(String, bool)| match down {
            false => a.get(field).cmp(&b.get(field)),
            true => b.get(field).cmp(&a.get(field)),
        };
        self.order
            .iter()
            .map(by)
            .fold(Ordering::Equal, Ordering::then)
    }
}

impl Condition {
    fn read(part: &str) -> Option<Self> {
        // Fields are in lower case: the first character that can't be one of theirs begins the operator.
        let field_ends = part
            .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c)))?;
        let (field, rest) = part.split_at(field_ends);
        let known = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator));
        let operator = known.copied().or(rest.starts_with('=').then_some("="))?;
        Some(Self {
            field: field.to_owned(),
            operator: operator.to_owned(),
            value: rest[operator.len()..].to_owned(),
        })
    }

    fn holds(&self, row: &Row) -> bool {
        let is = row.get(&self.field).map_or("", String::as_str);
        let value = self.value.as_str();
        let one_of = || value.split(',').any(|each| each == is);
        let (low, high) = (is.to_lowercase(), value.to_lowercase());
        match self.operator.as_str() {
            "=" => is == value,
            "!=" => is != value,
            "IN" => one_of(),
            "NOT IN" => !one_of(),
            "LIKE" => low.contains(&high),
            "STARTSWITH" => low.starts_with(&high),
            "ENDSWITH" => low.ends_with(&high),
            "ISEMPTY" => is.is_empty(),
            "ISNOTEMPTY" => !is.is_empty(),
            ">=" => is >= value,
            "<=" => is <= value,
            ">" => is > value,
            _ => is < value,
        }
    }
}
