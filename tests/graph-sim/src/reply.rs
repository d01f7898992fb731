//! Answers and errors, the same for a request of its own and for one in a batch.

use crate::calendar;
use crate::guid::{self, Kind};
use crate::json;
use crate::trouble::Delivery;

/// Content type of Graph's JSON.
pub(crate) const ODATA: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// For the log: objects in the body, and the index of the first user.
    pub(crate) objects: u32,
    pub(crate) first: Option<u32>,
    /// What trouble does to its bytes.
    pub(crate) delivery: Delivery,
}

impl Reply {
    pub(crate) fn json(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: ODATA,
            body,
            headers: Vec::new(),
            objects: 0,
            first: None,
            delivery: Delivery::Whole,
        }
    }

    /// The resource units that it tells.
    pub(crate) fn units(&self) -> u32 {
        let mut told = self
            .headers
            .iter()
            .filter(|(name, _)| *name == "x-ms-resource-unit");
        told.next()
            .and_then(|(_, units)| units.parse().ok())
            .unwrap_or(0)
    }

    pub(crate) fn text(body: String) -> Self {
        Self {
            content_type: "text/plain",
            ..Self::json(body.into_bytes())
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A refusal, in the words of Graph.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Failure {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    pub(crate) fn segment(segment: &str) -> Self {
        Self::new(
            400,
            "BadRequest",
            format!("Resource not found for the segment '{segment}'."),
        )
    }

    pub(crate) fn missing(id: &str) -> Self {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    pub(crate) fn method() -> Self {
        Self::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Graph's envelope.
    pub(crate) fn reply(self, ids: &Ids) -> Reply {
        let mut body = Vec::with_capacity(400);
        body.extend_from_slice(b"{\"error\":{\"code\":");
        json::string(&mut body, &self.code);
        body.extend_from_slice(b",\"message\":");
        json::string(&mut body, &self.message);
        body.extend_from_slice(b",\"innerError\":{\"date\":");
        json::string(&mut body, calendar::text(ids.unix).trim_end_matches('Z'));
        body.extend_from_slice(b",\"request-id\":");
        json::string(&mut body, &ids.request);
        body.extend_from_slice(b",\"client-request-id\":");
        json::string(&mut body, &ids.client);
        body.extend_from_slice(b"}}}");
        Reply {
            status: self.status,
            headers: self.headers,
            content_type: "application/json",
            ..Reply::json(body)
        }
    }
}

/// The names of one request.
pub(crate) struct Ids {
    pub(crate) request: String,
    pub(crate) client: String,
    pub(crate) unix: u64,
}

impl Ids {
    pub(crate) fn new(key: u64, seq: u64, client: Option<&str>, unix: u64) -> Self {
        let request = guid::text(guid::of(key, Kind::Request, seq));
        Self {
            client: client.unwrap_or(&request).to_owned(),
            request,
            unix,
        }
    }
}
