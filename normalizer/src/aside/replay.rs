//! Whether this release can read what an earlier one could not. Pure.

use crate::map;

/// Maps an object's JSON again, and says why that is still not possible.
pub(crate) fn read(dataset: &str, tenant: &str, source: &str) -> Result<(), String> {
    let Some(dataset) = catalog::find(dataset) else {
        return Err("this release doesn't know the dataset".to_owned());
    };
    let objects = map::page(dataset.kind, tenant, &format!("{{\"value\":[{source}]}}"))?;
    match (objects.records.len(), objects.set_aside.into_iter().next()) {
        (1, None) => Ok(()),
        (_, Some(still)) => Err(still.reason),
        (_, None) => Err("the source is not one object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_this_release_makes_of_it() {
        let of = |dataset, source| read(dataset, "t", source);
        assert_eq!(of("users", r#"{"id":"a"}"#), Ok(()));
        let still = of("users", r#"{"id":"a","city":1}"#).unwrap_err();
        assert!(still.starts_with("not as documented"), "{still}");
        assert!(of("users", r#"{"id":"a"},{"id":"b"}"#).is_err());
        assert!(of("users", "").is_err() && of("users", "]}{").is_err());
        assert!(of("nothing", r#"{"id":"a"}"#).is_err());
    }
}
