//! What Entra ID's refusals mean, and for whom.
//!
//! Sources: RFC 6749, section 5.2, and "Microsoft Entra authentication and authorization error codes". Microsoft says that
//! numbers and texts are no stable interface: the class comes from `error` and `suberror`, the number refines what a person
//! is told, and which refusals pass by themselves.

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It passes by itself.
    Transient,
    /// The credential is wrong, or not known yet.
    Credential,
    /// The app, its consent or the tenant are not set up as needed.
    Setup,
    /// A policy of the tenant forbids it.
    Policy,
    /// A person has to sign in again.
    SignIn,
}

impl Class {
    /// As metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Transient => "transient",
            Class::Credential => "credential",
            Class::Setup => "setup",
            Class::Policy => "policy",
            Class::SignIn => "sign_in",
        }
    }

    /// By what Entra ID answers.
    pub(crate) fn of(error: &str, suberror: &str, code: u64) -> Class {
        if transient(code) {
            return Class::Transient;
        }
        match (error, suberror) {
            ("temporarily_unavailable" | "server_error", _) => Class::Transient,
            (_, "bad_token" | "token_expired" | "consent_required") => Class::SignIn,
            ("interaction_required" | "login_required" | "consent_required", _) => Class::SignIn,
            ("invalid_client", _) => Class::Credential,
            // A federated credential that matches nothing is told as an invalid request.
            ("invalid_request", _) if federated(code) => Class::Credential,
            ("invalid_grant", _) if policy(code) => Class::Policy,
            ("invalid_grant", _) => Class::SignIn,
            _ if policy(code) => Class::Policy,
            _ => Class::Setup,
        }
    }
}

fn federated(code: u64) -> bool {
    matches!(
        code,
        70_021 | 700_211..=700_213 | 7_002_138 | 90_061 | 900_384
    )
}

fn policy(code: u64) -> bool {
    matches!(code, 53_003 | 530_032 | 53_011 | 50_131 | 530_035)
}

/// Codes that pass by themselves: throttling, and hiccups of Microsoft's directory.
fn transient(code: u64) -> bool {
    matches!(
        code,
        50_196
            | 90_055
            | 90_024
            | 90_033
            | 90_006
            | 90_012
            | 90_090
            | 90_091
            | 50_033
            | 50_087
            | 50_166
            | 40_010
            | 80_005
            | 501_621
    )
}

/// Codes that changes in Entra ID cause for some minutes after they were made: a new secret, certificate, federated
/// credential or consent is not known everywhere at once.
pub(crate) fn settles(code: u64) -> bool {
    federated(code) || matches!(code, 7_000_215 | 700_016 | 700_027 | 7_000_229 | 65_001)
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs Leastwise.
    Operator,
    /// An administrator of the tenant.
    Administrator,
    /// Nobody.
    Nobody,
}

/// A refusal for people.
pub(crate) struct Meaning {
    /// Our code.
    pub code: &'static str,
    /// What is wrong, to follow "tenant T, app A: ".
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Who has to act.
    pub who: Who,
}

type Row = (
    &'static [u64],
    &'static str,
    Who,
    &'static str,
    &'static str,
);

/// Codes, our code, who acts, what is wrong, what to do.
const TABLE: &[Row] = &[
    (
        &[7_000_215],
        "LW-2001",
        Who::Operator,
        "Entra ID refuses the client secret",
        "put the value, not the id, of this app's secret into client_secret_file; a new secret may take two minutes",
    ),
    (
        &[7_000_222],
        "LW-2002",
        Who::Administrator,
        "the client secret has expired",
        "create a new secret, better a certificate or a federated credential, for the app registration and replace the file; where a policy \
         of the tenant forbids or shortens new ones: docs/tenant.md",
    ),
    (
        &[700_016, 700_011, 70_001, 7_000_229],
        "LW-2003",
        Who::Administrator,
        "Entra ID knows no application with this client_id in the tenant",
        "check client_id and id, and that an administrator has consented to the app in this tenant; a consent may take five minutes",
    ),
    (
        &[90_002, 900_021, 900_023],
        "LW-2004",
        Who::Operator,
        "Entra ID knows no tenant with this id",
        "check id and cloud; national clouds have their own authority",
    ),
    (
        &[7_000_112, 1_000_031],
        "LW-2005",
        Who::Administrator,
        "the application is disabled in the tenant",
        "have an administrator enable the enterprise application again",
    ),
    (
        &[53_003, 530_032, 53_011, 50_131, 530_035],
        "LW-2006",
        Who::Administrator,
        "a Conditional Access policy for workload identities blocks the sign-in",
        "have an administrator allow this application from this network; the sign-in log shows the address by the correlation id",
    ),
    (
        &[700_027, 50_012, 700_030],
        "LW-2018",
        Who::Operator,
        "Entra ID doesn't accept the certificate's signature",
        "upload this certificate to this app registration, and see that its key belongs to it; a new certificate may take five minutes; \
         where a policy of the tenant refused the upload: docs/tenant.md",
    ),
    (
        &[5_002_730, 50_032],
        "LW-2018",
        Who::Operator,
        "Entra ID doesn't accept this kind of key or signature",
        "use an RSA key of 2048 bits or more; set algorithm = \"RS256\" if the key's device can't do PS256",
    ),
    (
        &[1_000_502],
        "LW-2016",
        Who::Administrator,
        "Entra ID finds the certificate outside its validity",
        "upload a new certificate beside the old one, and check this machine's clock",
    ),
    (
        &[700_024, 500_133],
        "LW-2019",
        Who::Operator,
        "Entra ID finds the assertion outside its time",
        "check this machine's clock (NTP); for a federated token see that its file is kept fresh",
    ),
    (
        &[700_211],
        "LW-2024",
        Who::Administrator,
        "no federated credential of the app trusts this issuer",
        "compare the credential's issuer with the token's `iss`, letter by letter, the slash at the end included",
    ),
    (
        &[700_212],
        "LW-2024",
        Who::Administrator,
        "no federated credential of the app is meant for this audience",
        "let the token be made for api://AzureADTokenExchange (national clouds have their own)",
    ),
    (
        &[700_213, 7_002_138],
        "LW-2024",
        Who::Administrator,
        "no federated credential of the app trusts this subject",
        "compare the credential's subject with the token's `sub`, letter by letter (Kubernetes: system:serviceaccount:NAMESPACE:NAME)",
    ),
    (
        &[70_021],
        "LW-2024",
        Who::Administrator,
        "no federated credential of the app matches the token",
        "compare issuer, subject and audience letter by letter; a new credential may take ten minutes",
    ),
    (
        &[90_061, 900_384],
        "LW-2024",
        Who::Operator,
        "Entra ID can't check the token with its issuer",
        "the issuer's OpenID configuration and keys must be reachable from the internet; changed keys may take ten minutes",
    ),
    (
        &[65_001, 90_094, 90_008, 65_005, 650_056],
        "LW-2008",
        Who::Administrator,
        "the app has no consent for what it asks",
        "have an administrator grant consent for the app's permissions",
    ),
    (
        &[500_011, 50_001, 650_057, 650_052, 650_054],
        "LW-2025",
        Who::Administrator,
        "Microsoft Graph is not available in the tenant",
        "check graph and cloud, and that the tenant has a subscription",
    ),
    (
        &[90_038, 900_439, 900_382, 900_432, 1_000_104, 90_043, 90_051],
        "LW-2026",
        Who::Operator,
        "the tenant is in another cloud",
        "set cloud: us-gov-l4, us-gov-dod or china",
    ),
    (
        &[700_025],
        "LW-2027",
        Who::Administrator,
        "the app registration is of a public client",
        "register the app as a confidential client (web), with a credential",
    ),
    (
        &[7_000_218],
        "LW-2027",
        Who::Administrator,
        "the app registration is of a confidential client, and no client secret was shown",
        "for a person's sign-in set Authentication, \"Allow public client flows\" to Yes (az ad app update \
         --is-fallback-public-client true), or name client_secret_file beside token_file",
    ),
    (
        &[70_043],
        "LW-2028",
        Who::Administrator,
        "the tenant's sign-in frequency policy has ended the session",
        "sign in again; policies for people don't fit services: change to an app with its own permissions",
    ),
    (
        &[
            50_076, 50_079, 50_072, 50_074, 50_078, 50_158, 53_000, 53_001, 53_002, 53_004, 50_097,
            50_005,
        ],
        "LW-2028",
        Who::Operator,
        "the tenant asks for a person with a second factor or a managed device",
        "sign in again; policies for people don't fit services: change to an app with its own permissions",
    ),
    (
        &[
            50_173, 50_132, 50_133, 50_089, 70_008, 700_082, 700_084, 54_005, 70_000, 50_013,
            50_057, 50_034, 51_004,
        ],
        "LW-2028",
        Who::Operator,
        "the person's sign-in is no longer valid",
        "sign in again, or change to an app with its own permissions",
    ),
];

/// The meaning of Entra ID's numeric error code.
pub(crate) fn meaning(code: u64) -> Meaning {
    let row = TABLE.iter().find(|(codes, ..)| codes.contains(&code));
    match row {
        Some(&(_, code, who, what, remedy)) => Meaning {
            code,
            what,
            remedy,
            who,
        },
        None if transient(code) => Meaning {
            code: "LW-2007",
            what: "Entra ID asks for fewer requests or is not available now",
            remedy: "nothing: it is tried again",
            who: Who::Nobody,
        },
        None => Meaning {
            code: "LW-2009",
            what: "Entra ID refuses to issue a token",
            remedy: "look the AADSTS code up in Microsoft's list of authentication error codes",
            who: Who::Operator,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_meaning() {
        let mut all: Vec<u64> = TABLE
            .iter()
            .flat_map(|(codes, ..)| codes.iter().copied())
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(
            all.iter().all(|code| !transient(*code)),
            "what passes needs nobody"
        );
    }

    #[test]
    fn the_class_comes_from_the_error_first() {
        for (error, suberror, code, class) in [
            ("invalid_client", "", 7_000_215, Class::Credential),
            ("invalid_client", "", 1, Class::Credential),
            ("invalid_request", "", 70_021, Class::Credential),
            ("invalid_request", "", 900_144, Class::Setup),
            ("unauthorized_client", "", 700_016, Class::Setup),
            ("invalid_grant", "", 53_003, Class::Policy),
            ("invalid_grant", "bad_token", 50_173, Class::SignIn),
            ("invalid_grant", "", 50_196, Class::Transient),
            ("temporarily_unavailable", "", 0, Class::Transient),
            ("something_new", "", 0, Class::Setup),
        ] {
            assert_eq!(
                Class::of(error, suberror, code),
                class,
                "{error} {suberror} {code}"
            );
        }
    }
}
