//! The list of what holds a person's data, held against the contracts and the requests.

use catalog::People;
use catalog::personal::{PERSONAL, of_kind};
use prost_types::field_descriptor_proto::Type;

use crate::message;
use crate::reference::kinds;

/// Texts of records about people that tell nobody's name or whereabouts: ids, moments, and words of Microsoft's.
const NOT_PERSONAL: [&str; 21] = [
    "tenantId",
    "userId",
    "id",
    "deviceId",
    "azureADDeviceId",
    "azureAdDeviceId",
    "groupId",
    "memberId",
    "memberType",
    "userType",
    "purpose",
    "operatingSystem",
    "operatingSystemVersion",
    "osVersion",
    "trustType",
    "managedDeviceOwnerType",
    "complianceState",
    "manufacturer",
    "model",
    "productType",
    "assignedProducts",
];

#[test]
fn each_text_about_people_may_be_treated_or_tells_nobody() {
    let messages = message::read();
    let mut texts = 0;
    for kind in kinds(&messages) {
        let Some(dataset) = kind.dataset.filter(|d| d.people != People::Nobody) else {
            continue;
        };
        for field in &kind.message.fields {
            let name = field.name.as_str();
            let treated = of_kind(dataset.kind).any(|(_, place)| place.record == name);
            let moment = name.ends_with("DateTime") || name.ends_with("Date");
            if field.kind == Type::String {
                texts += 1;
                assert!(
                    treated != (moment || NOT_PERSONAL.contains(&name)),
                    "{}.{name}: list it in catalog::personal, or here as what tells nobody",
                    kind.name
                );
            }
        }
    }
    assert!(texts > 60, "{texts}");
}

#[test]
fn each_place_is_in_a_record_and_in_a_request() {
    let messages = message::read();
    let kinds = kinds(&messages);
    for (field, place) in PERSONAL
        .iter()
        .flat_map(|f| f.places.iter().map(move |p| (f, p)))
    {
        for kind in place.kinds {
            let told = format!("{} of {}", field.name, kind.name());
            let found = kinds.iter().find(|k| k.name == kind.name()).unwrap();
            let has = |name: &str| found.message.fields.iter().any(|f| f.name == name);
            assert!(place.record.is_empty() || has(place.record), "{told}");
            let select = found.dataset.unwrap().select;
            assert!(select.is_empty() || select.contains(&place.graph), "{told}");
        }
    }
}
