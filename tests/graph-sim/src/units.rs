//! What a request costs in resource units, by the published table of identity and access calls.

use crate::query::Query;

/// `$top` below this makes a request cheaper.
const SMALL: u32 = 20;

/// Resource units of a GET: the base of its path, less for `$select` and small pages, more for `$expand`, at least 1.
pub(crate) fn units(path: &[&str], query: &Query) -> u32 {
    let base: u32 = match path {
        ["groups", _, "transitiveMembers", ..] => 5,
        ["domains", _, "domainNameReferences"] => 4,
        ["subscribedSkus", ..] | ["contracts", ..] | ["groups", _, "members", ..] => 3,
        [
            "users",
            _,
            "licenseDetails" | "memberOf" | "transitiveMemberOf" | "ownedObjects",
            ..,
        ]
        | ["servicePrincipals", _, "appRoleAssignments", ..]
        | ["users" | "applications" | "oauth2PermissionGrants"] => 2,
        _ => 1,
    };
    let small = query
        .top
        .as_ref()
        .and_then(|t| t.parse::<u32>().ok())
        .is_some_and(|t| t < SMALL);
    let more = base + u32::from(query.expand.is_some());
    more.saturating_sub(u32::from(query.select.is_some()) + u32::from(small))
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_the_table() {
        for (path, query, expected) in [
            ("users", "", 2),
            ("users", "$select=id", 1),
            ("users", "$select=id&$top=5", 1),
            ("users", "$top=19", 1),
            ("users", "$expand=manager", 3),
            ("users/x", "", 1),
            ("users/x/licenseDetails", "", 2),
            ("subscribedSkus", "", 3),
            ("subscribedSkus", "$select=skuId", 2),
            ("groups/x/members", "$select=id", 2),
            ("groups/x/transitiveMembers", "", 5),
            ("organization", "", 1),
        ] {
            let path: Vec<&str> = path.split('/').collect();
            let query = Query::parse(query).unwrap();
            assert_eq!(units(&path, &query), expected, "{path:?} {query:?}");
        }
    }
}
