//! Requests and answers as a vendor sees them: whole.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path, still escaped.
    pub path: String,
    /// What is behind the question mark, unescaped, in its order.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Bytes,
}

impl Request {
    /// A header's text; none if there is none, or if it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// A parameter of the query as a number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.parameter(name)?.parse().ok()
    }

    /// The parts of the path between slashes, unescaped.
    pub fn segments(&self) -> Vec<String> {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        parts.map(unescaped).collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as a form's fields.
    pub fn form(&self) -> Vec<(String, String)> {
        let fields = url::form_urlencoded::parse(&self.body);
        fields
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect()
    }

    /// The media type of the body, in lower case and without parameters.
    pub fn media_type(&self) -> String {
        let media = self.header("content-type").unwrap_or_default();
        media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase()
    }
}

/// `%41` is `A`; a plus is a plus in a path.
fn unescaped(part: &str) -> String {
    let text = part.replace('+', "%2B").replace('&', "%26");
    let text = format!("x={text}");
    let parsed = url::form_urlencoded::parse(text.as_bytes()).next();
    parsed.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// With a body of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        let mut reply = Self::empty(status).header("content-type", "application/json");
        reply.body = body.to_string().into();
        reply
    }

    /// With a header more, or another value of it. What is no header's text is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A request that came, and what became of it.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it had come, in milliseconds since 1970 by the simulator's clock.
    pub at: i64,
    /// What was asked.
    pub request: Request,
    /// The status it was answered with; none if it got no answer.
    pub status: Option<u16>,
    /// Whether the vendor saw it. A fault may have come before.
    pub seen: bool,
}
