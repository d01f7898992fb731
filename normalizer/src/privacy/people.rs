//! How records are tied to people. Pure.

use catalog::personal::USAGE;
use prost::Message as _;
use proto::inventory::v1::{Device, ManagedDevice, Usage};
use proto::kind::RecordKind;

/// By what a record is tied to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// It is about nobody, or nothing tells whom.
    None,
    /// Its key is the person's id.
    Key,
    /// The last part of its key is the person's id, behind this.
    End(char),
    /// A row of a usage report names the person.
    Row,
    /// It is a thing of the person's, and stays without them.
    Owner,
}

/// Of a kind of record.
pub(crate) fn tie(kind: RecordKind) -> Tie {
    match kind {
        RecordKind::User
        | RecordKind::DeletedUser
        | RecordKind::SignInActivity
        | RecordKind::MailboxPurpose => Tie::Key,
        RecordKind::GroupMember => Tie::End('.'),
        RecordKind::Finding => Tie::End('!'),
        RecordKind::ManagedDevice | RecordKind::Device => Tie::Owner,
        RecordKind::OnedriveUsage => Tie::Row,
        kind if USAGE.contains(&kind) => Tie::Row,
        _ => Tie::None,
    }
}

/// Who is meant.
pub(crate) trait Who {
    /// By the id that Graph gives a user, in lower case.
    fn is_id(&self, id: &str) -> bool;
    /// By a sign-in name, in whatever case, or its pseudonym.
    fn is_name(&self, name: &str) -> bool;
    /// Whose a device is, by the id that it has in Entra ID: nothing in it tells that itself.
    fn is_device(&self, id: &str) -> bool;
}

/// Whether a record is tied to one of them. One without a body, which is removed, is known by its key alone.
///
/// # Errors
/// When it can't be read.
pub(crate) fn is_about(
    kind: RecordKind,
    key: &str,
    body: &[u8],
    who: &(impl Who + ?Sized),
) -> Result<bool, prost::DecodeError> {
    Ok(match tie(kind) {
        Tie::None => false,
        Tie::Key => who.is_id(key),
        Tie::End(behind) => key.rsplit_once(behind).is_some_and(|(_, id)| who.is_id(id)),
        Tie::Row if body.is_empty() => {
            who.is_name(key.rsplit_once('!').map_or(key, |(subject, _)| subject))
        }
        Tie::Row => {
            let row = Usage::decode(body)?;
            let id = row.user_id.as_deref().is_some_and(|id| who.is_id(id));
            id || !row.concealed && who.is_name(&row.subject)
        }
        Tie::Owner if body.is_empty() => false,
        Tie::Owner if kind == RecordKind::Device => {
            let id = Device::decode(body)?.device_id;
            id.is_some_and(|id| who.is_device(&id))
        }
        Tie::Owner => {
            let owner = ManagedDevice::decode(body)?.user_id;
            owner.is_some_and(|id| who.is_id(&id))
        }
    })
}

/// A thing without the person whose it is: people name their devices after themselves, and a serial number leads back.
///
/// # Errors
/// When it can't be read.
pub(crate) fn without_owner(kind: RecordKind, body: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    if kind == RecordKind::Device {
        let device = Device {
            display_name: None,
            ..Device::decode(body)?
        };
        return Ok(device.encode_to_vec());
    }
    let device = ManagedDevice {
        user_id: None,
        device_name: None,
        serial_number: None,
        ..ManagedDevice::decode(body)?
    };
    Ok(device.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use catalog::People;

    use super::*;

    struct Ann;

    impl Who for Ann {
        fn is_id(&self, id: &str) -> bool {
            id == "a1"
        }
        fn is_name(&self, name: &str) -> bool {
            name == "ann@contoso.com"
        }
        fn is_device(&self, id: &str) -> bool {
            id == "e1"
        }
    }

    #[test]
    fn each_kind_about_people_is_tied_to_them() {
        for dataset in catalog::ALL {
            let about = dataset.people != People::Nobody;
            assert_eq!(tie(dataset.kind) != Tie::None, about, "{}", dataset.name);
        }
        assert_eq!(tie(RecordKind::LicensePosition), Tie::None);
    }

    #[test]
    fn a_record_is_about_whom_it_names() {
        let about = |kind, key: &str, body: &[u8]| is_about(kind, key, body, &Ann).unwrap();
        assert!(about(RecordKind::User, "a1", b"") && !about(RecordKind::User, "a2", b""));
        assert!(about(RecordKind::GroupMember, "g.a1", b""));
        assert!(!about(RecordKind::GroupMember, "a1.g", b""));
        assert!(about(RecordKind::Finding, "in_error!s!a1", b""));
        assert!(!about(RecordKind::Finding, "unassigned!a", b""));
        let row = |usage: Usage| about(RecordKind::TeamsActivity, "k", &usage.encode_to_vec());
        let named = Usage {
            subject: "ann@contoso.com".into(),
            ..Usage::default()
        };
        assert!(row(named.clone()));
        assert!(!row(Usage {
            concealed: true,
            ..named
        }));
        assert!(row(Usage {
            user_id: Some("a1".into()),
            ..Usage::default()
        }));
        assert!(about(
            RecordKind::OfficeActivation,
            "ann@contoso.com!VISIO",
            b""
        ));
        let device = ManagedDevice {
            id: "d".into(),
            user_id: Some("a1".into()),
            device_name: Some("ANN-PC".into()),
            model: Some("X".into()),
            ..ManagedDevice::default()
        };
        let body = device.encode_to_vec();
        assert!(about(RecordKind::ManagedDevice, "d", &body));
        let left = without_owner(RecordKind::ManagedDevice, &body).unwrap();
        assert!(!about(RecordKind::ManagedDevice, "d", &left));
        let left = ManagedDevice::decode(&left[..]).unwrap();
        assert_eq!((left.device_name, left.model.as_deref()), (None, Some("X")));
        let device = Device {
            device_id: Some("e1".into()),
            display_name: Some("ANN-PC".into()),
            ..Device::default()
        };
        let body = device.encode_to_vec();
        assert!(about(RecordKind::Device, "o", &body) && !about(RecordKind::Device, "o", b""));
        let left = without_owner(RecordKind::Device, &body).unwrap();
        assert_eq!(Device::decode(&left[..]).unwrap().display_name, None);
        assert!(is_about(RecordKind::TeamsActivity, "k", b"\xff", &Ann).is_err());
    }
}
