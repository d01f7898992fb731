//! A certificate of a tenant in the store: the next one is added beside it before it ends, and the store's key changes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Datelike as _;
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{
    AddCredentialRequest, CredentialState, DropCredentialRequest, FileContent, PutTenantRequest,
    TokenBrokerStatusRequest,
};
use runtime::grpc::Channel;

use super::calendar::Moment;
use super::{Acts, Way};
use crate::network::BASE;
use crate::world::{ORIGIN, Setup, World};

/// How long a certificate is good.
const DAYS: u64 = 180;
/// From so many days before its end on the token-broker tells of it.
const TOLD: u64 = 30;
/// The hour at which somebody looks.
const AT_WORK: u64 = 16;
/// Days on which the store gets a new key.
const NEW_KEYS: [u64; 2] = [90, 270];
/// The token-broker looks at its key file every minute.
const LOOK: Duration = Duration::from_secs(61);

const UPLOAD: &str = "certificate uploaded to the app registration";
const ADD: &str = "`leastwise credentials add`";
const DROP: &str = "`leastwise credentials drop` of the one before";

/// A tenant of the store whose app registration has a certificate.
pub struct Certificate {
    renewed: bool,
    /// Certificates so far.
    made: u32,
}

impl Certificate {
    /// With somebody who renews it in time, or nobody.
    pub fn renewed(renewed: bool) -> Self {
        Certificate { renewed, made: 0 }
    }

    /// A new certificate, as the file's name and content, in the app registration from now on.
    fn upload(&mut self, world: &World, day: u64) -> (String, String) {
        let pem = servers::app_certificate(date(day), date(day + DAYS)).unwrap();
        world.sim().upload_certificate(0, 0, &pem).unwrap();
        self.made += 1;
        (format!("app-{}.pem", self.made), pem)
    }

    /// The next one takes the place of the one that ends, which is dropped a day later.
    fn renew(&mut self, world: &World, day: u64, acts: &mut Acts) {
        let tenant_id = world.sim().tenants()[0].id.clone();
        match &credentials(world)[..] {
            [only] if ends_soon(only, world) => {
                acts.by_hand(UPLOAD);
                let (name, pem) = self.upload(world, day);
                acts.by_hand(ADD);
                let request = AddCredentialRequest {
                    tenant_id,
                    app: String::new(),
                    section: section(&name),
                    files: [(name, content(&pem))].into(),
                };
                world.run(admin(world).add_credential(request)).unwrap();
            }
            [_, _] => {
                acts.by_hand(DROP);
                let request = DropCredentialRequest {
                    tenant_id,
                    app: String::new(),
                    position: 1,
                };
                world.run(admin(world).drop_credential(request)).unwrap();
            }
            _ => {}
        }
    }
}

impl Way for Certificate {
    fn name(&self) -> &'static str {
        match self.renewed {
            true => "certificate of 180 days, sealed in the store",
            false => "certificate of 180 days that nobody renews",
        }
    }

    fn prepare(&self, setup: &mut Setup) {
        setup.added = true;
    }

    fn begin(&mut self, world: &mut World) {
        let (name, pem) = self.upload(world, 0);
        let tenant = world.sim().tenants()[0].clone();
        let request = PutTenantRequest {
            section: format!(
                "id = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\ndatasets = ['users']\n[[credentials]]\n{}",
                tenant.id,
                tenant.client_id,
                section(&name)
            ),
            files: [(name, content(&pem))].into(),
        };
        world.run(admin(world).put_tenant(request)).unwrap();
    }

    fn at(&mut self, world: &mut World, moment: Moment, acts: &mut Acts) {
        if moment.hour != AT_WORK {
            return;
        }
        if self.renewed {
            self.renew(world, moment.day, acts);
        }
        if NEW_KEYS.contains(&moment.day) {
            acts.store_keys += 1;
            // Somebody writes a new key into the key file.
            let key = [u8::try_from(moment.day % 251).unwrap(); 32];
            let file = world.path("data/token-broker.key");
            std::fs::write(file, STANDARD.encode(key)).unwrap();
            world.run(async { tokio::time::sleep(LOOK).await });
            // The key of before is nowhere any more: a start finds the new one only.
            world.restart();
        }
    }
}

/// Year, month and day.
fn date(day: u64) -> (i32, u8, u8) {
    let seconds = i64::try_from(ORIGIN / 1_000_000 + day * 86_400).unwrap();
    let date = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
    let small = |part: u32| u8::try_from(part).unwrap();
    (date.year(), small(date.month()), small(date.day()))
}

fn section(name: &str) -> String {
    format!("kind = 'certificate'\ncertificate_file = '{name}'")
}

fn content(text: &str) -> FileContent {
    FileContent {
        content: text.as_bytes().to_vec(),
    }
}

fn admin(world: &World) -> TokenBrokerAdminClient<Channel> {
    TokenBrokerAdminClient::new(world.clients().token_broker)
}

fn credentials(world: &World) -> Vec<CredentialState> {
    let status = world.run(admin(world).status(TokenBrokerStatusRequest {}));
    let mut tenants = status.unwrap().into_inner().tenants;
    tenants.remove(0).apps.remove(0).credentials
}

fn ends_soon(credential: &CredentialState, world: &World) -> bool {
    let now = ORIGIN / 1_000_000 + world.now().as_secs();
    credential.ends_at <= now + TOLD * 86_400
}
