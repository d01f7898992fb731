//! Import sets: rows are staged, and a transform map brings them into the target table.

use serde_json::{Map, Value, json};

use super::{Row, ServiceNow, failure, kept};
use crate::clock::Clock;
use crate::message::{Reply, Request};

impl ServiceNow {
    /// Stages many records. Whether they are transformed before the answer is a setting of the instance; the answer is
    /// the same.
    pub(super) fn insert_multiple(
        &mut self,
        staging: &str,
        request: &Request,
        clock: &Clock,
    ) -> Reply {
        if staging != self.transform.staging {
            return failure(400, &format!("Invalid table {staging}"), "");
        }
        let body = request.json();
        let records = body.as_ref().and_then(|body| body["records"].as_array());
        let Some(records) = records else {
            let message = "Exception while reading request";
            return failure(400, message, "The payload is not valid JSON with records.");
        };
        let (set, _) = self.import_set(if self.transform.synchronous {
            "processed"
        } else {
            "loaded"
        });
        for record in records {
            // What is no object has no fields that the table knows.
            let fields = record.as_object().cloned().unwrap_or_default();
            self.stage(&set, &fields);
        }
        if self.transform.synchronous {
            self.transform_set(&set);
        } else {
            let due = clock.millis() + self.takes.as_millis() as i64;
            self.waiting.push((set.clone(), due));
        }
        let multiple = self.sys_id();
        let answer = json!({ "import_set_id": set, "multi_import_set_id": multiple });
        Reply::json(201, &answer)
    }

    /// Stages one record and transforms it.
    pub(super) fn insert(&mut self, staging: &str, request: &Request) -> Reply {
        if staging != self.transform.staging {
            return failure(400, &format!("Invalid table {staging}"), "");
        }
        let Some(Value::Object(record)) = request.json() else {
            return failure(400, "Exception while reading request", "no JSON object");
        };
        let (set, number) = self.import_set("processed");
        let row = self.stage(&set, &record);
        self.transform_set(&set);
        let answer = json!({
            "import_set": number,
            "staging_table": staging,
            "result": [self.outcome(&row)],
        });
        Reply::json(201, &answer)
    }

    /// What became of a staged record.
    pub(super) fn imported(&self, staging: &str, row: &str) -> Reply {
        let there = self.rows(staging).iter().any(|each| each["sys_id"] == row);
        if staging != self.transform.staging || !there {
            let detail = "Record doesn't exist or ACL restricts the record retrieval";
            return failure(404, "No Record found", detail);
        }
        let answer = json!({ "staging_table": staging, "result": [self.outcome(row)] });
        Reply::json(200, &answer)
    }

    fn outcome(&self, row: &str) -> Value {
        let staged = self.rows(&self.transform.staging);
        let Some(row) = staged.iter().find(|each| each["sys_id"] == row) else {
            return Value::Null;
        };
        let (state, target) = (&row["sys_import_state"], &row["sys_target_sys_id"]);
        let mut outcome = json!({
            "transform_map": "Leastwise",
            "table": self.transform.target,
            "status": state,
        });
        let comment = &row["sys_import_state_comment"];
        match state.as_str() {
            "error" => outcome["error_message"] = json!(comment),
            "ignored" | "skipped" => {
                outcome["status_message"] = json!(comment);
                outcome["sys_id"] = json!(row["sys_id"]);
            }
            _ => {
                outcome["display_name"] = json!(self.transform.coalesce);
                outcome["display_value"] =
                    json!(row.get(&self.transform.coalesce).map_or("", String::as_str));
                outcome["sys_id"] = json!(target);
            }
        }
        outcome
    }

    /// Its sys_id and its number.
    fn import_set(&mut self, state: &str) -> (String, String) {
        let id = self.sys_id();
        let sets = self.tables.entry("sys_import_set".to_owned()).or_default();
        let number = format!("ISET{:07}", 10_000 + sets.len());
        let fields = [
            ("sys_id", &*id),
            ("number", &*number),
            ("state", state),
            ("table_name", &*self.transform.staging),
        ];
        sets.push(fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        (id, number)
    }

    fn stage(&mut self, set: &str, record: &Map<String, Value>) -> String {
        let mut row: Row = self
            .transform
            .columns
            .iter()
            .map(|(name, longest)| {
                let value = record.get(name).unwrap_or(&Value::Null);
                (name.clone(), kept(value, *longest))
            })
            .collect();
        let id = self.sys_id();
        let own = [
            ("sys_id", id.as_str()),
            ("sys_import_set", set),
            ("sys_import_state", "pending"),
            ("sys_import_state_comment", ""),
            ("sys_target_table", self.transform.target.as_str()),
            ("sys_target_sys_id", ""),
        ];
        row.extend(own.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let staging = self.transform.staging.clone();
        let rows = self.tables.entry(staging).or_default();
        row.insert("sys_import_row".to_owned(), rows.len().to_string());
        rows.push(row);
        id
    }

    /// Does the transformations that are due.
    pub(super) fn settle(&mut self, clock: &Clock) {
        if self.held {
            return;
        }
        let now = clock.millis();
        let waiting = std::mem::take(&mut self.waiting);
        let (mut due, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, at)| *at <= now);
        self.waiting = later;
        if self.backwards {
            due.reverse();
        }
        for (set, _) in due {
            self.transform_set(&set);
            let sets = self.tables.entry("sys_import_set".to_owned()).or_default();
            for each in sets.iter_mut().filter(|each| each["sys_id"] == set) {
                each.insert("state".to_owned(), "processed".to_owned());
            }
        }
    }

    fn transform_set(&mut self, set: &str) {
        let staging = self.transform.staging.clone();
        // Taken out, so that the rows of the target can be reached.
        let mut rows = self.tables.remove(&staging).unwrap_or_default();
        let pending = rows
            .iter_mut()
            .filter(|row| row["sys_import_set"] == set && row["sys_import_state"] == "pending");
        for row in pending {
            let (state, comment, target) = self.transform_row(row);
            let said = [
                ("sys_import_state", state),
                ("sys_import_state_comment", comment.as_str()),
                ("sys_target_sys_id", target.as_str()),
            ];
            row.extend(said.map(|(k, v)| (k.to_owned(), v.to_owned())));
        }
        self.tables.insert(staging, rows);
    }

    /// The state of the row, a comment, and the sys_id of its target.
    fn transform_row(&mut self, row: &Row) -> (&'static str, String, String) {
        let none = String::new;
        let field = |name: &str| row.get(name).map_or("", String::as_str);
        let key = field(&self.transform.coalesce).to_owned();
        if key.is_empty() {
            let comment = "Row skipped: no value of the coalesce field";
            return ("skipped", comment.to_owned(), none());
        }
        if let Some(message) = self.failing.get(&key) {
            return ("error", message.clone(), none());
        }
        let columns = self.transform.columns.iter().map(|(name, _)| name.clone());
        let values: Row = columns
            .map(|name| (name.clone(), field(&name).to_owned()))
            .collect();
        let (coalesce, closing) = (&self.transform.coalesce, &self.transform.closing);
        let targets = self
            .tables
            .entry(self.transform.target.clone())
            .or_default();
        let Some(target) = targets
            .iter_mut()
            .find(|each| each.get(coalesce) == Some(&key))
        else {
            let id = self.sys_id();
            let mut target = values;
            target.insert("sys_id".to_owned(), id.clone());
            let name = self.transform.target.clone();
            self.tables.entry(name).or_default().push(target);
            return ("inserted", none(), id);
        };
        let id = target["sys_id"].clone();
        if let Some(closing) = closing {
            let number = |row: &Row| row.get(closing).and_then(|n| n.parse::<i128>().ok());
            if number(&values) < number(target) {
                return ("ignored", "Row ignored by script: older".to_owned(), id);
            }
        }
        if values
            .iter()
            .all(|(name, value)| target.get(name) == Some(value))
        {
            return ("ignored", "No field values changed".to_owned(), id);
        }
        target.extend(values);
        ("updated", none(), id)
    }
}
