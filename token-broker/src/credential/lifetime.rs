//! How long a credential may be good for: what lasts longer than it is watched is a way in that nobody remembers.

use super::{CredentialConfig, CredentialError};
use crate::files::Files;

const DAY: u64 = 86_400;
/// 9999-12-31T23:59:59Z in a certificate says that it has no end (RFC 5280, section 4.1.2.5).
const NEVER: u64 = 253_402_300_799;

const SHORTER: &str = "make one that ends sooner and add it beside this one, then take this one out; the limit is longest_credential_days \
                       of the tenant";
const STATE: &str = "write down when Entra ID lets it end: expires = \"2027-03-31\" in the credential's section (a short \
                     client_secret_file becomes [[tenants.credentials]] with kind = \"client_secret\" and file)";

impl CredentialConfig {
    /// Whether it ends early enough. `longest` in days from `now`, which is in seconds since 1970.
    ///
    /// What others keep fresh, tokens from files and platforms, lives for hours by itself.
    pub(crate) fn ends_in_time(
        &self,
        files: &Files,
        longest: Option<u32>,
        now: u64,
    ) -> Result<(), CredentialError> {
        let refused = |why: String, remedy| {
            Err(CredentialError::Lasting {
                kind: self.kind(),
                why,
                remedy,
            })
        };
        match (self.ends(files), longest) {
            (Some(NEVER..), _) => refused("never ends".to_owned(), SHORTER),
            (Some(end), Some(days)) if end > now.saturating_add(u64::from(days) * DAY) => {
                let left = (end - now).div_ceil(DAY);
                let why = format!("ends in {left} days, and at most {days} are allowed");
                refused(why, SHORTER)
            }
            (None, Some(days)) if matches!(self, CredentialConfig::ClientSecret { .. }) => {
                let why = format!("states no end, and at most {days} days are allowed");
                refused(why, STATE)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn told(section: &str, longest: Option<u32>) -> String {
        let credential: CredentialConfig = toml::from_str(section).unwrap();
        let judged = credential.ends_in_time(&Files::default(), longest, NOW);
        judged.map_or_else(|e| format!("{e}: {}", e.remedy().0), |()| String::new())
    }

    #[test]
    fn what_ends_too_late_or_says_no_end_is_refused_with_the_reason() {
        let secret = "kind = 'client_secret'\nfile = 's'\n";
        assert_eq!(told(secret, None), "");
        let e = told(secret, Some(180));
        assert!(e.contains("states no end") && e.ends_with("LW-2068"), "{e}");
        // 1,800,000,000 is 2027-01-15.
        let ends = |day: &str| format!("{secret}expires = '{day}'");
        assert_eq!(told(&ends("2027-07-13"), Some(180)), "");
        let e = told(&ends("2027-07-15"), Some(180));
        assert!(e.contains("ends in 182 days, and at most 180"), "{e}");
        let person = "kind = 'refresh_token'\ntoken_file = 't'\nuntil = '2999-12-31'";
        assert_eq!(told(person, None), "");
        assert!(told(person, Some(90)).contains("at most 90"));
        let platform = "kind = 'managed_identity'\nsource = 'imds'";
        assert_eq!(told(platform, Some(1)), "");
    }

    #[test]
    fn a_certificate_that_ends_never_is_refused_always() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("app.pem");
        let credential = format!(
            "kind = 'certificate'\ncertificate_file = '{}'",
            file.display()
        );
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
                .unwrap();
        let write = |year: i32| {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 12, 31);
            let end = std::time::Duration::from_secs(86_399);
            params.not_after += end;
            let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            std::fs::write(&file, pem).unwrap();
        };
        write(9999);
        let e = told(&credential, None);
        assert!(e.contains("never ends") && e.ends_with("LW-2068"), "{e}");
        write(2036);
        assert_eq!(told(&credential, None), "");
        assert!(told(&credential, Some(398)).contains("at most 398"));
    }
}
