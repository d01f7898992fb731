//! Contracts change only by addition: what the last release said is still said, word for word.
//!
//! `proto/released.bin` is the descriptor set of the last release. `cargo xtask proto --release` writes it anew, when a
//! release is made and never to silence this test: processes of two releases work side by side during an update, and
//! messages of the old one wait in the queue.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

const RELEASED: &[u8] = include_bytes!("../released.bin");

/// Everything that a reader of an encoded message, a JSON text or a gRPC path relies on, one line each.
fn facts(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for file in set
        .file
        .iter()
        .filter(|f| f.package().starts_with("leastwise."))
    {
        let package = file.package();
        file.message_type
            .iter()
            .for_each(|m| message(&mut facts, package, m));
        file.enum_type
            .iter()
            .for_each(|e| enumeration(&mut facts, package, e));
        file.service
            .iter()
            .for_each(|s| service(&mut facts, package, s));
    }
    facts
}

fn message(facts: &mut BTreeSet<String>, scope: &str, m: &DescriptorProto) {
    let name = format!("{scope}.{}", m.name());
    facts.insert(format!("message {name}"));
    m.field.iter().for_each(|f| field(facts, &name, m, f));
    for r in &m.reserved_range {
        facts.insert(format!("{name} reserves {}..{}", r.start(), r.end()));
    }
    for r in &m.reserved_name {
        facts.insert(format!("{name} reserves {r}"));
    }
    m.nested_type.iter().for_each(|n| message(facts, &name, n));
    m.enum_type
        .iter()
        .for_each(|e| enumeration(facts, &name, e));
}

fn field(facts: &mut BTreeSet<String>, of: &str, m: &DescriptorProto, f: &FieldDescriptorProto) {
    let oneof = f
        .oneof_index
        .and_then(|i| m.oneof_decl.get(usize::try_from(i).ok()?));
    let group = match (oneof, f.proto3_optional()) {
        (_, true) => "with presence",
        (Some(oneof), false) => oneof.name(),
        (None, false) => "plain",
    };
    facts.insert(format!(
        "{of} field {} = {} {} {:?} {:?} {} {group}",
        f.number(),
        f.name(),
        f.json_name(),
        f.label(),
        f.r#type(),
        f.type_name()
    ));
}

fn enumeration(facts: &mut BTreeSet<String>, scope: &str, e: &EnumDescriptorProto) {
    let name = format!("{scope}.{}", e.name());
    facts.insert(format!("enum {name}"));
    for v in &e.value {
        facts.insert(format!("{name} value {} = {}", v.number(), v.name()));
    }
}

fn service(facts: &mut BTreeSet<String>, package: &str, s: &ServiceDescriptorProto) {
    for m in &s.method {
        facts.insert(format!(
            "rpc {package}.{}/{} ({} streams: {}) returns ({} streams: {})",
            s.name(),
            m.name(),
            m.input_type(),
            m.client_streaming(),
            m.output_type(),
            m.server_streaming()
        ));
    }
}

fn released() -> FileDescriptorSet {
    FileDescriptorSet::decode(RELEASED).unwrap()
}

fn lost(before: &FileDescriptorSet, after: &FileDescriptorSet) -> Vec<String> {
    facts(before).difference(&facts(after)).cloned().collect()
}

#[test]
fn nothing_that_was_released_is_taken_back() {
    let now = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let lost = lost(&released(), &now);
    assert!(
        lost.is_empty(),
        "a contract may only be added to; change these back, and give what is new a field, a method or a message of \
         its own:\n  {}",
        lost.join("\n  ")
    );
}

/// Each of these changes breaks somebody who speaks the released contract.
#[test]
fn every_other_change_is_found() {
    type Change = fn(&mut DescriptorProto, &mut ServiceDescriptorProto);
    let changes: [(&str, Change); 9] = [
        ("field removed", |m, _| drop(m.field.remove(0))),
        ("field renumbered", |m, _| m.field[0].number = Some(99)),
        ("field renamed", |m, _| {
            m.field[0].name = Some("other".into())
        }),
        ("field renamed in JSON", |m, _| {
            m.field[0].json_name = Some("other".into())
        }),
        ("type changed", |m, _| {
            m.field[0].r#type = Some(prost_types::field_descriptor_proto::Type::Bytes.into())
        }),
        ("made a list", |m, _| {
            m.field[0].label = Some(prost_types::field_descriptor_proto::Label::Repeated.into())
        }),
        ("message renamed", |m, _| m.name = Some("Other".into())),
        ("method removed", |_, s| drop(s.method.remove(0))),
        ("method streams", |_, s| {
            s.method[0].server_streaming = Some(!s.method[0].server_streaming())
        }),
    ];
    for (name, change) in changes {
        let mut after = released();
        let file = after
            .file
            .iter_mut()
            .find(|f| f.package() == "leastwise.token.v1")
            .unwrap();
        change(&mut file.message_type[0], &mut file.service[0]);
        assert!(!lost(&released(), &after).is_empty(), "{name}");
    }
    let mut after = released();
    let file = after
        .file
        .iter_mut()
        .find(|f| !f.enum_type.is_empty())
        .unwrap();
    file.enum_type[0].value.pop();
    assert!(
        !lost(&released(), &after).is_empty(),
        "value of an enum removed"
    );
}

#[test]
fn additions_are_free() {
    let mut after = released();
    let file = after
        .file
        .iter_mut()
        .find(|f| f.package() == "leastwise.token.v1")
        .unwrap();
    let mut field = file.message_type[0].field[0].clone();
    (field.name, field.number) = (Some("added".into()), Some(99));
    file.message_type[0].field.push(field);
    let mut message = file.message_type[0].clone();
    message.name = Some("Added".into());
    file.message_type.push(message);
    assert!(lost(&released(), &after).is_empty());
}
