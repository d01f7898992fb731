//! What a job does with its files.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Value, json};

use super::FlexeraOne;
use crate::clock::Clock;

/// Errors that a job tells; there may be as many as lines.
const TOLD: usize = 100;
const ROSTER: [&str; 5] = ["uniqueId", "email", "firstName", "lastName", "activatedAt"];
const CONSUMPTION: [&str; 5] = [
    "eventId",
    "sourceInstanceId",
    "sourceIdentifier",
    "sourceType",
    "occurredAt",
];

impl FlexeraOne {
    /// Loads the files of a job, all of them or nothing.
    pub(super) fn load(&mut self, at: usize, clock: &Clock) -> Result<(), Vec<String>> {
        let job = &self.jobs[at];
        let (app, full) = (job.app.clone(), job.load == "full");
        let mut errors = Vec::new();
        let mut lines = Vec::new();
        for name in &job.names {
            let file = self.files.iter().find(|file| file.name == *name);
            match file.and_then(|file| file.content.as_ref()) {
                None => errors.push(format!("{name}: no file of this name was uploaded")),
                Some(content) => read(name, content, &mut lines, &mut errors),
            }
        }
        match job.task.as_str() {
            "ApplicationRoster" => {
                let with_skus = lines.iter().any(|(_, line)| line.get("skus").is_some());
                let roster = check(&lines, &ROSTER, "uniqueId", &mut errors);
                ended(errors)?;
                // "With skus it is always a full load", whatever the job says.
                self.load_roster(&app, roster, full || with_skus, clock);
            }
            "ApplicationConsumption" => {
                if full {
                    errors.push("ApplicationConsumption is loaded incrementally only".to_owned());
                }
                let events = check(&lines, &CONSUMPTION, "eventId", &mut errors);
                ended(errors)?;
                let events = events
                    .into_iter()
                    .map(|(id, event)| ((app.clone(), id), event));
                self.consumption.extend(events);
            }
            _ => ended(errors)?,
        }
        Ok(())
    }

    fn load_roster(&mut self, app: &str, users: Vec<(String, Value)>, full: bool, clock: &Clock) {
        let there: BTreeSet<String> = users.iter().map(|(id, _)| id.clone()).collect();
        for (id, user) in users {
            self.roster.insert((app.to_owned(), id), user);
        }
        if !full {
            return;
        }
        let of_app = self.roster.iter_mut().filter(|((of, _), _)| of == app);
        for ((_, id), user) in of_app {
            if !there.contains(id) && user.get("deactivatedAt").is_none() {
                user["deactivatedAt"] = json!(clock.text());
            }
        }
    }
}

fn ended(mut errors: Vec<String>) -> Result<(), Vec<String>> {
    errors.truncate(TOLD);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

/// The lines of a file, each with where it is.
fn read(name: &str, content: &[u8], lines: &mut Vec<(String, Value)>, errors: &mut Vec<String>) {
    let Ok(text) = std::str::from_utf8(content) else {
        errors.push(format!("{name}: is no UTF-8"));
        return;
    };
    for (at, line) in text.lines().enumerate() {
        let place = format!("{name}: line {}", at + 1);
        match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => lines.push((place, value)),
            _ => errors.push(format!("{place}: is no JSON object")),
        }
    }
}

/// The lines by key, the last of several.
fn check(
    lines: &[(String, Value)],
    required: &[&str],
    key: &str,
    errors: &mut Vec<String>,
) -> Vec<(String, Value)> {
    let mut good = Vec::new();
    for (place, line) in lines {
        let text = |name: &str| line[name].as_str().filter(|text| !text.is_empty());
        let missing = required.iter().find(|name| text(name).is_none());
        if let Some(name) = missing {
            errors.push(format!("{place}: {name} is missing"));
            continue;
        }
        let moments = ["activatedAt", "deactivatedAt", "occurredAt"];
        let wrong = moments.iter().find(|name| {
            let value = &line[**name];
            !value.is_null()
                && value
                    .as_str()
                    .is_none_or(|text| DateTime::parse_from_rfc3339(text).is_err())
        });
        if let Some(name) = wrong {
            errors.push(format!("{place}: {name} is no date and time"));
            continue;
        }
        let skus = &line["skus"];
        let texts = |skus: &Vec<Value>| skus.iter().all(Value::is_string);
        if !skus.is_null() && !skus.as_array().is_some_and(texts) {
            errors.push(format!("{place}: skus is no list of texts"));
            continue;
        }
        good.push((
            line[key].as_str().unwrap_or_default().to_owned(),
            line.clone(),
        ));
    }
    good
}
