//! Questions that the ledger answers: finding the services, the tenants and what people call products.

use std::process::ExitCode;

use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::inventory::v1::LicensePosition;
use runtime::Problem;
use runtime::error::Exit;
use runtime::grpc::Channel;

use crate::cmd::position;
use crate::config::Source;
use crate::connect::Services;
use crate::ledger::{self, Tenant};

/// What a question is answered from.
pub struct Ledger {
    /// The tenants that are wanted.
    pub tenants: Vec<Tenant>,
    /// Their positions, the most used products first.
    pub products: Products,
    /// Answers what records don't tell.
    pub admin: NormalizerAdminClient<Channel>,
}

/// Answers a question about all tenants, or the one with this id or name, and ends what was started for it.
///
/// # Errors
/// When the ledger can't be asked, or the question can't be answered.
pub async fn ask(
    source: &Source,
    tenant: Option<&str>,
    answer: impl AsyncFnOnce(Ledger) -> Result<(), Problem>,
) -> Result<ExitCode, Problem> {
    let config = source.load()?;
    let services = Services::find(&config, "").await?;
    let answered = async {
        let feed = services.clients().feed.clone();
        let tenants = ledger::tenants_called(&config, feed.clone(), tenant).await?;
        let products = Products(position::read(&tenants, feed).await?);
        let admin = NormalizerAdminClient::new(services.clients().normalizer.clone());
        let ledger = Ledger {
            tenants,
            products,
            admin,
        };
        answer(ledger).await
    };
    let answered = answered.await;
    services.close().await;
    answered.map(|()| ExitCode::SUCCESS)
}

/// People know products by their part numbers, the ledger by their GUIDs.
pub struct Products(pub Vec<LicensePosition>);

impl Products {
    /// The GUID of the product that somebody names by its part number or its GUID.
    ///
    /// # Errors
    /// `LW-5052` where no tenant has it.
    pub fn find(&self, text: &str) -> Result<String, Problem> {
        let mut called = self.0.iter().filter(|p| {
            p.sku_part_number.eq_ignore_ascii_case(text) || p.sku_id.eq_ignore_ascii_case(text)
        });
        called.next().map(|p| p.sku_id.clone()).ok_or_else(|| {
            let mut known: Vec<&str> = self.0.iter().map(|p| p.sku_part_number.as_str()).collect();
            known.sort_unstable();
            known.dedup();
            let remedy = match known.is_empty() {
                true => "`leastwise sync` reads the tenants".to_owned(),
                false => format!("name one of {}, or its GUID", known.join(", ")),
            };
            let what = format!("there is no position of a product {text:?}.");
            Problem::new("LW-5052", what, remedy).exit(Exit::Usage)
        })
    }

    /// The part number of a product, or its GUID where it has none.
    pub fn part<'t>(&'t self, sku_id: &'t str) -> &'t str {
        let mut named = self.0.iter().filter(|p| !p.sku_part_number.is_empty());
        let found = named.find(|p| p.sku_id == sku_id);
        found.map_or(sku_id, |p| &p.sku_part_number)
    }

    /// A text with part numbers in place of GUIDs.
    pub fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for position in self.0.iter().filter(|p| !p.sku_part_number.is_empty()) {
            if text.contains(&position.sku_id) {
                text = text.replace(&position.sku_id, &position.sku_part_number);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_found_by_either_name() {
        let products = Products(vec![LicensePosition {
            sku_id: "06ebc4ee".into(),
            sku_part_number: "SPE_E5".into(),
            ..LicensePosition::default()
        }]);
        for text in ["spe_e5", "06EBC4EE"] {
            assert_eq!(products.find(text).unwrap(), "06ebc4ee");
        }
        assert_eq!(products.part("06ebc4ee"), "SPE_E5");
        assert_eq!(products.part("other"), "other");
        assert_eq!(
            products.named(r#"{"skuId":"06ebc4ee"}"#),
            r#"{"skuId":"SPE_E5"}"#
        );
        let refused = products.find("E7").unwrap_err().to_string();
        assert!(
            refused.starts_with("LW-5052") && refused.contains("SPE_E5"),
            "{refused}"
        );
    }
}
