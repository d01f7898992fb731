//! Certificates that an administrator adds to an application beside those that it has.

use super::apps::{self, App, Certificate};
use super::keys::Key;
use crate::guid::{self, Kind};
use crate::sealed::digest;
use crate::sim::Sim;

impl App {
    /// With what was added to it since the start.
    pub(crate) fn uploaded(mut self, sim: &Sim, tenant: usize) -> Self {
        let standing = sim.entra().standings.of(tenant, self.index);
        self.certificates.extend(standing.certificates);
        self
    }
}

impl Sim {
    /// Adds a certificate in PEM to an application of a tenant (both are positions): from now on assertions are taken that
    /// its key signed, from its first day until its last. The error says what is wrong with it.
    pub fn upload_certificate(&self, tenant: usize, app: usize, pem: &str) -> Result<(), String> {
        if tenant >= self.tenants().len() || app >= apps::COUNT {
            return Err("no such tenant or application".to_owned());
        }
        let key = Key::uploaded(pem).ok_or("no certificate of an RSA key in PEM")?;
        let number = guid::of(
            self.identity(tenant).key,
            Kind::Credential,
            digest(key.x5t()),
        );
        let id = guid::text(number);
        let added = Certificate { id, key };
        let standings = &self.entra().standings;
        standings.change(tenant, app, |standing| standing.certificates.push(added));
        Ok(())
    }
}
