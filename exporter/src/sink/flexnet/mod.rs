//! FlexNet Manager Suite: the tables of an inventory adapter and of a business adapter, as a package of CSV files.
//!
//! Mapping: `rows` and `purchases`, which read like the vendor's object model. Idempotency: an object's number stays its own
//! (`identity`), the package is always the whole of all tenants, and its manifest is written last; loading it twice
//! is loading it once. What FlexNet does with rows that are no longer in the package is the adapter's matter.

mod package;
mod purchases;
mod rows;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto::body::Body;
use proto::ids::{Closing, TenantId};
use proto::inventory::v1::{LicensePosition, Subscription, User};
use tokio::sync::mpsc;

use self::package::{Piece, Spool};
use self::purchases::{PURCHASE, purchase};
use self::rows::{ALLOCATION, LICENSE, Row, Table, UNMATCHED, USER};
use super::files::blocking;
use super::{Alone, Shown, Snapshot, SnapshotSink};
use crate::error::Error;
use crate::identity::Identities;
use crate::record;

pub use rows::Fallback;
pub use settings::Package;

/// The classes of objects that have numbers.
const SKU: &str = "sku";
const PERSON: &str = "user";

/// A number of an object that is gone is kept so long, for one that comes back. Graph keeps deleted users for 30 days.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// See the [module](self).
pub(super) struct FlexNet {
    settings: Package,
    identities: Identities,
    spool: Arc<Spool>,
}

impl FlexNet {
    pub(super) fn new(settings: Package, identities: Identities) -> Self {
        FlexNet {
            spool: Arc::new(Spool::new(settings.path.clone(), settings.guard)),
            settings,
            identities,
        }
    }

    /// Hands the rows of a snapshot over, table by table as they come.
    async fn map(
        &self,
        tenant: TenantId,
        snapshot: &mut Snapshot,
        sender: mpsc::Sender<Piece>,
    ) -> Result<(), Error> {
        let mut products = Products::default();
        while let Some(records) = snapshot.next().await? {
            let mut users = Vec::new();
            for record in &records {
                match record::read(tenant, record)? {
                    Some((_, Body::User(user))) if self.settings.users.take(&user) => {
                        users.push(*user)
                    }
                    Some((_, body)) => products.note(body),
                    None => {}
                }
            }
            if !users.is_empty() {
                let rows = self.users(tenant, &users, &mut products).await?;
                if sender.send(Piece::Rows(rows)).await.is_err() {
                    return Ok(()); // The writer failed, and says why.
                }
            }
        }
        let rows = self.licenses(tenant, products).await?;
        // Nobody takes it when the writer failed, and it says why.
        let _ = sender.send(Piece::Rows(rows)).await;
        if let Some(end) = snapshot.end() {
            let _ = sender.send(Piece::End(end.clone())).await;
        }
        Ok(())
    }

    async fn users(
        &self,
        tenant: TenantId,
        users: &[User],
        products: &mut Products,
    ) -> Result<Vec<(&'static Table, Row)>, Error> {
        let of_users: Vec<String> = users.iter().map(|u| u.user_id.clone()).collect();
        let of_users = self.identities.of(tenant, PERSON, &of_users).await?;
        let held = users.iter().flat_map(|u| &u.assigned_licenses);
        let held: BTreeSet<String> = held.map(|l| l.sku_id.clone()).collect();
        let new: Vec<String> = held
            .into_iter()
            .filter(|sku| !products.numbers.contains_key(sku))
            .collect();
        if !new.is_empty() {
            let numbers = self.identities.of(tenant, SKU, &new).await?;
            products.numbers.extend(numbers);
        }
        let mut out = Vec::new();
        for user in users {
            let Some(id) = of_users.get(&user.user_id) else {
                continue;
            };
            let (row, reason) = rows::user(*id, user, self.settings.fallback);
            out.push((&USER, row));
            if let Some(reason) = reason {
                out.push((&UNMATCHED, rows::unmatched(*id, user, reason)));
            }
            let skus = user.assigned_licenses.iter();
            for sku in skus.filter_map(|l| products.numbers.get(&l.sku_id)) {
                out.push((&ALLOCATION, vec![sku.to_string(), id.to_string()]));
            }
        }
        Ok(out)
    }

    async fn licenses(
        &self,
        tenant: TenantId,
        mut products: Products,
    ) -> Result<Vec<(&'static Table, Row)>, Error> {
        let bought = products.subscriptions.iter().filter_map(|subscription| {
            let position = products.positions.get(&subscription.sku_id);
            let name = position.map_or("", |p| p.product_name.as_str());
            let row = purchase(subscription, name, products.organization.as_deref())?;
            Some((&PURCHASE, row))
        });
        let bought: Vec<_> = bought.collect();
        // An allocation never stands without its licence, whatever the ledger lacks.
        for sku in products.numbers.keys() {
            let position = || LicensePosition {
                sku_id: sku.clone(),
                product_name: sku.clone(),
                ..LicensePosition::default()
            };
            products
                .positions
                .entry(sku.clone())
                .or_insert_with(position);
        }
        let mut numbers = products.numbers;
        let unheld = products
            .positions
            .keys()
            .filter(|sku| !numbers.contains_key(*sku));
        let unheld: Vec<String> = unheld.cloned().collect();
        numbers.extend(self.identities.of(tenant, SKU, &unheld).await?);
        let each = products.positions.values();
        let rows = each.filter_map(|position| {
            let row = rows::license(
                *numbers.get(&position.sku_id)?,
                position,
                products.organization.as_deref(),
                products.expiry.get(&position.sku_id).map(String::as_str),
                self.settings.license_type,
            );
            Some((&LICENSE, row))
        });
        Ok(rows.chain(bought).collect())
    }
}

/// What is known of a tenant's products.
#[derive(Default)]
struct Products {
    organization: Option<String>,
    positions: BTreeMap<String, LicensePosition>,
    subscriptions: Vec<Subscription>,
    /// When the first enabled subscription of a SKU ends.
    expiry: BTreeMap<String, String>,
    /// The numbers of SKUs that somebody holds.
    numbers: BTreeMap<String, i64>,
}

impl Products {
    fn note(&mut self, body: Body) {
        match body {
            Body::Organization(organization) => self.organization = organization.display_name,
            Body::LicensePosition(position) => {
                self.positions.insert(position.sku_id.clone(), *position);
            }
            Body::Subscription(subscription) => {
                self.subscription(&subscription);
                self.subscriptions.push(*subscription);
            }
            _ => {}
        }
    }

    fn subscription(&mut self, subscription: &Subscription) {
        let enabled = subscription.status.as_deref() == Some("Enabled");
        if let (true, Some(end)) = (enabled, &subscription.next_lifecycle_date_time) {
            let first = self.expiry.entry(subscription.sku_id.clone());
            let first = first.or_insert_with(|| end.clone());
            // Moments of one format sort as texts do.
            if end < first {
                first.clone_from(end);
            }
        }
    }
}

#[async_trait]
impl SnapshotSink for FlexNet {
    async fn alone(&self) -> Result<Option<Alone>, Error> {
        let spool = self.spool.clone();
        blocking(move || spool.alone()).await
    }

    async fn shown(&self) -> Result<Shown, Error> {
        let spool = self.spool.clone();
        blocking(move || spool.shown()).await
    }

    /// Rows are made of records of several kinds.
    fn takes_updates(&self) -> bool {
        false
    }

    async fn spool(
        &self,
        tenant: TenantId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Closing>, Error> {
        let (sender, receiver) = mpsc::channel(4);
        let (spool, approved) = (self.spool.clone(), snapshot.approved());
        let written =
            async move { blocking(move || spool.write(tenant, approved, receiver)).await };
        let (written, mapped) = tokio::join!(written, self.map(tenant, &mut snapshot, sender));
        mapped?;
        let written = written?;
        self.identities.forget(tenant, KEPT).await?;
        Ok(written)
    }

    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let (spool, tenants) = (self.spool.clone(), tenants.to_vec());
        blocking(move || spool.publish(&tenants)).await
    }
}
