//! Messages of the inventory with their comments, from the compiled descriptors.

use std::collections::BTreeMap;

use catalog::Declaration;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

const PACKAGE: &str = "leastwise.inventory.v1";
/// Places of things in a file, as descriptor.proto numbers them.
const MESSAGE: i32 = 4;
const FIELD: i32 = 2;

/// By name.
pub type Messages = BTreeMap<String, Message>;

/// A message.
pub struct Message {
    /// Its name without the package.
    pub name: String,
    /// The whole comment.
    pub comment: String,
    /// In the order of the file.
    pub fields: Vec<Field>,
}

/// A field.
pub struct Field {
    /// As JSON spells it.
    pub name: String,
    /// Its comment, but for what is told apart below.
    pub meaning: String,
    /// What a number counts.
    pub unit: Option<String>,
    /// Whence it comes, where the comment tells.
    graph: Option<String>,
    /// What its values are.
    pub kind: Type,
    /// The name of the message, where it is one.
    pub message: String,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether it is a list.
    pub repeated: bool,
}

impl Field {
    /// Whether it counts something.
    pub fn is_number(&self) -> bool {
        ![Type::String, Type::Bool, Type::Message].contains(&self.kind)
    }

    /// The property, column or annotation of Graph's that it shows.
    pub fn property(&self, dataset: Option<&Declaration>) -> Option<String> {
        let selected = dataset.is_some_and(|d| d.select.contains(&self.name.as_str()));
        let selected = selected.then(|| self.name.clone());
        self.graph.clone().or(selected)
    }
}

impl Message {
    /// Its fields and those of the messages in it, with their paths.
    pub fn fields_and_those_inside<'a>(&'a self, all: &'a Messages) -> Vec<(String, &'a Field)> {
        let mut found = Vec::new();
        for field in &self.fields {
            found.push((field.name.clone(), field));
            if let Some(inner) = all.get(&field.message) {
                let inner = inner.fields_and_those_inside(all).into_iter();
                found.extend(inner.map(|(path, f)| (format!("{}.{path}", field.name), f)));
            }
        }
        found
    }
}

/// All of them.
pub fn read() -> Messages {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let files = set.file.iter().filter(|file| file.package() == PACKAGE);
    let messages = files.flat_map(|file| {
        let each = file.message_type.iter().zip(0..);
        each.map(|(message, n)| read_message(file, message, n))
    });
    messages.map(|m| (m.name.clone(), m)).collect()
}

fn read_message(file: &FileDescriptorProto, message: &DescriptorProto, n: i32) -> Message {
    let fields = message.field.iter().zip(0..);
    let fields = fields.map(|(f, at)| read_field(f, &comment(file, &[MESSAGE, n, FIELD, at])));
    Message {
        name: message.name().to_owned(),
        comment: comment(file, &[MESSAGE, n]),
        fields: fields.collect(),
    }
}

fn read_field(field: &FieldDescriptorProto, comment: &str) -> Field {
    let (meaning, graph) = cut(comment, "Graph: ");
    let (meaning, unit) = cut(&meaning, "Unit: ");
    let message = field.type_name().rsplit('.').next().unwrap_or_default();
    Field {
        name: field.json_name().to_owned(),
        meaning,
        unit,
        graph,
        kind: field.r#type(),
        message: message.to_owned(),
        optional: field.proto3_optional(),
        repeated: field.label() == Label::Repeated,
    }
}

/// A comment without its last sentence, and what that says, where it begins so.
fn cut(comment: &str, begins: &str) -> (String, Option<String>) {
    match comment.split_once(begins) {
        None => (comment.to_owned(), None),
        Some((before, rest)) => {
            let says = rest.strip_suffix('.').unwrap_or(rest);
            (before.trim_end().to_owned(), Some(says.to_owned()))
        }
    }
}

fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let place = places.into_iter().find(|place| place.path == path);
    let lines = place.map_or("", |place| place.leading_comments());
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}
