//! The effective configuration as a person may see it.

use serde::Serialize;
use toml::Value;

use crate::error::{Exit, Problem};

const REDACTED: &str = "<redacted>";

/// The effective configuration as TOML, without secrets: values of keys that end in `secret`, `password` or `token`,
/// and passwords in URLs.
///
/// # Errors
/// `LW-1002` when it can't be written as TOML.
pub fn dump(settings: &impl Serialize) -> Result<String, Problem> {
    let written = Value::try_from(settings).and_then(|mut value| {
        redact(&mut value, "");
        toml::to_string_pretty(&value)
    });
    written.map_err(|e| {
        Problem::new(
            "LW-1002",
            format!("the configuration can't be written as TOML: {e}."),
            "report it",
        )
        .exit(Exit::Usage)
    })
}

fn redact(value: &mut Value, key: &str) {
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(key, v)| redact(v, key)),
        Value::Array(list) => list.iter_mut().for_each(|v| redact(v, key)),
        _ if secret(key) => *value = Value::String(REDACTED.to_owned()),
        Value::String(text) => {
            if let Some(without) = without_password(text) {
                *text = without;
            }
        }
        _ => {}
    }
}

fn secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["secret", "password", "token"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// `scheme://user:password@host` with the password replaced; none where there is nothing to replace.
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // The last one: a password that nobody encoded may hold another.
    let at = rest[..end].rfind('@').or_else(|| rest.rfind('@'))?;
    let (user, _) = rest[..at].split_once(':')?;
    Some(format!("{scheme}://{user}:{REDACTED}{}", &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_wherever_they_are() {
        let config: Value = toml::from_str(
            "client_secret_file = 'secrets/a'\nadmin_password = 'p1'\n
             [db]\nurl = 'postgres://leastwise:p2@db:5432/x'\nAPI_TOKEN = ['p3', 'p4']\n
             [[bus]]\nurl = 'amqps://u:p5/@q@mq/%2f'\nplain = 'amqps://mq:5671/x'\nsecret = 5",
        )
        .unwrap();
        let shown = dump(&config).unwrap();
        for n in 1..=5 {
            assert!(!shown.contains(&format!("p{n}")), "{shown}");
        }
        for kept in [
            "secrets/a",
            "postgres://leastwise:<redacted>@db:5432/x",
            "amqps://u:<redacted>@mq/%2f",
            "amqps://mq:5671/x",
        ] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        assert!(!shown.contains("= 5\n"), "{shown}");
    }
}
