//! Changes of a stored tenant's credentials.

use tonic::{Code, Status};

use super::refuse;
use crate::config::{AppConfig, TenantConfig};
use crate::credential::CredentialConfig;

/// Changes the credentials of an app; its only one when no name is given. Returns the app's name.
pub(super) fn edit(
    config: &mut TenantConfig,
    app: &str,
    change: impl FnOnce(&mut Vec<CredentialConfig>) -> Result<(), Status>,
) -> Result<String, Status> {
    let mut apps = config.all_apps();
    let position = match apps.len() {
        1 if app.is_empty() => Some(0),
        _ => apps.iter().position(|a| a.name == app),
    };
    let Some(position) = position else {
        let names: Vec<&str> = apps.iter().map(|a| a.name.as_str()).collect();
        return Err(refuse(
            Code::NotFound,
            "LW-2065",
            format!("there is no app `{app:.100}`."),
            &format!("its apps: {}", names.join(", ")),
        ));
    };
    let named: &mut AppConfig = &mut apps[position];
    named.credentials = named.all_credentials();
    named.client_secret_file = None;
    change(&mut named.credentials)?;
    let name = named.name.clone();
    match config.apps.is_empty() {
        true => {
            config.client_secret_file = None;
            config.credentials = apps.swap_remove(position).credentials;
        }
        false => config.apps = apps,
    }
    Ok(name)
}
