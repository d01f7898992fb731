//! `leastwise privacy`: people who are to be forgotten.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    EraseRequest, EraseResponse, Erased, ErasedPerson, LiftErasureRequest, ListErasedRequest,
    MakeDueRequest, SinkStatus, WaitDeliveredRequest,
};
use runtime::Problem;
use runtime::clock::rfc3339;
use runtime::error::Exit;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::{Services, refused, who};
use crate::output::{self, Column, thousands};

/// Erase people from the inventory, and see or lift that.
///
/// Which fields of people are read at all is the section [privacy] of the configuration; docs/privacy.md says what is
/// stored where, and for how long.
#[derive(Args)]
pub struct Privacy {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Remove everything that is stored of people, and keep later readings from bringing them back.
    ///
    /// It goes from the ledger with what waits there, from objects that could not be read, and with the next state that is
    /// whole from every sink. Licences that they hold stay consumed at Microsoft: they show as a residual of the position.
    /// What is kept is a keyed hash of each, by which they are told when Microsoft Graph sends them again. Exit code 3: a
    /// sink still has to follow, or something of them could not be looked for.
    Erase {
        /// The id that Microsoft Graph gives the user, or the sign-in name (userPrincipalName); may be repeated. Name earlier
        /// sign-in names too: rows of usage reports go by them.
        #[arg(long, required = true, value_name = "ID|NAME")]
        user: Vec<String>,
        /// The tenant; may be left out where there is one.
        #[arg(long, value_name = "GUID", default_value = "")]
        tenant: String,
        /// Why, for the record. It stays, so no name belongs here.
        #[arg(long, visible_alias = "reason", default_value = "")]
        why: String,
        #[command(flatten)]
        output: Output,
    },
    /// How many were erased and when; who it was is not known any more.
    List {
        /// Only of this tenant.
        #[arg(long, value_name = "GUID", default_value = "")]
        tenant: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let somebody come back, and have their tenant read again in full.
    Lift {
        /// Id or sign-in name, or the hash that `privacy list` shows.
        #[arg(long, value_name = "ID|NAME|HASH")]
        user: String,
        /// The tenant; may be left out where there is one.
        #[arg(long, value_name = "GUID", default_value = "")]
        tenant: String,
        /// Why, for the record.
        #[arg(long, visible_alias = "reason", default_value = "")]
        why: String,
    },
}

const ERASED: [Column<Erased>; 2] = [
    Column {
        title: "Kind",
        numeric: false,
        cell: |e| e.kind.clone(),
    },
    Column {
        title: "Records",
        numeric: true,
        cell: |e| thousands(e.records),
    },
];

const PEOPLE: [Column<ErasedPerson>; 4] = [
    Column {
        title: "Tenant",
        numeric: false,
        cell: |p| p.tenant_id.clone(),
    },
    Column {
        title: "Erased",
        numeric: false,
        cell: |p| rfc3339(p.since),
    },
    Column {
        title: "Known by",
        numeric: true,
        cell: |p| p.known_by.to_string(),
    },
    Column {
        title: "Hash",
        numeric: false,
        cell: |p| p.person.clone(),
    },
];

impl Privacy {
    /// Erases, lists or lifts.
    ///
    /// # Errors
    /// When the services can't be reached or refuse.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let why = match &self.act {
            Act::Erase { why, .. } | Act::Lift { why, .. } => why.as_str(),
            Act::List { .. } => "",
        };
        let mut services = Services::find(&config, why).await?;
        let done = self.act(&mut services).await;
        services.close().await;
        done
    }

    async fn act(self, services: &mut Services) -> Result<ExitCode, Problem> {
        let mut client = NormalizerAdminClient::new(services.clients().normalizer.clone());
        match self.act {
            Act::Erase {
                user,
                tenant,
                why,
                output,
            } => {
                let request = EraseRequest {
                    tenant_id: tenant,
                    users: user,
                    who: who(),
                    why,
                };
                let erased = client.erase(request).await.map_err(refused)?.into_inner();
                let behind = follow(services, &erased).await?;
                if output.output == Format::Table {
                    output::print(&erased.records, &ERASED, Format::Table)?;
                    output::write(&told(&erased, &behind))?;
                } else {
                    output::print(&[&erased], &[], output.output)?;
                }
                let open = erased.unnamed + erased.without_id > 0 || !erased.remnants.is_empty();
                Ok(match behind.is_empty() && !open {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::from(Exit::Incomplete as u8),
                })
            }
            Act::List { tenant, output } => {
                let request = ListErasedRequest { tenant_id: tenant };
                let listed = client.list_erased(request).await.map_err(refused)?;
                output::print(&listed.into_inner().people, &PEOPLE, output.output)?;
                Ok(ExitCode::SUCCESS)
            }
            Act::Lift { user, tenant, why } => {
                let request = LiftErasureRequest {
                    tenant_id: tenant,
                    user,
                    who: who(),
                    why,
                };
                let lifted = client.lift_erasure(request).await.map_err(refused)?;
                let lifted = lifted.into_inner();
                let mut collector = CollectorAdminClient::new(services.clients().collector.clone());
                let request = MakeDueRequest {
                    tenant_ids: vec![lifted.tenant_id.clone()],
                    datasets: Vec::new(),
                    full: true,
                    give_up: false,
                };
                collector.make_due(request).await.map_err(refused)?;
                let when = match services {
                    Services::Remote(_) => "now",
                    Services::Here(_) => "by the next `leastwise sync`",
                };
                output::write(&format!(
                    "{} may come back; the tenant {} is read again in full {when}.\n",
                    lifted.person, lifted.tenant_id
                ))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Waits until every sink has looked at the erasure. Returns those that still lack it.
async fn follow(
    services: &mut Services,
    erased: &EraseResponse,
) -> Result<Vec<SinkStatus>, Problem> {
    if let Services::Here(stack) = services {
        stack.start();
    }
    let mut exporter = ExporterAdminClient::new(services.clients().exporter.clone());
    let looked = exporter.wait_delivered(WaitDeliveredRequest {}).await;
    let sinks = looked.map_err(refused)?.into_inner().sinks;
    let behind = |s: &SinkStatus| s.tenant_id == erased.tenant_id && !s.delivered;
    Ok(sinks.into_iter().filter(behind).collect())
}

/// What came of it, and what is still to do.
fn told(erased: &EraseResponse, behind: &[SinkStatus]) -> String {
    let mut text = format!("\nErased: {}\n", erased.people.join(", "));
    if erased.set_aside > 0 || erased.pages > 0 {
        text += &format!(
            "Besides {} objects or sources that could not be read, and parts of {} waiting pages.\n",
            thousands(erased.set_aside),
            thousands(erased.pages)
        );
    }
    if erased.unnamed > 0 {
        text += "Of somebody no sign-in name is known: name it too, so that rows of usage reports are found.\n";
    }
    if erased.without_id > 0 {
        text +=
            "Of somebody no id is known: name it too, so that they don't come back as a user.\n";
    }
    if !erased.remnants.is_empty() {
        text += &format!(
            "The file of the ledger's database may still hold remnants: {}. Erase once more then.\n",
            erased.remnants
        );
    }
    for sink in behind {
        let why = match sink.problem.as_str() {
            "" => "it takes only whole states, and a dataset is not completely read",
            problem => problem,
        };
        text += &format!("The sink {} still has to follow: {why}.\n", sink.sink);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_open_is_told() {
        let mut erased = EraseResponse {
            people: vec!["00ff".to_owned()],
            ..EraseResponse::default()
        };
        assert_eq!(told(&erased, &[]), "\nErased: 00ff\n");
        erased.unnamed = 1;
        erased.remnants = "free some space".to_owned();
        let sink = SinkStatus {
            sink: "files".to_owned(),
            ..SinkStatus::default()
        };
        let text = told(&erased, &[sink]);
        for part in [
            "no sign-in name",
            "free some space",
            "sink files",
            "not completely read",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
