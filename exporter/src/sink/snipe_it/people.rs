//! Users: found where they are there already, or created and kept up to date.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::super::Refusal;
use super::People;
use super::api::Said;
use super::known::Person;
use super::push::{Push, no_id};
use super::rows::Holder;

impl Push<'_> {
    /// The id of a user, created or brought up to date where people are.
    pub(super) async fn person(
        &mut self,
        key: &str,
        holder: &Holder,
    ) -> Result<Result<u64, String>, Refusal> {
        if self.settings.people == People::Match {
            let found = holder
                .found_by
                .as_deref()
                .and_then(|text| self.known.found(text));
            return Ok(found.map(|p| p.id).ok_or_else(|| {
                let (theirs, ours) = self.settings.match_by.fields();
                format!("there is no user, or more than one, whose `{theirs}` is its `{ours}`")
            }));
        }
        if let Some(ours) = self.known.ours(key) {
            let (id, wanted) = (ours.id, person(ours.id, key, holder));
            if *ours == wanted {
                return Ok(Ok(id));
            }
            let body = fields(&wanted);
            let path = ["users", &id.to_string()];
            let said = self
                .api
                .change(Method::PATCH, &path, &body, self.until)
                .await?;
            return Ok(said.map(|_| {
                self.known.put(wanted);
                id
            }));
        }
        // Somebody else's: he gets his seats and is left as he is.
        if let Some(theirs) = self.known.found(&holder.username) {
            return Ok(Ok(theirs.id));
        }
        let mut wanted = person(0, key, holder);
        let mut body = fields(&wanted);
        let password = password()?;
        body["password"] = password.as_str().into();
        body["password_confirmation"] = password.into();
        body["activated"] = false.into();
        let said = self
            .api
            .change(Method::POST, &["users"], &body, self.until)
            .await?;
        let payload = match said {
            Ok(payload) => payload,
            Err(why) => return Ok(Err(why)),
        };
        wanted.id = payload["id"].as_u64().ok_or_else(no_id)?;
        let id = wanted.id;
        self.known.put(wanted);
        Ok(Ok(id))
    }

    /// Deletes a user whom we created.
    pub(super) async fn remove_person(&mut self, key: &str) -> Result<Said, Refusal> {
        let ours = self.known.ours(key).map(|p| p.id);
        let Some(id) = ours.filter(|_| self.settings.people == People::Create) else {
            return Ok(Ok(Value::Null));
        };
        let path = ["users", &id.to_string()];
        let said = self
            .api
            .change(Method::DELETE, &path, &json!({}), self.until)
            .await?;
        if said.is_ok() {
            self.known.take(id);
        }
        Ok(said)
    }
}

/// A user whom we create.
fn person(id: u64, key: &str, holder: &Holder) -> Person {
    Person {
        id,
        username: holder.username.clone(),
        first_name: holder.first_name.clone(),
        last_name: holder.last_name.clone(),
        email: holder.email.clone(),
        employee_num: key.to_owned(),
    }
}

fn fields(person: &Person) -> Value {
    json!({
        "username": person.username,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "employee_num": person.employee_num,
    })
}

/// Nobody's: it is kept nowhere.
fn password() -> Result<String, Refusal> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Refusal::Transient {
        why: "this machine gives no random numbers".to_owned(),
    })?;
    // What rules for passwords may ask for stands before it.
    let random = STANDARD.encode(bytes);
    Ok(format!("Aa1!{random}"))
}
