//! Licences: created, brought up to date, with as many seats as they need, and taken away.

use http::Method;
use serde_json::{Value, json};

use super::super::Refusal;
use super::api::Said;
use super::known;
use super::push::{Push, no_id};
use super::rows::{self, Licence, natural};

/// The most seats that one change may add or take away (the rule `limit_change`).
const MOST_SEATS_AT_ONCE: u64 = 10_000;

impl Push<'_> {
    /// A licence of this name, created where it is missing. Its seats come later.
    pub(super) async fn licence(
        &mut self,
        sku: &str,
        wanted: &Licence,
    ) -> Result<Result<u64, String>, Refusal> {
        let Some(there) = self.known.licences.get(sku) else {
            return self.create_licence(sku, wanted).await;
        };
        let id = there.id;
        if there.name == wanted.name && there.notes == wanted.notes && there.reassignable {
            return Ok(Ok(id));
        }
        let body = json!({ "name": wanted.name, "notes": wanted.notes, "reassignable": true });
        let path = ["licenses", &id.to_string()];
        let said = self
            .api
            .change(Method::PATCH, &path, &body, self.until)
            .await?;
        Ok(said.map(|_| {
            if let Some(there) = self.known.licences.get_mut(sku) {
                (there.name, there.notes) = (wanted.name.clone(), wanted.notes.clone());
                there.reassignable = true;
            }
            id
        }))
    }

    pub(super) async fn create_licence(
        &mut self,
        sku: &str,
        wanted: &Licence,
    ) -> Result<Result<u64, String>, Refusal> {
        let seats = wanted
            .units
            .clamp(1, self.settings.most_seats.min(MOST_SEATS_AT_ONCE));
        let mut body = json!({
            "name": wanted.name,
            "seats": seats,
            "category_id": self.settings.category_id,
            "order_number": natural(self.tenant, sku),
            "notes": wanted.notes,
            "reassignable": true,
        });
        if let Some(manufacturer) = self.settings.manufacturer_id {
            body["manufacturer_id"] = manufacturer.into();
        }
        let said = self
            .api
            .change(Method::POST, &["licenses"], &body, self.until)
            .await?;
        let payload = match said {
            Ok(payload) => payload,
            Err(why) => return Ok(Err(why)),
        };
        let id = payload["id"].as_u64().ok_or_else(no_id)?;
        let licence = known::Licence {
            id,
            name: wanted.name.clone(),
            order_number: natural(self.tenant, sku),
            notes: wanted.notes.clone(),
            total: seats,
            reassignable: true,
            seats: None,
            taken: 0,
        };
        self.known.licences.insert(sku.to_owned(), licence);
        Ok(Ok(id))
    }

    /// As many seats as there are units, but never fewer than are held and `more`, and at least one.
    pub(super) async fn fit(&mut self, sku: &str, more: u64) -> Result<Said, Refusal> {
        let Some(licence) = self.known.licences.get_mut(sku) else {
            return Ok(Ok(Value::Null));
        };
        licence.read_seats(self.api, self.until).await?;
        let units = rows::units(&licence.notes).unwrap_or(licence.total);
        let wanted = units
            .min(self.settings.most_seats)
            .max(licence.held() + more)
            .max(1);
        while licence.total != wanted {
            let least = licence.total.saturating_sub(MOST_SEATS_AT_ONCE);
            let next = wanted.clamp(least, licence.total + MOST_SEATS_AT_ONCE);
            let path = ["licenses", &licence.id.to_string()];
            let body = json!({ "seats": next });
            let said = self
                .api
                .change(Method::PATCH, &path, &body, self.until)
                .await?;
            if said.is_err() {
                return Ok(said);
            }
            // Which seats came or went only their list tells.
            (licence.total, licence.seats) = (next, None);
        }
        licence.read_seats(self.api, self.until).await?;
        Ok(Ok(Value::Null))
    }

    /// Takes a licence away, and our people off it. One on which others sit is refused there.
    pub(super) async fn remove_licence(&mut self, sku: &str) -> Result<Said, Refusal> {
        let prefix = natural(self.tenant, "");
        let Some(licence) = self.known.licences.get(sku) else {
            return Ok(Ok(Value::Null));
        };
        let path = ["licenses".to_owned(), licence.id.to_string()];
        let ours: Vec<_> = licence
            .seats()
            .iter()
            .enumerate()
            .filter(|(_, s)| s.holder.is_some() && s.notes.starts_with(&prefix))
            .map(|(place, _)| place)
            .collect();
        for place in ours {
            let said = self.sit(sku, place, None).await?;
            if said.is_err() {
                return Ok(said);
            }
        }
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let said = self
            .api
            .change(Method::DELETE, &path, &json!({}), self.until)
            .await?;
        if said.is_ok() {
            self.known.licences.remove(sku);
        }
        Ok(said)
    }
}
