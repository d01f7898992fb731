//! A page of Graph's as far as the collector looks into it: objects as raw text, and the links.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::graph_error::GraphError;
use crate::privacy::Hidden;

/// A page, borrowed from its text.
#[derive(Deserialize)]
pub struct Page<'a> {
    /// The objects.
    #[serde(borrow)]
    pub value: Vec<&'a RawValue>,
    /// Where the next page is.
    #[serde(rename = "@odata.nextLink", borrow, default)]
    pub next: Option<Cow<'a, str>>,
    /// Delta only: where the next round starts.
    #[serde(rename = "@odata.deltaLink", borrow, default)]
    pub delta: Option<Cow<'a, str>>,
    /// Where it was asked for: how many objects there are on all pages.
    #[serde(rename = "@odata.count", default)]
    pub count: Option<u64>,
}

/// Reads a page; one that was cut off on the way is none.
pub fn parse<'a>(path: &str, body: &'a [u8]) -> Result<Page<'a>, GraphError> {
    let text = std::str::from_utf8(body).map_err(|e| answer(path, &e.to_string()))?;
    // The parser's message names a place, not content.
    serde_json::from_str(text).map_err(|e| {
        answer(
            path,
            &format!("not a page at line {} column {}", e.line(), e.column()),
        )
    })
}

/// The id of an object, if it has one.
pub fn id(object: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        id: String,
    }
    let object: Identified = serde_json::from_str(object.get()).ok()?;
    Some(object.id)
}

/// A property of an object that is text.
pub fn text(object: &RawValue, property: &str) -> Option<String> {
    let object: BTreeMap<&str, &RawValue> = serde_json::from_str(object.get()).ok()?;
    serde_json::from_str(object.get(property)?.get()).ok()
}

/// A link as far as it may be told: what is asked of it may be secret.
pub fn path(link: &str) -> String {
    runtime::http::told(link).to_owned()
}

/// An answer that can't be used.
pub fn answer(path: &str, why: &str) -> GraphError {
    GraphError::Answer {
        path: self::path(path),
        why: why.to_owned(),
    }
}

/// The request for the first page of a dataset, or for its only answer, but for what is hidden.
pub fn first(dataset: &catalog::Declaration, hidden: &Hidden, page_size: Option<u32>) -> String {
    let mut query = vec![];
    if !dataset.select.is_empty() {
        let select = hidden.without(dataset.select);
        query.push(format!("$select={}", select.join(",")));
    }
    if let Some(size) = page_size {
        query.push(format!("$top={size}"));
    }
    let question = if query.is_empty() { "" } else { "?" };
    format!("v1.0/{}{question}{}", dataset.path, query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_cut_off_is_none() {
        let whole =
            br#"{"value":[{"id":"a"},{"id":"b"}],"@odata.nextLink":"https:\/\/g\/v1.0\/users?x"}"#;
        let page = parse("users", whole).unwrap();
        assert_eq!(
            (page.value.len(), page.next.as_deref()),
            (2, Some("https://g/v1.0/users?x"))
        );
        for cut in 1..whole.len() {
            assert!(parse("users", &whole[..cut]).is_err());
        }
    }
}
