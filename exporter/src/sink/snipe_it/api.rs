//! Requests to Snipe-IT, at the pace that it allows.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::Refusal;
use super::super::masked::masked;
use super::SnipeIt;
use crate::delivery::Rate;
use crate::http::{Http, unpromised};

/// The most rows of a list that it shows (`MAX_RESULTS`).
const PAGE: usize = 500;

/// Why a push ends before it is through: the request after it was not sent.
pub(super) const PACE: &str =
    "at the pace that is configured it takes longer than push_seconds; what was done stays done";

/// The way to one Snipe-IT.
pub(super) struct Api {
    settings: SnipeIt,
    http: Http,
    rate: Mutex<Rate>,
}

/// What it says to a change: what stands there now, or why it doesn't want it.
pub(super) type Said = Result<Value, String>;

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    total: usize,
    rows: Vec<T>,
}

impl Api {
    pub(super) fn new(settings: SnipeIt, http: Http) -> Self {
        let rate = Rate::new(Some(settings.requests_a_minute));
        Api {
            settings,
            http,
            rate: Mutex::new(rate),
        }
    }

    /// Changes something. What is refused comes with status 200.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
        until: Instant,
    ) -> Result<Said, Refusal> {
        let mut answer = match self.send(method, path, &[], Some(body), until).await {
            // One thing is in a request, so that is what is refused.
            Err(Refusal::Permanent { why }) => return Ok(Err(why)),
            Err(Refusal::TooLarge) => return Ok(Err(Refusal::TooLarge.to_string())),
            answer => answer?,
        };
        Ok(match answer["status"].as_str() {
            Some("success") => Ok(answer["payload"].take()),
            Some(_) => {
                let fields = body.as_object().into_iter().flat_map(|b| b.values());
                Err(masked(
                    &messages(&answer["messages"]),
                    fields.filter_map(Value::as_str),
                ))
            }
            None => return Err(unpromised()),
        })
    }

    /// A whole list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filter: &[(&str, &str)],
        until: Instant,
    ) -> Result<Vec<T>, Refusal> {
        let mut all = Vec::new();
        loop {
            let (limit, offset) = (PAGE.to_string(), all.len().to_string());
            let mut query = vec![("limit", limit.as_str()), ("offset", offset.as_str())];
            query.extend(filter);
            let answer = self.send(Method::GET, path, &query, None, until).await?;
            if answer["status"] == "error" {
                let why = format!("it shows no list: {}", messages(&answer["messages"]));
                return Err(Refusal::Transient { why });
            }
            let page: Page<T> = serde_json::from_value(answer).map_err(|_| unpromised())?;
            let came = page.rows.len();
            all.extend(page.rows);
            match all.len().cmp(&page.total) {
                std::cmp::Ordering::Equal => return Ok(all),
                std::cmp::Ordering::Less if came > 0 => {}
                _ => {
                    let why = "its lists change while they are read".to_owned();
                    return Err(Refusal::Transient { why });
                }
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        until: Instant,
    ) -> Result<Value, Refusal> {
        let mut url = self.settings.url.clone();
        // It fails for addresses that can't have paths, which have no host either: `check` refuses those.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            // Whoever doesn't say this is sent to the login.
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, self.token()?)
            .body(body.map(|b| Bytes::from(b.to_string())).unwrap_or_default())
            .map_err(|e| Refusal::Misplaced {
                status: None,
                why: e.to_string(),
            })?;
        self.turn(until).await?;
        let answer = self.http.send(request, until).await?;
        answer.json()
    }

    fn token(&self) -> Result<HeaderValue, Refusal> {
        let file = &self.settings.token_file;
        let unusable = |why: String| Refusal::Unauthorized {
            why: format!("{}: {why}", file.path().display()),
        };
        let token = file.read().map_err(|e| unusable(e.to_string()))?;
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| unusable("it can't be sent in a header".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Waits until a request may go.
    async fn turn(&self, until: Instant) -> Result<(), Refusal> {
        let mut rate = self.rate.lock().await;
        while let Err(wait) = rate.take(Instant::now()) {
            if Instant::now() + wait >= until {
                return Err(Refusal::Transient {
                    why: PACE.to_owned(),
                });
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

/// An answer's text: `messages` is one, or a list of them for each field.
fn messages(messages: &Value) -> String {
    match messages {
        Value::String(text) => plain(text),
        Value::Object(fields) => {
            let field = |(name, texts): (&String, &Value)| {
                let texts = texts.as_array().map_or(&[][..], Vec::as_slice);
                let texts: Vec<_> = texts.iter().filter_map(Value::as_str).collect();
                format!("{name}: {}", plain(&texts.join(" ")))
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            fields.join("; ")
        }
        _ => "it doesn't say why".to_owned(),
    }
}

/// A text as it was before it was escaped for HTML (Laravel's `e()`).
pub(super) fn plain(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    // The ampersand last: what it made of `&lt;` is `&amp;lt;`.
    let escapes = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#039;", "'"),
        ("&amp;", "&"),
    ];
    escapes
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, c)| {
            text.replace(escaped, c)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_what_they_were_before_they_were_escaped() {
        for (escaped, text) in [
            (
                "Zoë &amp; Co &lt;b&gt; &quot;x&quot; O&#039;Hara",
                "Zoë & Co <b> \"x\" O'Hara",
            ),
            ("&amp;lt;", "&lt;"),
            ("&amp;amp;", "&amp;"),
            ("plain", "plain"),
        ] {
            assert_eq!(plain(escaped), text);
        }
    }

    #[test]
    fn messages_name_their_fields() {
        assert_eq!(messages(&json!("Target not found")), "Target not found");
        let fields = json!({ "name": ["a.", "b."], "seats": ["c&#039;s"] });
        assert_eq!(messages(&fields), "name: a. b.; seats: c's");
        assert_eq!(messages(&Value::Null), "it doesn't say why");
    }
}
