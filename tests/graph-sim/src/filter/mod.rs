//! `$filter`: its syntax, what Graph takes of it for which property, and whether an object matches.
//!
//! Source: the Graph pages on `$filter` and on advanced queries for directory objects. `lt` and `gt` are taken
//! wherever `ge` and `le` are: the pages name only the latter two, clients use all four.

mod lex;
mod matches;
mod parse;
mod rules;

pub(crate) use matches::{Record, Val};
pub(crate) use rules::{Mode, Rules};

use crate::reply::Failure;

/// A filter.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    /// `property op value`; within a lambda the property may be empty: the item itself.
    Compare(String, Op, Literal),
    /// `property in (value, …)`
    In(String, Vec<Literal>),
    /// `startsWith(property, 'text')` and its like.
    Call(Function, String, String),
    /// `collection/any(x:x/property eq value)`
    Any(String, Option<Box<Expr>>),
    /// `collection/$count op number`
    Count(String, Op, i64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Eq,
    Ne,
    Ge,
    Gt,
    Le,
    Lt,
}

impl Op {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "ge" => Self::Ge,
            "gt" => Self::Gt,
            "le" => Self::Le,
            "lt" => Self::Lt,
            _ => return None,
        })
    }

    /// What OData calls it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Eq => "Equal",
            Self::Ne => "NotEqual",
            Self::Ge => "GreaterThanOrEqual",
            Self::Gt => "GreaterThan",
            Self::Le => "LessThanOrEqual",
            Self::Lt => "LessThan",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

/// A value; text in lower case, because the directory compares without regard to case.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    /// In canonical text.
    Guid(String),
    /// As `YYYY-MM-DDThh:mm:ssZ`, which sorts as time does.
    Time(String),
}

impl Literal {
    /// The type as OData names it.
    pub(crate) fn edm(&self) -> &'static str {
        match self {
            Self::Null => "<null>",
            Self::Bool(_) => "Edm.Boolean",
            Self::Number(_) => "Edm.Int32",
            Self::Text(_) => "Edm.String",
            Self::Guid(_) => "Edm.Guid",
            Self::Time(_) => "Edm.DateTimeOffset",
        }
    }
}

impl Expr {
    /// Reads a filter; a syntax error is the answer that Graph gives to it.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        parse::filter(text)
    }

    /// The ids, when the filter names nothing but ids: `id eq …`, `id in (…)`, or several of them joined by `or`.
    pub(crate) fn ids(&self) -> Option<Vec<&str>> {
        fn id(literal: &Literal) -> Option<&str> {
            match literal {
                Literal::Text(text) => Some(text),
                _ => None,
            }
        }
        match self {
            Self::Compare(name, Op::Eq, value) if name == "id" => Some(vec![id(value)?]),
            Self::In(name, values) if name == "id" => values.iter().map(id).collect(),
            Self::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(Self::ids).collect();
                Some(parts?.concat())
            }
            _ => None,
        }
    }

    /// Calls `each` with every property outside of lambdas.
    pub(crate) fn properties(&self, each: &mut impl FnMut(&str)) {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|p| p.properties(each)),
            Self::Not(part) => part.properties(each),
            Self::Compare(name, ..)
            | Self::In(name, _)
            | Self::Call(_, name, _)
            | Self::Any(name, _)
            | Self::Count(name, ..) => each(name),
        }
    }
}
