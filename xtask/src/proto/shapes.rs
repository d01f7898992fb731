//! proto/src/gen/shapes.rs: the columns of each message of the inventory.

use std::fmt::Write;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

const PACKAGE: &str = "leastwise.inventory.v1";
/// Places of things in a file, as descriptor.proto numbers them.
const MESSAGE: i32 = 4;
const FIELD: i32 = 2;

const HEAD: &str = "// The columns of each message of the inventory; included by shape.rs.\n\n\
    /// The columns of a message, in the order of its fields; none of one that isn't known.\n\
    pub fn columns(message: &str) -> &'static [Column] {\n    match message {\n";

/// One match arm a message.
pub fn declare(set: &FileDescriptorSet) -> String {
    let mut code = HEAD.to_owned();
    for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
        for (message, n) in file.message_type.iter().zip(0..) {
            // Writing to a string can't fail.
            let _ = writeln!(code, "{:?} => &[", message.name());
            for (field, at) in message.field.iter().zip(0..) {
                column(&mut code, field, &comment(file, &[MESSAGE, n, FIELD, at]));
            }
            code.push_str("],\n");
        }
    }
    code.push_str("_ => &[],\n    }\n}\n");
    code
}

fn column(code: &mut String, field: &FieldDescriptorProto, comment: &str) {
    let kind = kind(field, comment);
    let (name, json) = (field.name(), field.json_name());
    let (number, optional) = (field.number(), field.proto3_optional());
    let of = field.type_name().rsplit('.').next().unwrap_or_default();
    let meaning = comment.split(" Graph: ").next().unwrap_or_default();
    let _ = writeln!(
        code,
        "Column {{ number: {number}, name: {name:?}, json: {json:?}, kind: ColumnKind::{kind}, of: {of:?}, optional: {optional}, meaning: {meaning:?} }},"
    );
}

/// What proto3 has no type for, the comment tells, as it does for the reference of records.
fn kind(field: &FieldDescriptorProto, comment: &str) -> &'static str {
    let repeated = field.label() == Label::Repeated;
    match field.r#type() {
        Type::String if repeated => "Texts",
        Type::String if comment.contains("RFC 3339") => "Moment",
        Type::String if comment.contains("YYYY-MM-DD") => "Day",
        Type::String => "Text",
        Type::Bool => "Boolean",
        Type::Int32 => "Integer",
        Type::Message if repeated => "Objects",
        other => panic!(
            "{}: how a column shows {other:?} is not decided",
            field.name()
        ),
    }
}

fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let place = places.into_iter().find(|place| place.path == path);
    let lines = place.map_or("", |place| place.leading_comments());
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}
