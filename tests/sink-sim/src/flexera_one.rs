//! Flexera One SaaS Management as far as import jobs go: files that are written once, and jobs that load them.
//!
//! After Flexera's OpenAPI document (`flexera-public/unified-openapi`, saas v1) and its pages on the payloads
//! (<https://developer.flexera.com>). The document says that a checksum is "base64-encoded" while its pattern and its
//! example are hexadecimal digits: the pattern counts here. What a second file of the same name is answered is not
//! documented; here it is a 409.

mod jobs;
mod load;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::message::{Reply, Request};
use crate::oauth::{Credentials, Denied, Tokens};
use crate::sim::Vendor;
use jobs::Job;

/// A file, on the main hosts.
const LONGEST_FILE: usize = 10 * 1024 * 1024;
/// Characters of a file's name.
const LONGEST_NAME: usize = 150;

/// A file that was announced.
#[derive(Clone, Debug)]
pub struct SaasData {
    /// Given by the system.
    pub id: String,
    /// Unique in the organisation.
    pub name: String,
    /// What was uploaded, unpacked; none until then.
    pub content: Option<Bytes>,
    /// Of what was uploaded, as it came.
    pub checksum: String,
    /// Whether it came packed.
    pub gzip: bool,
    created: String,
}

/// An organisation.
pub struct FlexeraOne {
    org: u64,
    tokens: Tokens,
    files: Vec<SaasData>,
    jobs: Vec<Job>,
    /// By application and `uniqueId`.
    roster: BTreeMap<(String, String), Value>,
    /// By application and `eventId`.
    consumption: BTreeMap<(String, String), Value>,
    /// What the next job fails with, though its files are good.
    failure: Option<String>,
    held: bool,
    given: u64,
}

impl FlexeraOne {
    /// An organisation without data.
    pub fn new(org: u64, credentials: Credentials) -> Self {
        Self {
            org,
            tokens: Tokens::new(credentials, Duration::from_secs(3_600)),
            files: Vec::new(),
            jobs: Vec::new(),
            roster: BTreeMap::new(),
            consumption: BTreeMap::new(),
            failure: None,
            held: false,
            given: 0,
        }
    }

    /// The users of an application by `uniqueId`, those with a `deactivatedAt` among them.
    pub fn roster(&self, app: &str) -> BTreeMap<&str, &Value> {
        let of = self.roster.iter().filter(|((of, _), _)| of == app);
        of.map(|((_, id), user)| (id.as_str(), user)).collect()
    }

    /// The consumption of an application by `eventId`.
    pub fn consumption(&self, app: &str) -> BTreeMap<&str, &Value> {
        let of = self.consumption.iter().filter(|((of, _), _)| of == app);
        of.map(|((_, id), event)| (id.as_str(), event)).collect()
    }

    /// The files, in the order in which they were announced.
    pub fn files(&self) -> &[SaasData] {
        &self.files
    }

    /// The jobs' ids and states, in the order in which they were made.
    pub fn jobs(&self) -> Vec<(&str, &str)> {
        let jobs = self.jobs.iter();
        jobs.map(|job| (job.id.as_str(), job.status.as_str()))
            .collect()
    }

    /// Lets the next job fail with this error after its files were uploaded.
    pub fn fail_next_job(&mut self, error: &str) {
        self.failure = Some(error.to_owned());
    }

    /// Lets jobs stay where they are, or go on. After 24 hours they fail.
    pub fn hold_jobs(&mut self, held: bool) {
        self.held = held;
    }

    /// Takes other credentials from now on, and no token that was given out.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        self.tokens.credentials = credentials;
        self.tokens.revoke();
    }

    /// Forgets users and consumption, as the restoration of an old state would.
    pub fn forget_loaded(&mut self) {
        self.roster.clear();
        self.consumption.clear();
    }

    fn number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    fn token(&mut self, request: &Request, clock: &Clock) -> Reply {
        match self.tokens.grant(request, clock) {
            Ok((access, refresh)) => {
                let answer = json!({
                    "access_token": access,
                    "refresh_token": refresh,
                    "token_type": "Bearer",
                    "expires_in": self.tokens.lifetime(),
                });
                Reply::json(200, &answer)
            }
            Err(denied) => {
                let error = match denied {
                    Denied::Malformed => "invalid_request",
                    Denied::UnknownGrant => "unsupported_grant_type",
                    Denied::WrongClient => "invalid_client",
                    Denied::WrongRefresh => "invalid_grant",
                };
                let status = if denied == Denied::WrongClient {
                    401
                } else {
                    400
                };
                Reply::json(status, &json!({ "error": error }))
            }
        }
    }

    fn create_file(&mut self, request: &Request, clock: &Clock) -> Reply {
        let body = request.json().unwrap_or_default();
        let Some(name) = body["fileName"].as_str().filter(|name| !name.is_empty()) else {
            return fault(400, "missing_field", "\"fileName\" is missing from body");
        };
        if name.chars().count() > LONGEST_NAME {
            return fault(400, "invalid_length", "fileName is longer than 150");
        }
        if self.files.iter().any(|file| file.name == name) {
            return fault(409, "saasdata_conflict", "the file name must be unique");
        }
        let id = format!("{:08x}-7c3a-4172-bcce-e96b9927fa07", self.number());
        self.files.push(SaasData {
            id: id.clone(),
            name: name.to_owned(),
            content: None,
            checksum: String::new(),
            gzip: false,
            created: clock.text(),
        });
        let location = format!("/saas/v1/orgs/{}/saas-data/{id}", self.org);
        Reply::empty(201).header("location", &location)
    }

    fn upload(&mut self, id: &str, request: &Request) -> Reply {
        let Some(file) = self.files.iter_mut().find(|file| file.id == id) else {
            return fault(404, "saasdata_not_found", "SaasData object is not found.");
        };
        if file.content.is_some() {
            let why = "File cannot be uploaded as this object is locked.";
            return fault(423, "saasdata_locked", why);
        }
        if request.body.len() > LONGEST_FILE {
            return fault(413, "request_too_large", "a file has 10 MB at most");
        }
        if request.header("content-type") != Some("application/json") {
            return fault(
                400,
                "invalid_enum_value",
                "Content-Type must be application/json",
            );
        }
        let gzip = match request.header("content-encoding") {
            None => false,
            Some("gzip") => true,
            Some(_) => return fault(400, "invalid_enum_value", "Content-Encoding must be gzip"),
        };
        let Some(checksum) = request.header("checksum") else {
            return fault(400, "missing_field", "\"Checksum\" is missing from header");
        };
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if checksum.len() != 32 || !checksum.chars().all(digit) {
            let why = "Checksum must match the regexp \"^[a-f0-9]{32}$\"";
            return fault(400, "invalid_pattern", why);
        }
        let is: String = Md5::digest(&request.body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        if is != checksum {
            return fault(
                422,
                "unprocessable_entity",
                "the checksum is not that of the file",
            );
        }
        let mut content = Vec::new();
        if !gzip {
            content.extend_from_slice(&request.body);
        } else if MultiGzDecoder::new(&request.body[..])
            .read_to_end(&mut content)
            .is_err()
        {
            return fault(422, "unprocessable_entity", "the file is no gzip");
        }
        file.content = Some(content.into());
        checksum.clone_into(&mut file.checksum);
        file.gzip = gzip;
        Reply::empty(204)
    }
}

impl Vendor for FlexeraOne {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        self.expire_jobs(clock);
        let path = request.segments();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        if (method, path.as_slice()) == ("POST", ["oidc", "token"].as_slice()) {
            return self.token(request, clock);
        }
        if !self.tokens.admit(request, clock) {
            return self.refusal(401);
        }
        let ["saas", "v1", "orgs", org, path @ ..] = path.as_slice() else {
            return fault(404, "not_found", "404 page not found");
        };
        if *org != self.org.to_string() {
            return fault(
                403,
                "forbidden",
                "the token is not affiliated with the organization",
            );
        }
        match (method, path) {
            ("POST", ["saas-data"]) => self.create_file(request, clock),
            ("GET", ["saas-data"]) => {
                let files: Vec<Value> = self.files.iter().map(SaasData::show).collect();
                Reply::json(200, &json!({ "count": files.len(), "values": files }))
            }
            ("GET", ["saas-data", id]) => match self.files.iter().find(|file| file.id == *id) {
                Some(file) => Reply::json(200, &file.show()),
                None => fault(404, "saasdata_not_found", "SaaD data object is not found."),
            },
            ("PATCH", ["saas-data", id]) => self.upload(id, request),
            ("POST", ["import-jobs"]) => self.create_job(request, clock),
            ("GET", ["import-jobs"]) => self.list_jobs(),
            ("GET", ["import-jobs", id]) => self.poll_job(id, clock),
            _ => fault(404, "not_found", "404 page not found"),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        match status {
            401 => fault(
                401,
                "unauthorized",
                "the token is missing, wrong or expired",
            ),
            413 => fault(413, "request_too_large", "request body too large"),
            429 => fault(429, "too_many_requests", "rate limit exceeded"),
            _ => fault(
                status,
                "internal_error",
                "something went wrong in the server",
            ),
        }
    }
}

impl SaasData {
    fn show(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "status": if self.content.is_some() { "uploaded" } else { "pending" },
            "checksum": self.checksum,
            "contentType": "application/json",
            "contentEncoding": if self.gzip { "gzip" } else { "" },
            "createdAt": self.created,
            "modifiedAt": self.created,
        })
    }
}

/// An error as Goa writes it.
fn fault(status: u16, name: &str, message: &str) -> Reply {
    let answer = json!({
        "name": name,
        "id": "8eb9MqVy",
        "message": message,
        "temporary": matches!(status, 429 | 503),
        "timeout": status == 504,
        "fault": status >= 500,
    });
    Reply::json(status, &answer).header("content-type", "application/vnd.goa.error")
}
