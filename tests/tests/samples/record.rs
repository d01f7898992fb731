//! A record as JSON, as sinks show it, but for what is absent.

use prost::Message;
use proto::inventory::v1::{
    DetectedApp, Device, Group, GroupMember, ManagedDevice, Organization, ReportSettings,
    SignInActivity, Subscription, Usage, User,
};
use proto::kind::RecordKind as Kind;
use serde::Serialize;
use serde_json::Value;

/// The record with its key.
pub fn json(kind: Kind, key: &str, body: &[u8]) -> Value {
    let read = match kind {
        Kind::User => read::<User>,
        Kind::SignInActivity => read::<SignInActivity>,
        Kind::Group => read::<Group>,
        Kind::GroupMember => read::<GroupMember>,
        Kind::Device => read::<Device>,
        Kind::ManagedDevice => read::<ManagedDevice>,
        Kind::DetectedApp => read::<DetectedApp>,
        Kind::Organization => read::<Organization>,
        Kind::ReportSettings => read::<ReportSettings>,
        Kind::Subscription => read::<Subscription>,
        _ => read::<Usage>,
    };
    let mut record = read(body);
    without_absent(&mut record);
    let object = record.as_object_mut().unwrap();
    object.shift_remove("tenantId");
    object.insert("key".to_owned(), key.into());
    record
}

fn read<M: Message + Default + Serialize>(body: &[u8]) -> Value {
    serde_json::to_value(M::decode(body).unwrap()).unwrap()
}

fn without_absent(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, v| !v.is_null() && v.as_array().is_none_or(|list| !list.is_empty()));
            object.values_mut().for_each(without_absent);
        }
        Value::Array(list) => list.iter_mut().for_each(without_absent),
        _ => {}
    }
}
