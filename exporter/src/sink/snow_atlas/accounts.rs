//! The accounts of Snow Atlas by what people are known by. Pure.

use std::collections::HashMap;

use serde::Deserialize;

use super::mapping::Person;

/// An account as it is listed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    id: String,
    #[serde(default)]
    user_name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// All accounts.
#[derive(Default)]
pub(super) struct Accounts {
    /// By address, in lower case; `None` where several have it.
    by_email: HashMap<String, Option<String>>,
    by_name: HashMap<String, Option<String>>,
}

impl Accounts {
    pub(super) fn add(&mut self, account: Account) {
        let Account {
            id,
            user_name,
            email,
        } = account;
        let maps = [(&mut self.by_email, email), (&mut self.by_name, user_name)];
        for (map, key) in maps {
            let key = key.map(|k| k.trim().to_lowercase());
            let Some(key) = key.filter(|k| !k.is_empty()) else {
                continue;
            };
            map.entry(key)
                .and_modify(|known| {
                    if known.as_ref() != Some(&id) {
                        *known = None;
                    }
                })
                .or_insert_with(|| Some(id.clone()));
        }
    }

    /// Somebody's account: by the mail address, else by the sign-in name as address, else by it as name.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn of(&self, person: &Person) -> Result<&str, &'static str> {
        let ways = [
            (&self.by_email, &person.mail),
            (&self.by_email, &person.sign_in),
            (&self.by_name, &person.sign_in),
        ];
        let mut found = ways
            .into_iter()
            .filter_map(|(map, key)| map.get(key.as_ref()?));
        match found.next() {
            Some(Some(id)) => Ok(id),
            Some(None) => Err("several accounts of Snow Atlas have the address or name"),
            None => Err("no account of Snow Atlas has the address or name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_in_either_way_and_never_guessed() {
        let mut accounts = Accounts::default();
        for (id, name, email) in [
            ("1", "CORP\\ann", "Ann@X"),
            ("2", "ben@x", ""),
            ("3", "cat", "cat@x"),
            ("4", "cat", "cat@x"),
            ("1", "CORP\\ann", "Ann@X"),
        ] {
            accounts.add(Account {
                id: id.into(),
                user_name: Some(name.into()),
                email: Some(email.into()),
            });
        }
        let of = |mail: Option<&str>, sign_in: &str| {
            let person = Person {
                id: "u".into(),
                mail: mail.map(str::to_owned),
                sign_in: Some(sign_in.into()),
            };
            accounts.of(&person).map(str::to_owned)
        };
        assert_eq!(of(Some("ann@x"), "other@x").as_deref(), Ok("1"));
        assert_eq!(of(None, "ann@x").as_deref(), Ok("1"));
        assert_eq!(of(Some("nobody@x"), "ben@x").as_deref(), Ok("2"));
        assert!(of(Some("cat@x"), "ann@x").unwrap_err().contains("several"));
        assert!(of(None, "").unwrap_err().contains("no account"));
    }
}
