//! JSON Schema (2020-12) of a kind's lines: every field is written, what is absent as null.

use prost_types::field_descriptor_proto::Type;
use serde_json::{Map, Value, json};

use crate::message::{Field, Message, Messages};
use crate::reference::Kind;

/// The schema of a kind.
pub fn schema(kind: &Kind<'_>, all: &Messages) -> String {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name,
        "description": kind.message.comment,
    });
    let inside = object(kind.message, all);
    schema.as_object_mut().unwrap().extend(inside);
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

fn object(message: &Message, all: &Messages) -> Map<String, Value> {
    let each = message.fields.iter();
    let properties: Map<_, _> = each.map(|f| (f.name.clone(), property(f, all))).collect();
    let required: Vec<&String> = properties.keys().collect();
    let object = json!({ "type": "object", "required": required, "properties": properties });
    object.as_object().unwrap().clone()
}

fn property(field: &Field, all: &Messages) -> Value {
    let mut value = value(field, all);
    if field.optional {
        value["type"] = json!([value["type"], "null"]);
    }
    if field.repeated {
        value = json!({ "type": "array", "items": value });
    }
    let mut description = field.meaning.clone();
    if let Some(unit) = &field.unit {
        description += &format!(" Unit: {unit}.");
    }
    value["description"] = description.into();
    value
}

fn value(field: &Field, all: &Messages) -> Value {
    let says = |what: &str| field.meaning.contains(what);
    match field.kind {
        Type::String if says("RFC 3339") => json!({ "type": "string", "format": "date-time" }),
        Type::String if says("YYYY-MM-DD") => json!({ "type": "string", "format": "date" }),
        Type::String => json!({ "type": "string" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int32 => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        Type::Uint32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Type::Int64 => json!({ "type": "integer" }),
        Type::Uint64 => json!({ "type": "integer", "minimum": 0 }),
        Type::Double => json!({ "type": "number" }),
        Type::Message => Value::Object(object(&all[&field.message], all)),
        other => panic!("{}: how JSON shows {other:?} is not decided", field.name),
    }
}
