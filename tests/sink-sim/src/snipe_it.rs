//! Snipe-IT as far as licences, their seats, users and categories go.
//!
//! After its source and its interface's documentation (<https://snipe-it.readme.io/reference>): what it refuses it answers
//! with status 200 and an error inside, texts in its answers are escaped for HTML, lists show 50 rows and at most 500, and
//! 120 requests a minute is the end (`API_THROTTLE_PER_MINUTE`).

mod licenses;
mod people;
mod show;

use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::message::{Reply, Request};
use crate::oauth::bearer;
use crate::sim::Vendor;

/// Laravel counts by fixed minutes, from the first request on.
const MINUTE: i64 = 60_000;

/// A user.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Given by the system.
    pub id: u64,
    /// Unique.
    pub username: String,
    /// Required.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub employee_num: String,
}

/// A seat of a licence.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// Given by the system.
    pub id: u64,
    /// The user who has it.
    pub assigned_to: Option<u64>,
    /// What was noted with it.
    pub notes: String,
}

/// A licence with its seats.
#[derive(Clone, Debug, Default)]
pub struct License {
    /// Given by the system.
    pub id: u64,
    /// All fields that it has got, but for `seats`.
    pub fields: Map<String, Value>,
    /// Its seats.
    pub seats: Vec<Seat>,
}

/// The system.
pub struct SnipeIt {
    token: String,
    licenses: Vec<License>,
    people: Vec<Person>,
    /// Id, name and kind.
    categories: Vec<(u64, String, String)>,
    per_minute: u64,
    /// When the minute began, and how many requests came in it.
    minute: (i64, u64),
    given: u64,
    /// What was changed, a line each: what Snipe-IT keeps in its action log.
    log: Vec<String>,
}

impl SnipeIt {
    /// Without anything but one category of licences, which has id 1.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            licenses: Vec::new(),
            people: Vec::new(),
            categories: vec![(1, "Misc Software".to_owned(), "license".to_owned())],
            per_minute: 120,
            minute: (0, 0),
            given: 1,
            log: Vec::new(),
        }
    }

    /// How many requests a minute takes.
    pub fn set_throttle(&mut self, per_minute: u64) {
        self.per_minute = per_minute;
    }

    /// Takes another token from now on.
    pub fn set_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// The licences.
    pub fn licenses(&self) -> &[License] {
        &self.licenses
    }

    /// The users.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// What was changed, in its order. A change to the same is none.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// Adds a user, as a person in front of the system would. Returns the id.
    pub fn add_person(&mut self, username: &str, email: &str, employee_num: &str) -> u64 {
        let id = self.id();
        self.people.push(Person {
            id,
            username: username.to_owned(),
            first_name: username.to_owned(),
            email: email.to_owned(),
            employee_num: employee_num.to_owned(),
            ..Person::default()
        });
        id
    }

    /// Lets a user hold a seat, or nobody, as a person in front of the system would. False if there is no such seat.
    pub fn assign(&mut self, seat: u64, to: Option<u64>) -> bool {
        let mut seats = self.licenses.iter_mut().flat_map(|l| &mut l.seats);
        let found = seats.find(|each| each.id == seat);
        found.map(|seat| seat.assigned_to = to).is_some()
    }

    fn id(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// Counts a request; how many are left in this minute, or the seconds until the next.
    fn throttle(&mut self, clock: &Clock) -> Result<u64, i64> {
        let now = clock.millis();
        if now - self.minute.0 >= MINUTE {
            self.minute = (now, 0);
        }
        if self.minute.1 >= self.per_minute {
            return Err((self.minute.0 + MINUTE - now + 999) / 1000);
        }
        self.minute.1 += 1;
        Ok(self.per_minute - self.minute.1)
    }

    fn route(&mut self, request: &Request) -> Reply {
        let path = request.segments();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let ["api", "v1", path @ ..] = path.as_slice() else {
            return not_here();
        };
        let id = |text: &str| text.parse::<u64>().unwrap_or_default();
        let put = matches!(request.method.as_str(), "PUT" | "PATCH");
        match (request.method.as_str(), path) {
            ("GET", ["licenses"]) => self.list_licenses(request),
            ("POST", ["licenses"]) => self.create_license(request),
            ("GET", ["licenses", license]) => self.get_license(id(license)),
            (_, ["licenses", license]) if put => self.update_license(id(license), request),
            ("DELETE", ["licenses", license]) => self.delete_license(id(license)),
            ("GET", ["licenses", license, "seats"]) => self.list_seats(id(license), request),
            ("GET", ["licenses", license, "seats", seat]) => self.get_seat(id(license), id(seat)),
            (_, ["licenses", license, "seats", seat]) if put => {
                self.update_seat(id(license), id(seat), request)
            }
            ("GET", ["users"]) => self.list_people(request),
            ("POST", ["users"]) => self.create_person(request),
            ("GET", ["users", user]) => self.get_person(id(user)),
            (_, ["users", user]) if put => self.update_person(id(user), request),
            ("DELETE", ["users", user]) => self.delete_person(id(user)),
            ("GET", ["categories"]) => self.list_categories(request),
            ("POST", ["categories"]) => self.create_category(request),
            _ => not_here(),
        }
    }
}

impl Vendor for SnipeIt {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        let json = request
            .header("accept")
            .is_some_and(|a| a.contains("application/json"));
        if bearer(request) != Some(self.token.as_str()) {
            // A browser is sent to the login, and so is everybody who does not ask for JSON.
            return match json {
                true => self.refusal(401),
                false => Reply::empty(302).header("location", "/login"),
            };
        }
        match self.throttle(clock) {
            Ok(left) => self
                .route(request)
                .header("x-ratelimit-limit", &self.per_minute.to_string())
                .header("x-ratelimit-remaining", &left.to_string()),
            Err(seconds) => self
                .refusal(429)
                .header("x-ratelimit-limit", &self.per_minute.to_string())
                .header("x-ratelimit-remaining", "0")
                .header("retry-after", &seconds.to_string()),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        let answer = match status {
            401 => json!({ "error": "Unauthorized or unauthenticated." }),
            429 => json!({ "message": "Too Many Attempts." }),
            413 => {
                // The web server in front of it refuses, and speaks HTML.
                let mut reply = Reply::empty(413).header("content-type", "text/html");
                reply.body = "<html><h1>413 Request Entity Too Large</h1></html>".into();
                return reply;
            }
            _ => json!({ "message": "Server Error" }),
        };
        Reply::json(status, &answer)
    }
}

fn not_here() -> Reply {
    let answer =
        json!({ "status": "error", "messages": "404 endpoint not found.", "payload": null });
    Reply::json(404, &answer)
}

/// What went well.
fn success(message: &str, payload: &Value) -> Reply {
    let answer = json!({ "status": "success", "messages": message, "payload": payload });
    Reply::json(200, &answer)
}

/// What did not, with status 200 all the same.
fn error(messages: &Value) -> Reply {
    let answer = json!({ "status": "error", "messages": messages, "payload": null });
    Reply::json(200, &answer)
}

/// The fields of a body: JSON, or a form.
fn fields(request: &Request) -> Map<String, Value> {
    match request.json() {
        Some(Value::Object(fields)) => fields,
        _ => request
            .form()
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect(),
    }
}

/// A page of a list.
fn page(rows: Vec<Value>, request: &Request) -> Reply {
    page_of(rows, request, |row| row)
}

/// The same of a list that may be long: only its page is shown.
fn page_of<T>(rows: Vec<T>, request: &Request, show: impl FnMut(T) -> Value) -> Reply {
    let limit = request.number("limit").unwrap_or(50).clamp(1, 500);
    let offset = request.number("offset").unwrap_or(0);
    let total = rows.len();
    // Behind the end it begins anew.
    let offset = if offset > total { 0 } else { offset };
    let page = rows.into_iter().skip(offset).take(limit);
    let rows: Vec<Value> = page.map(show).collect();
    Reply::json(200, &json!({ "total": total, "rows": rows }))
}

/// A field as text; numbers are texts in forms.
fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().to_owned()),
        other => Some(other.to_string()),
    }
}

/// Whether a text fits the filter of a list; without one, each does.
fn fits(request: &Request, filter: &str, value: &str) -> bool {
    // The database compares without regard to case.
    let wanted = request
        .parameter(filter)
        .filter(|wanted| !wanted.is_empty());
    wanted.is_none_or(|wanted| wanted.to_lowercase() == value.to_lowercase())
}
