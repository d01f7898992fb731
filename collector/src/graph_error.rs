//! Graph's errors. Source: "Microsoft Graph error responses and resource types".

use std::time::Duration;

use runtime::Problem;
use serde::Deserialize;

use crate::page;

/// Why Graph did not answer what was asked. Holds no URL with query values and no body.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The token-broker issued no token.
    #[error("{text}")]
    Token {
        /// The broker's words.
        text: String,
        /// When to ask again, where nobody has to do anything first.
        again: Option<Duration>,
    },
    /// Graph can't be reached.
    #[error("Microsoft Graph at {base} can't be reached")]
    Unreachable {
        /// The configured root.
        base: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Graph asks for fewer requests, or fails, longer than we wait.
    #[error("Microsoft Graph answers {status} to {path} and keeps doing so")]
    Busy {
        /// The last HTTP status.
        status: u16,
        /// The path without its query.
        path: String,
    },
    /// The tenant's budget at Graph is used up for longer than we wait.
    #[error("what Microsoft Graph allows for {path} is used up for another {} seconds", wait.as_secs())]
    UsedUp {
        /// The path without its query.
        path: String,
        /// For how long.
        wait: Duration,
    },
    /// The permission, the consent or a licence of the tenant is missing.
    #[error("Microsoft Graph denies {path} with {status} {code}")]
    Denied {
        /// The path without its query.
        path: String,
        /// 401 or 403.
        status: u16,
        /// Graph's error code.
        code: String,
    },
    /// The continuation of a page expired; the collection has to be read from its beginning.
    #[error("the continuation of a page has expired")]
    PageExpired,
    /// Graph no longer knows the delta link; everything has to be read.
    #[error("the delta link is no longer known to Microsoft Graph")]
    LinkRefused,
    /// The tenant's cloud doesn't have what the dataset is read from.
    #[error("the cloud of {base} has no such data")]
    NotInCloud {
        /// The configured root.
        base: String,
    },
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// Another refusal: our request is wrong, or Graph has changed.
    #[error("Microsoft Graph refuses {path} with {status} {code} (request-id {request_id})")]
    Refused {
        /// The path without its query.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Graph's error code.
        code: String,
        /// For a support case.
        request_id: String,
    },
    /// An answer that isn't what Graph documents.
    #[error("the answer of Microsoft Graph to {path} can't be used: {why}")]
    Answer {
        /// The path without its query.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Pages that lead back to where they were, or on and on to nothing.
    #[error("the pages of {path} lead in circles at Microsoft Graph")]
    Circle {
        /// The path without its query.
        path: String,
    },
    /// The tenant has no licence for what the dataset is read from, as far as Graph tells.
    #[error(
        "Microsoft Graph refuses {path} with {status} {code}, as it does where a tenant has no {licence} (request-id {request_id})"
    )]
    Unlicensed {
        /// The path without its query.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Graph's error code.
        code: String,
        /// The licence as Microsoft calls it.
        licence: &'static str,
        /// For a support case.
        request_id: String,
    },
    /// A link that leads elsewhere: no token is sent there.
    #[error("Microsoft Graph named a link to another host than {base}; no token is sent there")]
    ForeignLink {
        /// The configured root.
        base: String,
    },
}

impl GraphError {
    /// The same, where a refusal tells that the tenant lacks the licence: of a request that every tenant with it takes.
    pub fn unlicensed(self, licence: Option<&'static str>) -> Self {
        match (self, licence) {
            (
                GraphError::Refused {
                    path,
                    status: status @ 400,
                    code,
                    request_id,
                },
                Some(licence),
            ) => GraphError::Unlicensed {
                path,
                status,
                code,
                licence,
                request_id,
            },
            (other, _) => other,
        }
    }

    /// What an operator reads.
    pub fn problem(&self) -> Problem {
        let text = runtime::error::Chain(self).to_string();
        let what = format!("{text}.");
        match self {
            GraphError::Token { text, .. } => {
                Problem::told(text).unwrap_or_else(|| Problem::new("LW-2000", text, ""))
            }
            GraphError::Unreachable { .. } => Problem::new(
                "LW-3001",
                what,
                "check the network, the proxy and the tenant's `graph` setting; it is tried again",
            ),
            GraphError::Busy { .. } => {
                Problem::new("LW-3002", what, "nothing: it is tried again later")
            }
            GraphError::UsedUp { .. } => {
                Problem::new("LW-3012", what, "nothing: it goes on by itself then")
            }
            GraphError::Denied { .. } => Problem::new(
                "LW-3003",
                what,
                "grant the dataset's permission to the app registration and consent to it, or leave the dataset out; a later grant is noticed",
            ),
            GraphError::PageExpired | GraphError::NotFound | GraphError::LinkRefused => {
                Problem::new("LW-3004", what, "nothing: it is read again")
            }
            GraphError::Refused { .. } => {
                Problem::new("LW-3005", what, "report it with the request-id")
            }
            GraphError::Answer { .. } => Problem::new(
                "LW-3006",
                what,
                "check that the tenant's `graph` setting names Microsoft Graph; a proxy may have answered",
            ),
            GraphError::NotInCloud { .. } => Problem::new(
                "LW-3009",
                what,
                "take the dataset out of the tenant's `datasets`; the others are read all the same",
            ),
            GraphError::Circle { .. } => Problem::new(
                "LW-3015",
                what,
                "nothing: it is read again from the beginning",
            ),
            GraphError::Unlicensed { .. } => Problem::new(
                "LW-3016",
                what,
                "leave the dataset out, or report it with the request-id if the tenant has the licence; one that comes is noticed",
            ),
            GraphError::ForeignLink { .. } => {
                Problem::new("LW-3007", what, "check the tenant's `graph` setting")
            }
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Inner,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, alias = "innererror", alias = "innerError")]
    inner: Option<Box<Inner>>,
}

/// The code of Graph's error envelope, the deepest one that is known; empty when the body is none.
pub fn code(body: &[u8]) -> String {
    let mut found = String::new();
    let mut next = serde_json::from_slice::<Envelope>(body)
        .ok()
        .map(|e| Box::new(e.error));
    while let Some(inner) = next {
        if let Some(code) = inner
            .code
            .filter(|c| found.is_empty() || KNOWN.contains(&c.as_str()))
        {
            found = code;
        }
        next = inner.inner;
    }
    found
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(80)
        .collect()
}

const KNOWN: [&str; 4] = [
    PAGE_EXPIRED,
    "syncStateNotFound",
    "resyncRequired",
    "Authorization_RequestDenied",
];
const PAGE_EXPIRED: &str = "Directory_ExpiredPageToken";

/// What a final answer that isn't a success means.
pub fn classify(path: &str, status: u16, body: &[u8], request_id: &str) -> GraphError {
    let code = code(body);
    let path = page::path(path);
    match status {
        410 => GraphError::LinkRefused,
        400..=499 if code == "syncStateNotFound" || code == "resyncRequired" => {
            GraphError::LinkRefused
        }
        400 if code == PAGE_EXPIRED => GraphError::PageExpired,
        404 => GraphError::NotFound,
        401 | 403 => GraphError::Denied { path, status, code },
        429 | 500..=599 => GraphError::Busy { status, path },
        _ => GraphError::Refused {
            path,
            status,
            code,
            request_id: request_id.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_deepest_known_code_whatever_the_casing() {
        let body = br#"{"error":{"code":"UnknownError","message":"x","innererror":{"code":"syncStateNotFound"}}}"#;
        assert_eq!(code(body), "syncStateNotFound");
        assert_eq!(
            code(br#"{"error":{"code":"A","innerError":{"code":"whatever"}}}"#),
            "A"
        );
        assert_eq!(code(b"<html>"), "");
        assert!(matches!(
            classify("v1.0/users/delta?x", 400, body, ""),
            GraphError::LinkRefused
        ));
    }

    #[test]
    fn errors_name_the_path_without_its_query() {
        let e = classify("v1.0/users?$filter=secret", 403, b"{}", "");
        assert!(e.to_string().contains("v1.0/users with 403"), "{e}");
        assert!(!e.to_string().contains("secret"));
    }
}
