//! A ServiceNow instance as far as import sets and reading tables go.
//!
//! After ServiceNow's pages "Import Set API", "Table API", "Transform maps" and "OAuth", and what its users report of
//! `insertMultiple`: by default it answers before anything is transformed, and its answer says nothing about the rows
//! (<https://www.servicenow.com/community/architect-forum/insertmultiple-import-set-api/td-p/2442022>). Where the pages
//! say nothing, the instance does what would hurt most: it cuts off what is longer than its column, drops fields that it
//! does not know, and drops conditions on them.

mod import;
mod query;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::message::{Reply, Request};
use crate::oauth::{Credentials, Denied, Tokens};
use crate::sim::Vendor;

/// A row of a table: ServiceNow's values are texts.
pub(crate) type Row = BTreeMap<String, String>;

/// `glide.rest.max_content_length` of a new instance.
const LONGEST_BODY: usize = 10 * 1024 * 1024;

/// A staging table and the transform map that brings its rows into a target table. Columns of the same name are mapped.
#[derive(Clone, Debug)]
pub struct Transform {
    /// The staging table.
    pub staging: String,
    /// Its columns, each with the characters that it holds.
    pub columns: Vec<(String, usize)>,
    /// The target table.
    pub target: String,
    /// The column on which rows coalesce.
    pub coalesce: String,
    /// The column of the closing number, if a script of the map ignores a row that is older than its target.
    pub closing: Option<String>,
    /// Whether a record in `sys_rest_insert_multiple` makes `insertMultiple` synchronous.
    pub synchronous: bool,
}

/// The instance.
pub struct ServiceNow {
    tokens: Tokens,
    transform: Transform,
    tables: HashMap<String, Vec<Row>>,
    /// Import sets that wait for their transformation, each with the moment it is due at.
    waiting: Vec<(String, i64)>,
    takes: Duration,
    held: bool,
    backwards: bool,
    /// Keys whose rows fail, each with the message.
    failing: HashMap<String, String>,
    given: u64,
}

impl ServiceNow {
    /// An instance with empty tables.
    pub fn new(credentials: Credentials, transform: Transform) -> Self {
        let names = [&transform.staging, &transform.target];
        let own = ["sys_import_set".to_owned(), "sys_user".to_owned()];
        let tables = names.into_iter().cloned().chain(own);
        Self {
            // An access token of a new OAuth registry entry is good for half an hour.
            tokens: Tokens::new(credentials, Duration::from_secs(1_800)),
            tables: tables.map(|name| (name, Vec::new())).collect(),
            transform,
            waiting: Vec::new(),
            takes: Duration::ZERO,
            held: false,
            backwards: false,
            failing: HashMap::new(),
            given: 0,
        }
    }

    /// The rows of a table, in the order of their insertion.
    pub fn rows(&self, table: &str) -> &[BTreeMap<String, String>] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The rows of the target table.
    pub fn target(&self) -> &[BTreeMap<String, String>] {
        self.rows(&self.transform.target)
    }

    /// Puts a row into a table, as somebody else would; `sys_user`, for one.
    pub fn put(&mut self, table: &str, fields: &[(&str, &str)]) {
        let own = fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let mut row: Row = own.collect();
        row.insert("sys_id".to_owned(), self.sys_id());
        self.tables.entry(table.to_owned()).or_default().push(row);
    }

    /// Empties a table, as the restoration of an old instance would.
    pub fn empty(&mut self, table: &str) {
        self.tables.insert(table.to_owned(), Vec::new());
    }

    /// How long an asynchronous transformation takes by the simulator's clock. It is done by the first request after.
    pub fn transformation_takes(&mut self, time: Duration) {
        self.takes = time;
    }

    /// Lets asynchronous transformations wait, or go on.
    pub fn hold_transformations(&mut self, held: bool) {
        self.held = held;
    }

    /// Transforms import sets that wait together in the opposite order: nothing promises that they keep theirs.
    pub fn transform_backwards(&mut self, backwards: bool) {
        self.backwards = backwards;
    }

    /// Lets the transformation of rows with this key fail.
    pub fn fail(&mut self, key: &str, message: &str) {
        self.failing.insert(key.to_owned(), message.to_owned());
    }

    /// Lets no transformation fail.
    pub fn fail_nothing(&mut self) {
        self.failing.clear();
    }

    /// Takes other credentials from now on, and no token that was given out.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        self.tokens.credentials = credentials;
        self.tokens.revoke();
    }

    fn sys_id(&mut self) -> String {
        self.given += 1;
        // 32 hexadecimal digits that don't look like a row's number.
        let spread = u128::from(self.given).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        format!("{spread:032x}")
    }

    fn token(&mut self, request: &Request, clock: &Clock) -> Reply {
        match self.tokens.grant(request, clock) {
            Ok((access, refresh)) => {
                let answer = json!({
                    "access_token": access,
                    "refresh_token": refresh,
                    "scope": "useraccount",
                    "token_type": "Bearer",
                    "expires_in": self.tokens.lifetime(),
                });
                Reply::json(200, &answer)
            }
            Err(denied) => {
                let error = match denied {
                    Denied::Malformed => "invalid_request",
                    Denied::UnknownGrant => "unsupported_grant_type",
                    Denied::WrongClient | Denied::WrongRefresh => "server_error",
                };
                let answer = json!({ "error_description": "access_denied", "error": error });
                Reply::json(401, &answer)
            }
        }
    }
}

impl Vendor for ServiceNow {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        self.settle(clock);
        let path = request.segments();
        let mut path: Vec<&str> = path.iter().map(String::as_str).collect();
        if path == ["oauth_token.do"] {
            return match request.method.as_str() {
                "POST" => self.token(request, clock),
                _ => failure(405, "Method not supported", ""),
            };
        }
        if !self.tokens.admit(request, clock) {
            return self.refusal(401);
        }
        // A version of the interface may be named: /api/now/v2/table.
        if path
            .get(2)
            .is_some_and(|part| part.starts_with('v') && part.len() == 2)
        {
            path.remove(2);
        }
        let method = request.method.as_str();
        match (method, path.as_slice()) {
            _ if request.body.len() > LONGEST_BODY => self.refusal(413),
            ("POST", ["api", "now", "import", staging, "insertMultiple"]) => {
                self.insert_multiple(staging, request, clock)
            }
            ("POST", ["api", "now", "import", staging]) => self.insert(staging, request),
            ("GET", ["api", "now", "import", staging, row]) => self.imported(staging, row),
            ("GET", ["api", "now", "table", table]) => self.list(table, request),
            ("GET", ["api", "now", "table", table, id]) => self.get(table, id, request),
            (_, ["api", "now", "table", ..]) => {
                let detail = "ACL Exception Insert Failed due to security constraints";
                failure(403, "Operation Failed", detail)
            }
            _ => failure(
                400,
                "Requested URI does not represent any resource",
                &request.path,
            ),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        match status {
            401 => failure(
                401,
                "User Not Authenticated",
                "Required to provide Auth information",
            )
            .header("www-authenticate", "BASIC realm=\"Service-now\""),
            413 => failure(
                413,
                "Request body is too large",
                "glide.rest.max_content_length",
            ),
            429 => failure(429, "Rate limit exceeded", "Too many requests"),
            _ => failure(
                status,
                "Transaction cancelled",
                "maximum execution time exceeded",
            ),
        }
    }
}

fn failure(status: u16, message: &str, detail: &str) -> Reply {
    let answer = json!({
        "error": { "message": message, "detail": detail },
        "status": "failure",
    });
    Reply::json(status, &answer)
}

/// A field of a record as a column keeps it.
fn kept(value: &Value, longest: usize) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().take(longest).collect()
}
