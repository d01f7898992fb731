//! Users and categories.

use serde_json::{Map, Value, json};

use super::show::{escaped, show_person};
use super::{Person, SnipeIt, error, fields, fits, page, success, text};
use crate::message::{Reply, Request};

impl SnipeIt {
    pub(super) fn list_people(&self, request: &Request) -> Reply {
        let search = request
            .parameter("search")
            .unwrap_or_default()
            .to_lowercase();
        let found = self.people.iter().filter(|person| {
            let about = [
                &person.first_name,
                &person.last_name,
                &person.email,
                &person.username,
                &person.employee_num,
            ];
            let said = about
                .iter()
                .any(|text| text.to_lowercase().contains(&search));
            said && fits(request, "username", &person.username)
                && fits(request, "email", &person.email)
                && fits(request, "employee_num", &person.employee_num)
        });
        page(found.map(show_person).collect(), request)
    }

    pub(super) fn get_person(&self, id: u64) -> Reply {
        match self.people.iter().find(|person| person.id == id) {
            Some(person) => Reply::json(200, &show_person(person)),
            None => error(&json!("User does not exist.")),
        }
    }

    pub(super) fn create_person(&mut self, request: &Request) -> Reply {
        let said = fields(request);
        let mut person = Person::default();
        set(&mut person, &said);
        let mut wrong = self.wrong_with(&person);
        let password = text(&said, "password").unwrap_or_default();
        if password.is_empty() {
            wrong.insert(
                "password".into(),
                json!(["The password field is required."]),
            );
        } else if password.chars().count() < 8 {
            let message = "The password must be at least 8 characters.";
            wrong.insert("password".into(), json!([message]));
        } else if text(&said, "password_confirmation").as_ref() != Some(&password) {
            let message = "The password confirmation does not match.";
            wrong.insert("password".into(), json!([message]));
        }
        if !wrong.is_empty() {
            return error(&Value::Object(wrong));
        }
        person.id = self.id();
        self.log.push(format!("create user {}", person.id));
        let shown = show_person(&person);
        self.people.push(person);
        success("User was successfully created.", &shown)
    }

    pub(super) fn update_person(&mut self, id: u64, request: &Request) -> Reply {
        let Some(at) = self.people.iter().position(|person| person.id == id) else {
            return error(&json!("User does not exist."));
        };
        let mut person = self.people[at].clone();
        set(&mut person, &fields(request));
        let wrong = self.wrong_with(&person);
        if !wrong.is_empty() {
            return error(&Value::Object(wrong));
        }
        if format!("{person:?}") != format!("{:?}", self.people[at]) {
            self.log.push(format!("update user {id}"));
        }
        let shown = show_person(&person);
        self.people[at] = person;
        success("User was successfully updated.", &shown)
    }

    pub(super) fn delete_person(&mut self, id: u64) -> Reply {
        if !self.people.iter().any(|person| person.id == id) {
            return error(&json!("User does not exist."));
        }
        let held = self.licenses.iter().flat_map(|license| &license.seats);
        let held = held.filter(|seat| seat.assigned_to == Some(id)).count();
        if held > 0 {
            return error(&json!(format!(
                "This user still has {held} license seats associated with them."
            )));
        }
        self.people.retain(|person| person.id != id);
        self.log.push(format!("delete user {id}"));
        success("User was successfully deleted.", &Value::Null)
    }

    fn wrong_with(&self, person: &Person) -> Map<String, Value> {
        let mut wrong = Map::new();
        if person.first_name.is_empty() {
            let message = "The first name field is required.";
            wrong.insert("first_name".into(), json!([message]));
        }
        let same = |other: &Person| {
            other.id != person.id && other.username.eq_ignore_ascii_case(&person.username)
        };
        if person.username.is_empty() {
            wrong.insert(
                "username".into(),
                json!(["The username field is required."]),
            );
        } else if self.people.iter().any(same) {
            let message = "The username has already been taken.";
            wrong.insert("username".into(), json!([message]));
        }
        if !person.email.is_empty() && !person.email.contains('@') {
            let message = "The email must be a valid email address.";
            wrong.insert("email".into(), json!([message]));
        }
        wrong
    }

    pub(super) fn list_categories(&self, request: &Request) -> Reply {
        let found = self.categories.iter().filter(|(_, name, kind)| {
            fits(request, "name", name) && fits(request, "category_type", kind)
        });
        page(found.map(show_category).collect(), request)
    }

    pub(super) fn create_category(&mut self, request: &Request) -> Reply {
        let said = fields(request);
        let name = text(&said, "name").unwrap_or_default();
        let kind = text(&said, "category_type")
            .unwrap_or_default()
            .to_lowercase();
        let mut wrong = Map::new();
        let same = |(_, n, k): &(u64, String, String)| n.eq_ignore_ascii_case(&name) && *k == kind;
        if name.is_empty() {
            wrong.insert("name".into(), json!(["The name field is required."]));
        } else if self.categories.iter().any(same) {
            wrong.insert("name".into(), json!(["The name has already been taken."]));
        }
        if !["asset", "accessory", "consumable", "component", "license"].contains(&kind.as_str()) {
            let message = "The selected category type is invalid.";
            wrong.insert("category_type".into(), json!([message]));
        }
        if !wrong.is_empty() {
            return error(&Value::Object(wrong));
        }
        let category = (self.id(), name, kind);
        self.log.push(format!("create category {}", category.0));
        let shown = show_category(&category);
        self.categories.push(category);
        success("Category created successfully.", &shown)
    }
}

fn show_category((id, name, kind): &(u64, String, String)) -> Value {
    json!({ "id": id, "name": escaped(name), "category_type": kind })
}

fn set(person: &mut Person, said: &Map<String, Value>) {
    let fields = [
        ("username", &mut person.username),
        ("first_name", &mut person.first_name),
        ("last_name", &mut person.last_name),
        ("email", &mut person.email),
        ("employee_num", &mut person.employee_num),
    ];
    for (name, field) in fields {
        if let Some(value) = text(said, name) {
            *field = value;
        }
    }
}
