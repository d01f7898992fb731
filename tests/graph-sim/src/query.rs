//! Query options and percent encoding.

use crate::property::{Class, Select};
use crate::reply::Failure;

/// The options of one request.
#[derive(Default, Debug)]
pub(crate) struct Query {
    pub(crate) select: Option<String>,
    pub(crate) top: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) count: bool,
    pub(crate) skip_token: Option<String>,
    pub(crate) delta_token: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) search: Option<String>,
    pub(crate) expand: Option<String>,
    pub(crate) format: Option<String>,
}

impl Query {
    /// Reads the raw query string.
    pub(crate) fn parse(raw: &str) -> Result<Self, Failure> {
        let mut query = Self::default();
        for (name, value) in pairs(raw) {
            match name.to_ascii_lowercase().as_str() {
                "$select" => query.select = Some(value),
                "$top" => query.top = Some(value),
                "$filter" => query.filter = Some(value),
                "$count" => {
                    query.count = match value.to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => {
                            return Err(Failure::bad(format!(
                                "Invalid value '{value}' for $count query option found."
                            )));
                        }
                    }
                }
                "$skiptoken" => query.skip_token = Some(value),
                "$deltatoken" => query.delta_token = Some(value),
                "$skip" => return Err(Failure::bad("'$skip' is not supported by the service.")),
                "$orderby" => query.order = Some(value),
                "$search" => query.search = Some(value),
                "$expand" => query.expand = Some(value),
                "$format" => query.format = Some(value),
                other if other.starts_with('$') => {
                    let message = format!("The query parameter '{name}' is not supported.");
                    return Err(Failure::new(400, "BadRequest", message));
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// Refuses a format other than JSON.
    pub(crate) fn check_format(&self) -> Result<(), Failure> {
        match self.format.as_deref() {
            Some(value) if !value.eq_ignore_ascii_case("json") && value != "application/json" => {
                Err(Failure::bad(format!(
                    "Invalid value '{value}' for $format query option found."
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses options that a resource doesn't have.
    pub(crate) fn only(&self, allowed: &[&str]) -> Result<(), Failure> {
        let given = [
            ("$select", self.select.is_some()),
            ("$top", self.top.is_some()),
            ("$filter", self.filter.is_some()),
            ("$orderby", self.order.is_some()),
            ("$search", self.search.is_some()),
            ("$expand", self.expand.is_some()),
            ("$skiptoken", self.skip_token.is_some()),
            ("$deltatoken", self.delta_token.is_some()),
        ];
        match given.iter().find(|(n, is)| *is && !allowed.contains(n)) {
            Some((name, _)) => Err(Failure::unsupported(format!(
                "The query option '{name}' is not supported here."
            ))),
            None => Ok(()),
        }
    }

    /// The selected properties of a user.
    pub(crate) fn user_select(&self) -> Result<Select, Failure> {
        let Some(list) = &self.select else {
            return Ok(Select::DEFAULT);
        };
        Select::parse(list).map_err(|name| unknown_property(&name, "user"))
    }

    /// The page size: 100 unless asked for up to 999.
    pub(crate) fn user_top(&self) -> Result<u16, Failure> {
        let Some(text) = &self.top else {
            return Ok(100);
        };
        match text.parse::<u32>() {
            Ok(top @ 1..=999) => Ok(top as u16),
            Ok(_) => Err(Failure::unsupported(format!(
                "Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive."
            ))),
            Err(_) => Err(Failure::bad(format!(
                "Invalid value '{text}' for $top query option found."
            ))),
        }
    }
}

/// Graph's words for a property that a type doesn't have.
pub(crate) fn unknown_property(name: &str, of: &str) -> Failure {
    let message = format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.{of}'."
    );
    Failure::new(400, "BadRequest", message)
}

/// Refuses what a collection can't deliver.
pub(crate) fn check_collection(select: Select, roles: &[String]) -> Result<(), Failure> {
    if let Some(name) = select.first_of(Class::Single) {
        return Err(Failure::new(
            501,
            "NotImplemented",
            format!("The property '{name}' is not available on a collection."),
        ));
    }
    check_guarded(select, roles)
}

/// Refuses properties that need a further permission.
pub(crate) fn check_guarded(select: Select, roles: &[String]) -> Result<(), Failure> {
    match select.first_of(Class::Guarded) {
        Some(name) if !roles.iter().any(|r| guards(name).contains(&r.as_str())) => {
            Err(Failure::new(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ))
        }
        _ => Ok(()),
    }
}

fn guards(property: &str) -> &'static [&'static str] {
    match property {
        "signInActivity" => &["AuditLog.Read.All"],
        "employeeLeaveDateTime" => &["User-LifeCycleInfo.Read.All"],
        _ => &["CustomSecAttributeAssignment.Read.All"],
    }
}

/// The decoded pairs of a query string or a form.
pub(crate) fn pairs(raw: &str) -> impl Iterator<Item = (String, String)> {
    raw.split('&').filter(|p| !p.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Percent encoding of a value in a link.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'$'
            | b'('
            | b')'
            | b','
            | b'/'
            | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Percent decoding; what is no escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |n: usize| bytes.get(at + n).and_then(|b| (*b as char).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The query as it may stand in a log.
pub(crate) fn redacted(raw: &str) -> String {
    let shown: Vec<String> = pairs(raw)
        .map(|(name, value)| match name.to_ascii_lowercase().as_str() {
            "$skiptoken" | "$deltatoken" if value != "latest" => format!("{name}=…"),
            _ => format!("{name}={value}"),
        })
        .collect();
    shown.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_query_is_taken(text in ".{0,80}") {
            let _ = Query::parse(&text);
            let _ = redacted(&text);
            prop_assert_eq!(decode(&encode(&text)), text);
        }
    }
}
