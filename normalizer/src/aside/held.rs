//! The products that a user holds of whom something else can't be read. Pure.

use proto::kind::RecordKind;
use serde_json::Value;

/// Their GUIDs in small letters, by spaces; none where the object is no user, or even these can't be read.
pub(crate) fn skus(kind: RecordKind, source: Option<&String>) -> Option<String> {
    if kind != RecordKind::User {
        return None;
    }
    let object: Value = serde_json::from_str(source?).ok()?;
    let held = object.get("assignedLicenses")?.as_array()?;
    let sku = |license: &Value| Some(license.get("skuId")?.as_str()?.to_lowercase());
    let skus: Option<Vec<String>> = held.iter().map(sku).collect();
    // A space would make two of one.
    let skus = skus.filter(|all| all.iter().all(|sku| crate::map::is_key(sku)))?;
    Some(skus.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_where_they_are_as_documented() {
        let of = |json: &str| skus(RecordKind::User, Some(&json.to_owned()));
        let two = r#"{"id":7,"assignedLicenses":[{"skuId":"A"},{"skuId":"b"}]}"#;
        assert_eq!(of(two).as_deref(), Some("a b"));
        assert_eq!(of(r#"{"assignedLicenses":[]}"#).as_deref(), Some(""));
        for unreadable in [
            "{}",
            "[",
            r#"{"assignedLicenses":7}"#,
            r#"{"assignedLicenses":[{}]}"#,
            r#"{"assignedLicenses":[{"skuId":"a b"}]}"#,
        ] {
            assert_eq!(of(unreadable), None, "{unreadable}");
        }
        assert_eq!(skus(RecordKind::Device, Some(&two.to_owned())), None);
    }
}
