//! Whether JSON is as its schema says: as much of JSON Schema as docs/schema uses, and nothing beside it is let pass.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value};

/// Where the value is not as the schema says, and why.
pub fn offences(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut offends = |why: String| found.push(format!("{at}: {why}"));
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.iter().any(|name| is_of(name, value)) {
        return offends(format!("{value} is none of {types:?}"));
    }
    match value {
        Value::String(text) => match schema["format"].as_str() {
            None => {}
            Some("date-time")
                if text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok() => {}
            Some("date") if text.len() == 10 && text.parse::<NaiveDate>().is_ok() => {}
            Some(format) => offends(format!("{text} is no {format}")),
        },
        Value::Number(number) => {
            let (n, least, most) = (number.as_f64(), &schema["minimum"], &schema["maximum"]);
            if least.as_f64() > n || most.as_f64().is_some_and(|most| n > Some(most)) {
                offends(format!("{number} is not from {least} to {most}"));
            }
        }
        Value::Array(list) => {
            for (n, one) in list.iter().enumerate() {
                check(&schema["items"], one, &format!("{at}/{n}"), found);
            }
        }
        Value::Object(object) => check_object(schema, object, at, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_object(schema: &Value, object: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !object.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in object {
        match schema["properties"].get(name) {
            Some(property) => check(property, value, &format!("{at}/{name}"), found),
            None => found.push(format!("{at}: the schema doesn't know {name}")),
        }
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_as_described_is_found() {
        let schema = json!({ "type": "object", "required": ["n"], "properties": {
            "n": { "type": "integer", "minimum": 0, "maximum": 9 },
            "when": { "type": ["string", "null"], "format": "date-time" },
            "all": { "type": "array", "items": { "type": "string", "format": "date" } },
        }});
        let right = json!({ "n": 9, "when": "2026-01-02T03:04:05Z", "all": ["2026-01-02"] });
        assert_eq!(offences(&schema, &right), Vec::<String>::new());
        for wrong in [
            json!([]),
            json!({}),
            json!({ "n": 10 }),
            json!({ "n": -1 }),
            json!({ "n": "1" }),
            json!({ "n": 1.5 }),
            json!({ "n": null }),
            json!({ "n": 1, "when": "2026-01-02" }),
            json!({ "n": 1, "when": "2026-01-02T03:04:05+01:00" }),
            json!({ "n": 1, "all": ["2026-02-30"] }),
            json!({ "n": 1, "all": null }),
            json!({ "n": 1, "other": 1 }),
        ] {
            assert_eq!(offences(&schema, &wrong).len(), 1, "{wrong}");
        }
    }
}
