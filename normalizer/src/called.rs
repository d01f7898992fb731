//! What people call a record. Pure.

use prost::Message as _;
use proto::inventory::v1::{
    DeletedUser, DetectedApp, Device, Group, ManagedDevice, Organization, SubscribedSku,
    Subscription, User,
};
use proto::kind::RecordKind;

/// The name in a record's body; none where its kind has none, or it can't be read.
pub(crate) fn name(kind: RecordKind, body: &[u8]) -> Option<String> {
    match kind {
        RecordKind::Organization => Organization::decode(body).ok()?.display_name,
        RecordKind::SubscribedSku => Some(SubscribedSku::decode(body).ok()?.sku_part_number),
        RecordKind::Subscription => Subscription::decode(body).ok()?.sku_part_number,
        RecordKind::User => {
            let user = User::decode(body).ok()?;
            user.display_name.or(user.user_principal_name)
        }
        RecordKind::DeletedUser => {
            let user = DeletedUser::decode(body).ok()?;
            user.display_name.or(user.user_principal_name)
        }
        RecordKind::Group => Group::decode(body).ok()?.display_name,
        RecordKind::Device => Device::decode(body).ok()?.display_name,
        RecordKind::ManagedDevice => ManagedDevice::decode(body).ok()?.device_name,
        RecordKind::DetectedApp => DetectedApp::decode(body).ok()?.display_name,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_name_goes_by_the_principal_name() {
        let mut user = User {
            user_principal_name: Some("ann@contoso.com".into()),
            ..User::default()
        };
        let of = |user: &User| name(RecordKind::User, &user.encode_to_vec());
        assert_eq!(of(&user).as_deref(), Some("ann@contoso.com"));
        user.display_name = Some("Ann".into());
        assert_eq!(of(&user).as_deref(), Some("Ann"));
        assert_eq!(name(RecordKind::User, b"\xff"), None);
        assert_eq!(name(RecordKind::MailboxPurpose, b""), None);
    }
}
