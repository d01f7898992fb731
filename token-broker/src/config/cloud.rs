//! The clouds that Microsoft runs, and which hosts belong to each.
//!
//! Sources: "National clouds" (Microsoft identity platform), "Microsoft Graph national cloud deployments", and the list of
//! authorities that Microsoft's own libraries accept.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A cloud: tenants of one are unknown in the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// Worldwide, GCC included.
    #[default]
    Global,
    /// Microsoft Cloud for US Government L4 (GCC High).
    UsGovL4,
    /// Microsoft Cloud for US Government L5 (DoD).
    UsGovDod,
    /// China, operated by 21Vianet.
    China,
    /// Hosts that the operator names, and answers for: any.
    Custom,
}

/// Hosts of one cloud.
struct Hosts {
    /// The preferred authority, then its aliases.
    authorities: &'static [&'static str],
    graph: &'static str,
    /// What a federated credential's assertion is meant for.
    exchange: &'static str,
}

const GLOBAL: Hosts = Hosts {
    authorities: &[
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
    ],
    graph: "graph.microsoft.com",
    exchange: "api://AzureADTokenExchange",
};
const US_GOV_L4: Hosts = Hosts {
    authorities: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    graph: "graph.microsoft.us",
    exchange: "api://AzureADTokenExchangeUSGov",
};
const US_GOV_DOD: Hosts = Hosts {
    graph: "dod-graph.microsoft.us",
    ..US_GOV_L4
};
const CHINA: Hosts = Hosts {
    authorities: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    graph: "microsoftgraph.chinacloudapi.cn",
    exchange: "api://AzureADTokenExchangeChina",
};

impl Cloud {
    fn hosts(self) -> Option<&'static Hosts> {
        match self {
            Cloud::Global => Some(&GLOBAL),
            Cloud::UsGovL4 => Some(&US_GOV_L4),
            Cloud::UsGovDod => Some(&US_GOV_DOD),
            Cloud::China => Some(&CHINA),
            Cloud::Custom => None,
        }
    }

    /// The authority to use; none where the operator must name it.
    pub(super) fn authority(self) -> Option<Url> {
        self.hosts().and_then(|h| of_host(h.authorities[0]))
    }

    /// Graph's root; none where the operator must name it.
    pub(super) fn graph(self) -> Option<Url> {
        self.hosts().and_then(|h| of_host(h.graph))
    }

    /// The audience of a federated credential's assertion (Entra ID's default name of it in this cloud).
    pub(crate) fn exchange_audience(self) -> &'static str {
        self.hosts().unwrap_or(&GLOBAL).exchange
    }

    /// Whether a tenant of this cloud may sign in there.
    pub(super) fn allows_authority(self, url: &Url) -> bool {
        self.allows(url, |hosts, host| hosts.authorities.contains(&host))
    }

    /// Whether a tenant of this cloud may be read there.
    pub(super) fn allows_graph(self, url: &Url) -> bool {
        self.allows(url, |hosts, host| hosts.graph == host)
    }

    fn allows(self, url: &Url, known: impl Fn(&Hosts, &str) -> bool) -> bool {
        let Some(hosts) = self.hosts() else {
            return true;
        };
        url.port().is_none() && url.host_str().is_some_and(|host| known(hosts, host))
            || loopback(url)
    }
}

fn of_host(host: &str) -> Option<Url> {
    Url::parse(&format!("https://{host}")).ok()
}

/// Whether it stays on this machine: a simulated tenant.
pub(crate) fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUDS: [Cloud; 4] = [Cloud::Global, Cloud::UsGovL4, Cloud::UsGovDod, Cloud::China];

    #[test]
    fn each_cloud_allows_its_own_hosts_and_no_other_clouds() {
        for cloud in CLOUDS {
            let (authority, graph) = (cloud.authority().unwrap(), cloud.graph().unwrap());
            assert!(cloud.allows_authority(&authority) && cloud.allows_graph(&graph));
            for other in CLOUDS.into_iter().filter(|o| *o != cloud) {
                assert!(!other.allows_graph(&graph), "{other:?} {graph}");
                // Both clouds of the US Government sign in at one authority.
                let shared = other.authority() == cloud.authority();
                assert_eq!(other.allows_authority(&authority), shared);
            }
        }
    }

    #[test]
    fn hosts_that_only_look_alike_are_refused() {
        for url in [
            "https://login.microsoftonline.com.example.org",
            "https://login.microsoftonline.com:8443",
            "https://example.org",
            "https://graph.microsoft.com",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(!Cloud::Global.allows_authority(&url), "{url}");
            assert!(Cloud::Custom.allows_authority(&url));
        }
    }
}
