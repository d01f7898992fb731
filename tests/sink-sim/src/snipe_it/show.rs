//! How records look in answers: Snipe-IT's transformers.

use serde_json::{Map, Value, json};

use super::{License, Person, Seat, SnipeIt};

/// Laravel's `e()`.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#039;"),
            c => out.push(c),
        }
    }
    out
}

impl SnipeIt {
    pub(super) fn show_license(&self, license: &License) -> Value {
        let text = |name: &str| match license.fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => json!(escaped(text)),
            _ => Value::Null,
        };
        let date = |name: &str| match license.fields.get(name) {
            Some(Value::String(date)) if !date.is_empty() => {
                json!({ "date": date, "formatted": date })
            }
            _ => Value::Null,
        };
        let free = license
            .seats
            .iter()
            .filter(|seat| seat.assigned_to.is_none());
        let free = free.count();
        let category = license.fields.get("category_id").and_then(number);
        let category = self
            .categories
            .iter()
            .find(|(id, ..)| Some(*id) == category);
        json!({
            "id": license.id,
            "name": text("name"),
            "company": null,
            "manufacturer": null,
            "product_key": text("serial"),
            "order_number": text("order_number"),
            "purchase_order": text("purchase_order"),
            "purchase_date": date("purchase_date"),
            "expiration_date": date("expiration_date"),
            "termination_date": date("termination_date"),
            "purchase_cost": license.fields.get("purchase_cost"),
            "notes": text("notes"),
            "seats": license.seats.len(),
            "free_seats_count": free,
            "remaining": free,
            "license_name": text("license_name"),
            "license_email": text("license_email"),
            "reassignable": flag(&license.fields, "reassignable"),
            "maintained": flag(&license.fields, "maintained"),
            "category": category.map(|(id, name, _)| json!({ "id": id, "name": escaped(name) })),
            "user_can_checkout": free > 0,
        })
    }

    pub(super) fn show_seat(&self, license: &License, seat: &Seat, number: usize) -> Value {
        let holder = seat.assigned_to;
        let holder = holder.and_then(|id| self.people.iter().find(|person| person.id == id));
        json!({
            "id": seat.id,
            "license_id": license.id,
            "name": format!("Seat {number}"),
            "assigned_user": holder.map(|person| json!({
                "id": person.id,
                "name": full_name(person),
                "email": escaped(&person.email),
            })),
            "assigned_asset": null,
            "location": null,
            "reassignable": flag(&license.fields, "reassignable"),
            "notes": escaped(&seat.notes),
            "user_can_checkout": seat.assigned_to.is_none(),
        })
    }
}

pub(super) fn show_person(person: &Person) -> Value {
    json!({
        "id": person.id,
        "name": full_name(person),
        "first_name": escaped(&person.first_name),
        "last_name": escaped(&person.last_name),
        "username": escaped(&person.username),
        "employee_num": escaped(&person.employee_num),
        "email": escaped(&person.email),
    })
}

fn full_name(person: &Person) -> String {
    let name = format!("{} {}", person.first_name, person.last_name);
    escaped(name.trim())
}

fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    match fields.get(name) {
        Some(Value::Bool(set)) => *set,
        Some(Value::Null) | None => false,
        Some(other) => number(other) == Some(1),
    }
}

/// A whole number, also as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
