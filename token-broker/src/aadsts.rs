//! What Entra ID's error codes mean for whoever has to act. Source: "Microsoft Entra authentication and
//! authorization error codes".

/// A code of the form AADSTS…, with our code and what to do.
pub struct Meaning {
    /// Our code.
    pub code: &'static str,
    /// What is wrong, to follow "tenant T: ".
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The meaning of Entra ID's numeric error code.
pub fn meaning(code: u64) -> Meaning {
    let (code, what, remedy) = match code {
        7_000_215 => (
            "LW-2001",
            "Entra ID refuses the client secret (AADSTS7000215)",
            "put the secret's value, not its id, into client_secret_file",
        ),
        7_000_222 => (
            "LW-2002",
            "the client secret has expired (AADSTS7000222)",
            "create a new secret for the app registration and replace the content of client_secret_file",
        ),
        700_016 => (
            "LW-2003",
            "Entra ID knows no application with this client_id in the tenant (AADSTS700016)",
            "check client_id, and that an administrator has consented to the app in this tenant",
        ),
        90_002 | 900_021 | 900_023 => (
            "LW-2004",
            "Entra ID knows no tenant with this id (AADSTS90002)",
            "check id and authority; national clouds have their own authority",
        ),
        7_000_112 => (
            "LW-2005",
            "the application is disabled in the tenant (AADSTS7000112)",
            "have an administrator enable the enterprise application again",
        ),
        53_003 => (
            "LW-2006",
            "a Conditional Access policy for workload identities blocks the sign-in (AADSTS53003)",
            "have an administrator allow this application from this network",
        ),
        50_196 | 90_033 | 90_055 => (
            "LW-2007",
            "Entra ID asks for fewer requests or is not available now",
            "nothing: it is tried again",
        ),
        _ => (
            "LW-2009",
            "Entra ID refuses to issue a token",
            "look the AADSTS code up in Microsoft's list of authentication error codes",
        ),
    };
    Meaning { code, what, remedy }
}

/// Whether trying again later can help without anybody acting.
pub fn transient(code: u64) -> bool {
    matches!(code, 50_196 | 90_033 | 90_055)
}
