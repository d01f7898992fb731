//! A receiver of CloudEvents 1.0 by HTTP, in structured mode and in batches (JSON), that checks a signature and takes each
//! event once.
//!
//! After the specifications "CloudEvents", "JSON Event Format" and "HTTP Protocol Binding", 1.0.2, with all that these
//! say with MUST. A request with one event that is none is refused as a whole.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::message::{Reply, Request};
use crate::sim::Vendor;

/// How requests are signed: HMAC-SHA-256 over timestamp, a dot and the body, in hexadecimal digits.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The key.
    pub secret: Vec<u8>,
    /// The header that has the signature, after `sha256=` or alone. Without `timestamp` it has both, as
    /// `t=TIMESTAMP,v1=SIGNATURE`; several `v1` are several tries.
    pub header: String,
    /// The header that has the timestamp, in seconds since 1970.
    pub timestamp: Option<String>,
    /// How far the timestamp may be from now.
    pub tolerance: Duration,
}

/// The receiver and what it has taken.
#[derive(Default)]
pub struct Webhook {
    signed: Option<Signed>,
    events: Vec<Value>,
    /// The position in `events` by source and id.
    taken: HashMap<(String, String), usize>,
    duplicates: u64,
    contradictions: Vec<(Value, Value)>,
}

impl Webhook {
    /// Takes what is signed so; without it, everything.
    pub fn new(signed: Option<Signed>) -> Self {
        Self {
            signed,
            ..Self::default()
        }
    }

    /// The events, each once, in the order in which they came first.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// How many events came that had been taken before.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Pairs of events that say something else under the same source and id, which no two events may.
    pub fn contradictions(&self) -> &[(Value, Value)] {
        &self.contradictions
    }

    /// Checks signatures by another key from now on.
    pub fn set_secret(&mut self, secret: &[u8]) {
        if let Some(signed) = &mut self.signed {
            signed.secret = secret.to_vec();
        }
    }

    fn take(&mut self, event: Value) {
        let name = |what: &str| event[what].as_str().unwrap_or_default().to_owned();
        let key = (name("source"), name("id"));
        match self.taken.get(&key) {
            None => {
                self.taken.insert(key, self.events.len());
                self.events.push(event);
            }
            Some(before) => {
                self.duplicates += 1;
                let before = &self.events[*before];
                if *before != event {
                    self.contradictions.push((before.clone(), event));
                }
            }
        }
    }
}

impl Vendor for Webhook {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        if request.method != "POST" {
            return problem(405, "only POST is taken").header("allow", "POST");
        }
        if let Some(signed) = &self.signed
            && let Err(why) = signed.check(request, clock)
        {
            return problem(401, why);
        }
        let batch = match request.media_type().as_str() {
            "application/cloudevents+json" => false,
            "application/cloudevents-batch+json" => true,
            _ => return problem(415, "neither one event nor a batch of them in JSON"),
        };
        let Some(body) = request.json() else {
            return problem(400, "the body is no JSON");
        };
        let events = match (batch, body) {
            (false, event) => vec![event],
            (true, Value::Array(events)) => events,
            (true, _) => return problem(400, "a batch is an array"),
        };
        for event in &events {
            if let Err(why) = valid(event) {
                return problem(400, &why);
            }
        }
        for event in events {
            self.take(event);
        }
        Reply::empty(202)
    }

    fn refusal(&self, status: u16) -> Reply {
        problem(status, "refused")
    }
}

impl Signed {
    fn check(&self, request: &Request, clock: &Clock) -> Result<(), &'static str> {
        let told = request
            .header(&self.header)
            .ok_or("there is no signature")?;
        let (time, signatures) = match &self.timestamp {
            Some(header) => {
                let time = request.header(header).ok_or("there is no timestamp")?;
                (time, vec![told.strip_prefix("sha256=").unwrap_or(told)])
            }
            None => {
                let of = |wanted: &str| -> Vec<&str> {
                    let parts = told.split(',').filter_map(|part| part.split_once('='));
                    parts
                        .filter(|(name, _)| *name == wanted)
                        .map(|(_, v)| v)
                        .collect()
                };
                let [time] = of("t")[..] else {
                    return Err("there is not one timestamp");
                };
                (time, of("v1"))
            }
        };
        let seconds: i64 = time.parse().map_err(|_| "the timestamp is no number")?;
        let off = (clock.millis() / 1000 - seconds).unsigned_abs();
        if off > self.tolerance.as_secs() {
            return Err("the timestamp is too far from now");
        }
        let message = [time.as_bytes(), b".", &request.body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let right = |signature: &&str| {
            unhex(signature).is_some_and(|tag| hmac::verify(&key, &message, &tag).is_ok())
        };
        match signatures.iter().any(right) {
            true => Ok(()),
            false => Err("the signature is wrong"),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}

/// Whether it is an event, or why not.
fn valid(event: &Value) -> Result<(), String> {
    let event = event.as_object().ok_or("an event is an object")?;
    // "When decoding attributes and a null value is encountered, it MUST be treated as the equivalent of unset."
    let set = event
        .iter()
        .filter(|(name, value)| *name == "data" || !value.is_null());
    let event: Map<String, Value> = set.map(|(n, v)| (n.clone(), v.clone())).collect();
    let event = &event;
    if text(event, "specversion")? != "1.0" {
        return Err("specversion is not 1.0".to_owned());
    }
    for name in ["id", "source", "type"] {
        text(event, name)?;
    }
    for name in ["subject", "dataschema", "datacontenttype", "time"] {
        if event.contains_key(name) {
            text(event, name)?;
        }
    }
    let time = event.get("time").and_then(Value::as_str);
    if time.is_some_and(|time| DateTime::parse_from_rfc3339(time).is_err()) {
        return Err("time is none of RFC 3339".to_owned());
    }
    if event.contains_key("data") && event.contains_key("data_base64") {
        return Err("there are data and data_base64".to_owned());
    }
    for (name, value) in event {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if name != "data_base64" && !name.chars().all(lower) {
            return Err(format!("{name} is no name of an attribute"));
        }
        if name != "data" && (value.is_object() || value.is_array()) {
            return Err(format!("{name} is no value of an attribute"));
        }
    }
    Ok(())
}

fn text<'a>(event: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let value = event.get(name).and_then(Value::as_str);
    let filled = value.filter(|value| !value.is_empty());
    filled.ok_or_else(|| format!("{name} is missing, empty or no text"))
}

fn problem(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "error": why }))
}
