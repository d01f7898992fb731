//! Records as rows: the columns of each message of the inventory, generated from the contracts.

/// A column: a field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Number of the field, ascending within a message.
    pub number: u32,
    /// In `snake_case`, as tables spell it.
    pub name: &'static str,
    /// In `lowerCamelCase`, as JSON and Graph spell it.
    pub json: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
    /// Of objects: their message. Otherwise empty.
    pub of: &'static str,
    /// Whether a value may be absent, which is not the same as empty.
    pub optional: bool,
    /// What it means, with the unit.
    pub meaning: &'static str,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any text.
    Text,
    /// True or false.
    Boolean,
    /// A whole number of 32 bits with a sign.
    Integer,
    /// A moment in UTC (RFC 3339).
    Moment,
    /// A day (YYYY-MM-DD).
    Day,
    /// A list of texts.
    Texts,
    /// A list of objects.
    Objects,
}

include!("gen/shapes.rs");
