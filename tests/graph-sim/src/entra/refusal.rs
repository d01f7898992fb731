//! What Entra answers when it refuses: OAuth's error (RFC 6749 section 5.2) with an AADSTS number and its text.

use serde_json::json;

use crate::calendar;
use crate::reply::{Ids, Reply};

/// An error of one of Entra's endpoints.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) code: u32,
    pub(crate) message: String,
    /// What it is in particular, for the few errors that say so.
    pub(crate) suberror: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(
        status: u16,
        error: &'static str,
        code: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error,
            code,
            message: message.into(),
            suberror: None,
        }
    }

    /// The request is not as it should be.
    pub(crate) fn request(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", code, message)
    }

    /// The client is not who it says.
    pub(crate) fn client(code: u32, message: impl Into<String>) -> Self {
        Self::new(401, "invalid_client", code, message)
    }

    /// What the client holds is good no more, or never was.
    pub(crate) fn grant(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_grant", code, message)
    }

    /// A parameter is not there.
    pub(crate) fn lacks(name: &str) -> Self {
        let message = format!("The request body must contain the following parameter: '{name}'.");
        Self::request(900_144, message)
    }

    /// Another method than the endpoint takes.
    pub(crate) fn method(taken: &str, method: &str) -> Self {
        let message =
            format!("The endpoint only accepts {taken} requests. Received a {method} request.");
        Self::new(405, "invalid_request", 900_561, message)
    }

    /// There is no such tenant.
    pub(crate) fn tenant(name: &str) -> Self {
        Self::request(
            90_002,
            format!(
                "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
            ),
        )
    }

    pub(crate) fn suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    /// The text with its names, as `error_description` has it.
    pub(crate) fn description(&self, ids: &Ids) -> String {
        let Self { code, message, .. } = self;
        let (trace, correlation) = (&ids.request, &ids.client);
        let timestamp = timestamp(ids);
        format!(
            "AADSTS{code}: {message}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}"
        )
    }

    /// Entra's error body.
    pub(crate) fn reply(self, ids: &Ids) -> Reply {
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(ids),
            "error_codes": [self.code],
            "timestamp": timestamp(ids),
            "trace_id": ids.request,
            "correlation_id": ids.client,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        let mut reply = json_reply(&body);
        reply.status = self.status;
        reply
    }
}

fn timestamp(ids: &Ids) -> String {
    calendar::text(ids.unix).replace('T', " ")
}

/// JSON as Entra sends it.
pub(crate) fn json_reply(body: &serde_json::Value) -> Reply {
    let mut reply = Reply::json(body.to_string().into_bytes());
    reply.content_type = "application/json; charset=utf-8";
    reply.header("cache-control", "no-store, no-cache")
}
