//! Snow Atlas as far as licences, who they are assigned to, and accounts to assign them to go. What Prism can't do is here: it
//! keeps what it was told.
//!
//! After the vendor's OpenAPI documents (`SnowSoftware/snowatlas-integrations`, `licenses.yaml` 1.7.0 and
//! `useraccounts.json` 1.0.0) and its page on client credentials. Every region's host is like this one.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::message::{Reply, Request};
use crate::oauth::{Credentials, Denied, Tokens};
use crate::sim::Vendor;

/// The fields of a request about a licence; it may have no others (`additionalProperties` is false).
const FIELDS: [&str; 37] = [
    "agreementId",
    "applicationId",
    "autoAllocateOnce",
    "assignmentTypeId",
    "externalId",
    "invoiceReference",
    "isAutoAllocated",
    "isCrossEdition",
    "isCrossPlatform",
    "isDowngrade",
    "isSubscription",
    "isUpgrade",
    "quantity",
    "licenseKeys",
    "licenseProofLocation",
    "maintenanceAccordingToAgreement",
    "mediaStorage",
    "metricId",
    "notes",
    "organizationId",
    "productDescription",
    "purchaseDate",
    "purchaseValue",
    "purchaseCurrency",
    "sku",
    "subscriptionValidFrom",
    "subscriptionValidTo",
    "vendor",
    "upgrades",
    "maintenancePeriods",
    "computerAssignments",
    "datacenterAssignments",
    "organizationAssignments",
    "userAssignments",
    "siteAssignment",
    "hasVmUseRights",
    "numberOfSupportedVirtualMachines",
];
/// What a licence is incomplete without, and is taken all the same.
const COMPLETE: [&str; 4] = [
    "applicationId",
    "metricId",
    "assignmentTypeId",
    "purchaseDate",
];

/// A licence.
#[derive(Clone, Debug)]
pub struct AtlasLicense {
    /// Given by the system.
    pub id: String,
    /// As it was written last.
    pub fields: Map<String, Value>,
    /// The accounts that it is assigned to, each with the assignment's id.
    pub users: Vec<(String, String)>,
}

/// The system of a region.
pub struct SnowAtlas {
    tokens: Tokens,
    licenses: Vec<AtlasLicense>,
    /// Id, user name and e-mail address.
    accounts: Vec<(String, String, String)>,
    given: u64,
}

impl SnowAtlas {
    /// Without anything.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            tokens: Tokens::new(credentials, Duration::from_secs(3_600)),
            licenses: Vec::new(),
            accounts: Vec::new(),
            given: 0,
        }
    }

    /// The licences.
    pub fn licenses(&self) -> &[AtlasLicense] {
        &self.licenses
    }

    /// Adds an account, as an inventory of a domain does. Returns its id.
    pub fn add_account(&mut self, user_name: &str, email: &str) -> String {
        let id = self.guid();
        self.accounts
            .push((id.clone(), user_name.to_owned(), email.to_owned()));
        id
    }

    /// Forgets a licence, as a person in front of the system would.
    pub fn remove_license(&mut self, id: &str) {
        self.licenses.retain(|license| license.id != id);
    }

    /// Takes other credentials from now on, and no token that was given out.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        self.tokens.credentials = credentials;
        self.tokens.revoke();
    }

    fn guid(&mut self) -> String {
        self.given += 1;
        format!("{:08x}-80dc-475a-907f-2d250a3a8614", self.given)
    }

    fn token(&mut self, request: &Request, clock: &Clock) -> Reply {
        match self.tokens.grant(request, clock) {
            Ok((access, _)) => {
                let answer = json!({
                    "access_token": access,
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
                Reply::json(400, &json!({ "error": error }))
            }
        }
    }

    fn create(&mut self, request: &Request, clock: &Clock) -> Reply {
        let fields = match checked(request) {
            Ok(fields) => fields,
            Err(why) => return failure(400, &why),
        };
        let mut license = AtlasLicense {
            id: self.guid(),
            fields,
            users: Vec::new(),
        };
        if let Err(why) = self.assign(&mut license) {
            return failure(400, &why);
        }
        let shown = show(&license, clock);
        self.licenses.push(license);
        Reply::json(201, &shown)
    }

    /// Replaces all fields: what the request does not name is no more.
    fn replace(&mut self, at: usize, request: &Request, clock: &Clock) -> Reply {
        let fields = match checked(request) {
            Ok(fields) => fields,
            Err(why) => return failure(400, &why),
        };
        let mut license = self.licenses[at].clone();
        license.fields = fields;
        if let Err(why) = self.assign(&mut license) {
            return failure(400, &why);
        }
        let shown = show(&license, clock);
        self.licenses[at] = license;
        Reply::json(200, &shown)
    }

    /// Takes the assignments that a licence's own fields name.
    fn assign(&mut self, license: &mut AtlasLicense) -> Result<(), String> {
        let Some(users) = license
            .fields
            .remove("userAssignments")
            .filter(|u| !u.is_null())
        else {
            return Ok(());
        };
        license.users = self.assignments(license, &users)?;
        Ok(())
    }

    fn assignments(
        &mut self,
        license: &AtlasLicense,
        wanted: &Value,
    ) -> Result<Vec<(String, String)>, String> {
        let wanted = wanted.as_array().ok_or("the assignments are no list")?;
        let mut users: Vec<(String, String)> = Vec::new();
        for each in wanted {
            let user = each["userId"].as_str().unwrap_or_default();
            if !self.accounts.iter().any(|(id, ..)| id == user) {
                return Err(format!("User with ID '{user}' not found."));
            }
            if users.iter().any(|(known, _)| known == user) {
                return Err(format!("User with ID '{user}' is there twice."));
            }
            // An assignment that stays keeps its id.
            let before = license.users.iter().find(|(known, _)| known == user);
            let id = before
                .map(|(_, id)| id.clone())
                .unwrap_or_else(|| self.guid());
            users.push((user.to_owned(), id));
        }
        Ok(users)
    }

    fn route(&mut self, request: &Request, path: &[&str], clock: &Clock) -> Reply {
        let method = request.method.as_str();
        let at = |id: &str| self.licenses.iter().position(|license| license.id == id);
        match (method, path) {
            ("GET", ["sam", "v1", "licenses"]) => {
                let found = self.licenses.iter().map(|license| show(license, clock));
                page(found.collect(), request)
            }
            ("POST", ["sam", "v1", "licenses"]) => self.create(request, clock),
            (_, ["sam", "v1", "licenses", id, rest @ ..]) => match at(id) {
                None => failure(404, &format!("Resource with ID '{id}' not found.")),
                Some(at) => self.license(at, request, rest, clock),
            },
            ("GET", ["sam", "estate", "v1", "user-accounts"]) => {
                let found = self.accounts.iter().map(|(id, name, email)| {
                    json!({ "id": id, "userName": name, "status": "Active", "email": email, "_links": [] })
                });
                page(found.collect(), request)
            }
            ("GET", ["sam", "estate", "v1", "user-accounts-discovery"]) => {
                let found = self.accounts.iter().map(|(id, name, email)| {
                    json!({ "objectId": id, "samAccountName": name, "email": email, "_links": [] })
                });
                page(found.collect(), request)
            }
            _ => failure(404, "Resource not found."),
        }
    }

    fn license(&mut self, at: usize, request: &Request, rest: &[&str], clock: &Clock) -> Reply {
        match (request.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, &show(&self.licenses[at], clock)),
            ("PUT", []) => self.replace(at, request, clock),
            ("DELETE", []) => {
                self.licenses.remove(at);
                Reply::empty(204)
            }
            ("GET", ["assignments", "users"]) => page(assigned(&self.licenses[at]), request),
            ("PUT", ["assignments", "users"]) => {
                let wanted = request.json().unwrap_or_default();
                let license = self.licenses[at].clone();
                match self.assignments(&license, &wanted) {
                    Ok(users) => {
                        self.licenses[at].users = users;
                        page(assigned(&self.licenses[at]), request)
                    }
                    Err(why) => failure(400, &why),
                }
            }
            ("DELETE", ["assignments", "users"]) => {
                self.licenses[at].users.clear();
                Reply::empty(204)
            }
            _ => failure(404, "Resource not found."),
        }
    }
}

impl Vendor for SnowAtlas {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        let path = request.segments();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["idp", "api", "connect", "token"] => self.token(request, clock),
            _ if !self.tokens.admit(request, clock) => self.refusal(401),
            ["api", path @ ..] => self.route(request, path, clock),
            _ => failure(404, "Resource not found."),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        match status {
            401 => Reply::empty(401).header("www-authenticate", "Bearer"),
            413 => failure(413, "The request is too large."),
            429 => failure(429, "Too many requests."),
            _ => failure(
                status,
                "The service encountered an unexpected condition that prevented it from fulfilling the request.",
            ),
        }
    }
}

fn failure(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": status, "message": message } }),
    )
}

/// The fields of a request about a licence.
fn checked(request: &Request) -> Result<Map<String, Value>, String> {
    let Some(Value::Object(fields)) = request.json() else {
        return Err("Bad Request: the body is no JSON object.".to_owned());
    };
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("Bad Request: {name} is no field of a license."));
    }
    if fields
        .get("quantity")
        .is_some_and(|n| !n.is_null() && n.as_i64().is_none_or(|n| n < 0))
    {
        return Err("Bad Request: quantity is no whole number.".to_owned());
    }
    let guids = [
        "organizationId",
        "applicationId",
        "metricId",
        "assignmentTypeId",
        "agreementId",
    ];
    for name in guids {
        let wrong = |value: &&Value| !value.is_null() && !value.as_str().is_some_and(is_guid);
        if fields.get(name).filter(wrong).is_some() {
            return Err(format!("Bad Request: {name} is no GUID."));
        }
    }
    Ok(fields)
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn show(license: &AtlasLicense, clock: &Clock) -> Value {
    let mut shown = Value::Object(license.fields.clone());
    let missing = |name: &&str| license.fields.get(*name).is_none_or(Value::is_null);
    shown["id"] = json!(license.id);
    shown["isIncomplete"] = json!(COMPLETE.iter().any(missing));
    shown["updatedDate"] = json!(clock.text());
    shown["status"] = json!("active");
    shown["_links"] = json!([]);
    shown
}

fn assigned(license: &AtlasLicense) -> Vec<Value> {
    let users = license.users.iter();
    let shown = users.map(|(user, id)| {
        json!({ "id": id, "licenseId": license.id, "userId": user, "quantity": 1, "_links": [] })
    });
    shown.collect()
}

/// A page of those that the filter lets through.
fn page(rows: Vec<Value>, request: &Request) -> Reply {
    let rows = match request.parameter("filter").map(Filter::read) {
        None => rows,
        Some(None) => return failure(400, "Bad Request: the filter is improperly formed."),
        Some(Some(filter)) => rows.into_iter().filter(|row| filter.takes(row)).collect(),
    };
    let number = |name: &str, otherwise| match request.parameter(name) {
        None => Some(otherwise),
        Some(text) => text.parse::<usize>().ok().filter(|n| *n > 0),
    };
    let (Some(page), Some(size)) = (number("page_number", 1), number("page_size", 100)) else {
        return failure(400, "Bad Request: page_number and page_size begin with 1.");
    };
    let total = rows.len();
    let items: Vec<Value> = rows
        .into_iter()
        .skip((page - 1) * size)
        .take(size)
        .collect();
    let answer = json!({
        "items": items,
        "pagination": {
            "page_size": size,
            "page_number": page,
            "total_pages": total.div_ceil(size),
            "total_items": total,
        },
        "_links": [],
    });
    Reply::json(200, &answer)
}

/// `externalId -eq "contoso:SPE_E5"`
struct Filter {
    field: String,
    operator: String,
    value: String,
}

impl Filter {
    fn read(text: &str) -> Option<Self> {
        let (field, rest) = text.trim().split_once(' ')?;
        let (operator, value) = rest.trim().split_once(' ')?;
        let value = value.trim();
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap_or(value);
        let known = ["-eq", "-ne", "-contains", "-startswith", "-endswith"];
        known.contains(&operator).then(|| Self {
            field: field.to_owned(),
            operator: operator.to_owned(),
            value: value.to_lowercase(),
        })
    }

    fn takes(&self, row: &Value) -> bool {
        let is = row[&self.field].as_str().unwrap_or_default().to_lowercase();
        match self.operator.as_str() {
            "-eq" => is == self.value,
            "-ne" => is != self.value,
            "-contains" => is.contains(&self.value),
            "-startswith" => is.starts_with(&self.value),
            _ => is.ends_with(&self.value),
        }
    }
}
