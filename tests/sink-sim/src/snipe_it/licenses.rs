//! Licences and their seats.

use serde_json::{Map, Value, json};

use super::show::number;
use super::{License, Seat, SnipeIt, error, fields, fits, page, page_of, success, text};
use crate::message::{Reply, Request};

/// How many seats one change may add or take away (the rule `limit_change`).
const LIMIT_CHANGE: u64 = 10_000;
/// What a licence keeps; the rest of a request is dropped, as Laravel drops what is not fillable.
const FILLABLE: [&str; 18] = [
    "category_id",
    "company_id",
    "expiration_date",
    "license_email",
    "license_name",
    "maintained",
    "manufacturer_id",
    "min_amt",
    "name",
    "notes",
    "order_number",
    "purchase_cost",
    "purchase_date",
    "purchase_order",
    "reassignable",
    "serial",
    "supplier_id",
    "termination_date",
];

impl SnipeIt {
    pub(super) fn list_licenses(&self, request: &Request) -> Reply {
        let search = request
            .parameter("search")
            .unwrap_or_default()
            .to_lowercase();
        let found = self.licenses.iter().filter(|license| {
            let of = |name: &str| text(&license.fields, name).unwrap_or_default();
            let about = ["name", "serial", "order_number", "purchase_order", "notes"];
            about
                .iter()
                .any(|name| of(name).to_lowercase().contains(&search))
                && fits(request, "name", &of("name"))
                && fits(request, "order_number", &of("order_number"))
                && fits(request, "purchase_order", &of("purchase_order"))
                && fits(request, "product_key", &of("serial"))
                && fits(request, "category_id", &of("category_id"))
        });
        page(
            found.map(|license| self.show_license(license)).collect(),
            request,
        )
    }

    pub(super) fn get_license(&self, id: u64) -> Reply {
        match self.licenses.iter().find(|license| license.id == id) {
            Some(license) => Reply::json(200, &self.show_license(license)),
            None => error(&json!("License does not exist.")),
        }
    }

    pub(super) fn create_license(&mut self, request: &Request) -> Reply {
        let said = fields(request);
        let mut license = License::default();
        fill(&mut license.fields, &said);
        let seats = said.get("seats");
        if let Err(wrong) = self.wrong_with_license(&license, seats) {
            return error(&wrong);
        }
        license.id = self.id();
        let seats = seats.and_then(number).unwrap_or_default();
        license.seats = (0..seats).map(|_| self.seat()).collect();
        self.log.push(format!("create license {}", license.id));
        let shown = self.show_license(&license);
        self.licenses.push(license);
        success("License was successfully created.", &shown)
    }

    pub(super) fn update_license(&mut self, id: u64, request: &Request) -> Reply {
        let Some(at) = self.licenses.iter().position(|license| license.id == id) else {
            return error(&json!("License does not exist."));
        };
        let said = fields(request);
        let mut license = self.licenses[at].clone();
        fill(&mut license.fields, &said);
        let had = license.seats.len() as u64;
        let now = json!(had);
        let seats = said.get("seats").unwrap_or(&now);
        if let Err(wrong) = self.wrong_with_license(&license, Some(seats)) {
            return error(&wrong);
        }
        let wanted = number(seats).unwrap_or(had);
        for _ in had..wanted {
            let seat = self.seat();
            license.seats.push(seat);
        }
        for _ in wanted..had {
            let free = license
                .seats
                .iter()
                .rposition(|seat| seat.assigned_to.is_none());
            let Some(free) = free else {
                let message = "There are not enough free seats to take away.";
                return error(&json!({ "seats": [message] }));
            };
            license.seats.remove(free);
        }
        if license.fields != self.licenses[at].fields || wanted != had {
            self.log.push(format!("update license {id}"));
        }
        let shown = self.show_license(&license);
        self.licenses[at] = license;
        success("License was successfully updated.", &shown)
    }

    pub(super) fn delete_license(&mut self, id: u64) -> Reply {
        let Some(license) = self.licenses.iter().find(|license| license.id == id) else {
            return error(&json!("License does not exist."));
        };
        if license.seats.iter().any(|seat| seat.assigned_to.is_some()) {
            return error(&json!(
                "This license is currently checked out to a user and cannot be deleted. Please check your licenses in first."
            ));
        }
        self.licenses.retain(|license| license.id != id);
        self.log.push(format!("delete license {id}"));
        success("The license was deleted successfully.", &Value::Null)
    }

    pub(super) fn list_seats(&self, id: u64, request: &Request) -> Reply {
        let Some(license) = self.licenses.iter().find(|license| license.id == id) else {
            return error(&json!("License does not exist."));
        };
        let seats = license.seats.iter().enumerate().collect();
        page_of(seats, request, |(at, seat)| {
            self.show_seat(license, seat, at + 1)
        })
    }

    pub(super) fn get_seat(&self, id: u64, seat: u64) -> Reply {
        match self.find_seat(id, seat) {
            Ok((license, at)) => {
                let license = &self.licenses[license];
                let shown = self.show_seat(license, &license.seats[at], at + 1);
                Reply::json(200, &shown)
            }
            Err(why) => error(&json!(why)),
        }
    }

    pub(super) fn update_seat(&mut self, id: u64, seat: u64, request: &Request) -> Reply {
        let (license, at) = match self.find_seat(id, seat) {
            Ok(found) => found,
            Err(why) => return error(&json!(why)),
        };
        let said = fields(request);
        if said.get("asset_id").is_some_and(|asset| !asset.is_null()) {
            return error(&json!("Target not found"));
        }
        let before = self.licenses[license].seats[at].clone();
        let mut after = before.clone();
        match said.get("assigned_to") {
            None => {}
            Some(Value::Null) => after.assigned_to = None,
            Some(to) => {
                let to = number(to).filter(|to| self.people.iter().any(|p| p.id == *to));
                let Some(to) = to else {
                    return error(&json!("Target not found"));
                };
                after.assigned_to = Some(to);
            }
        }
        if let Some(notes) = text(&said, "notes") {
            after.notes = notes;
        }
        if after.assigned_to != before.assigned_to {
            let what = if after.assigned_to.is_some() {
                "checkout"
            } else {
                "checkin"
            };
            self.log.push(format!("{what} seat {seat}"));
        }
        self.licenses[license].seats[at] = after;
        let license = &self.licenses[license];
        let shown = self.show_seat(license, &license.seats[at], at + 1);
        success("License was successfully updated.", &shown)
    }

    /// The positions of a licence and of one of its seats.
    fn find_seat(&self, id: u64, seat: u64) -> Result<(usize, usize), &'static str> {
        let license = self.licenses.iter().position(|license| license.id == id);
        let license = license.ok_or("License does not exist.")?;
        let of = |license: &License| license.seats.iter().position(|each| each.id == seat);
        match of(&self.licenses[license]) {
            Some(at) => Ok((license, at)),
            None if self.licenses.iter().any(|license| of(license).is_some()) => {
                Err("Seat does not belong to the specified license")
            }
            None => Err("Seat not found"),
        }
    }

    fn seat(&mut self) -> Seat {
        Seat {
            id: self.id(),
            ..Seat::default()
        }
    }

    fn wrong_with_license(&self, license: &License, seats: Option<&Value>) -> Result<(), Value> {
        let mut wrong = Map::new();
        let name = text(&license.fields, "name").unwrap_or_default();
        match name.chars().count() {
            0 => drop(wrong.insert("name".into(), json!(["The name field is required."]))),
            1..=2 => {
                let message = "The name must be at least 3 characters.";
                wrong.insert("name".into(), json!([message]));
            }
            3..=255 => {}
            _ => {
                let message = "The name must not be greater than 255 characters.";
                wrong.insert("name".into(), json!([message]));
            }
        }
        let had = license.seats.len() as u64;
        let (least, most) = (had.saturating_sub(LIMIT_CHANGE).max(1), had + LIMIT_CHANGE);
        match seats.map(number) {
            None => drop(wrong.insert("seats".into(), json!(["The seats field is required."]))),
            Some(None) => {
                let message = "The seats must be an integer.";
                wrong.insert("seats".into(), json!([message]));
            }
            Some(Some(0)) => {
                drop(wrong.insert("seats".into(), json!(["The seats must be at least 1."])))
            }
            Some(Some(n)) if n < least || n > most => {
                let message = format!("The seats must be between {least} and {most}.");
                wrong.insert("seats".into(), json!([message]));
            }
            Some(Some(_)) => {}
        }
        let category = license.fields.get("category_id").and_then(number);
        match category {
            None => {
                let message = "The category id field is required.";
                wrong.insert("category_id".into(), json!([message]));
            }
            Some(id) if !self.categories.iter().any(|(known, ..)| *known == id) => {
                let message = "The selected category id is invalid.";
                wrong.insert("category_id".into(), json!([message]));
            }
            Some(_) => {}
        }
        let email = text(&license.fields, "license_email").unwrap_or_default();
        if !email.is_empty() && !email.contains('@') {
            let message = "The license email must be a valid email address.";
            wrong.insert("license_email".into(), json!([message]));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Value::Object(wrong)),
        }
    }
}

fn fill(fields: &mut Map<String, Value>, said: &Map<String, Value>) {
    for name in FILLABLE {
        if let Some(value) = said.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}
