//! Why an app or a caller got no token, where that needs somebody.

use proto::ids::TenantId;
use runtime::tls::Identity;

use super::memory::Key;
use super::message::Subject;
use super::{Events, Kind};
use crate::cache::{Token, settles};
use crate::error::Error;
use crate::policy::Denied;
use crate::registry::App;

const HOUR: u64 = 3_600_000_000;
/// What lasts is said again after a day, for whoever came back from holidays.
const AGAIN: u64 = 24 * HOUR;

/// The part of a failure that is the app's, not a credential's.
const WHOLE: &str = "app";

impl Events {
    /// Entra ID refuses one of an app's credentials, or it can't be shown at all.
    pub(crate) fn credential_failed(&self, app: &App, credential: usize, error: &Error) {
        // A change that still spreads is nobody's business yet.
        if !settles(error, app, self.now()) {
            self.failed(app, credential.to_string(), error);
        }
    }

    /// How a request for a token of an app ended.
    pub(crate) fn ended(&self, app: &App, outcome: &Result<Token, Error>) {
        match outcome {
            Ok(token) => {
                let serves = token.credential.to_string();
                self.0.memory.forget(|key| {
                    let failure = is_failure(key.kind);
                    let over = key.part == serves || key.part == WHOLE;
                    failure && over && key.tenant == Some(app.tenant) && key.app == app.name
                });
            }
            // Told where it was found, with its position.
            Err(e) if e.is_of_the_credential() => {}
            Err(e) if settles(e, app, self.now()) => {}
            Err(e) => self.failed(app, WHOLE.to_owned(), e),
        }
    }

    fn failed(&self, app: &App, part: String, error: &Error) {
        if error.is_retryable() {
            return;
        }
        let kind = match error {
            Error::Refused { .. } => Kind::CredentialRefused,
            Error::Credential { .. } => Kind::CredentialUnusable,
            Error::Excess { .. } => Kind::ExcessRefused,
            Error::OtherToken { .. } => Kind::TokenUnexpected,
            _ => return,
        };
        let problem = error.problem();
        let key = Key {
            kind,
            tenant: Some(app.tenant),
            app: app.name.clone(),
            part,
        };
        // Not by the remedy: it names the request, which is another one each time.
        let state = format!("{} {}", problem.code, problem.what);
        if !self.0.memory.is_new(key, state, self.now(), Some(AGAIN)) {
            return;
        }
        let subject = Subject {
            code: Some(problem.code.into_owned()),
            ..super::of(app.tenant, &app.name)
        };
        self.tell(kind, subject, problem.what, problem.remedy);
    }

    /// A caller was denied a token: told where that may be a stolen certificate.
    pub(crate) fn denied(&self, caller: Option<&Identity>, tenant: TenantId, error: &Error) {
        if !matches!(error, Error::Denied(Denied::Cap)) {
            return;
        }
        let caller = caller.map(ToString::to_string).unwrap_or_default();
        let key = Key {
            kind: Kind::PolicyCap,
            tenant: None,
            app: String::new(),
            part: caller.clone(),
        };
        if !self
            .0
            .memory
            .is_new(key, String::new(), self.now(), Some(HOUR))
        {
            return;
        }
        let problem = error.problem();
        let subject = Subject {
            tenant: Some(tenant),
            caller: Some(caller),
            code: Some(problem.code.into_owned()),
            ..Subject::default()
        };
        self.tell(Kind::PolicyCap, subject, problem.what, problem.remedy);
    }
}

/// Those that a token ends.
fn is_failure(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::CredentialRefused
            | Kind::CredentialUnusable
            | Kind::ExcessRefused
            | Kind::TokenUnexpected
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use runtime::Clock;

    use super::*;
    use crate::aadsts::Class;
    use crate::error::Refusal;

    fn refused(code: u64) -> Error {
        Error::Refused {
            tenant: super::super::app(Vec::new()).tenant,
            app: "core".to_owned(),
            refusal: Box::new(Refusal {
                class: Class::Setup,
                error: "unauthorized_client".to_owned(),
                code,
                trace: uuid::Uuid::new_v4().to_string(),
                correlation: String::new(),
            }),
        }
    }

    fn kinds(events: &Events) -> Vec<Kind> {
        events.told().into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn a_refusal_is_told_once_a_day_and_another_one_at_once() {
        let clock = Clock::starting_at(1_800_000_000_000_000);
        let (events, app) = (Events::kept(clock.clone()), super::super::app(Vec::new()));
        let mut told = Vec::new();
        for hour in 0..49 {
            events.ended(&app, &Err(refused(700_016)));
            told.extend(kinds(&events).iter().map(|_| hour));
            clock.advance(Duration::from_secs(3_600));
        }
        assert_eq!(told, [0, 24, 48]);
        events.ended(&app, &Err(refused(7_000_112)));
        assert_eq!(kinds(&events), [Kind::CredentialRefused]);
        // What passes by itself needs nobody.
        events.ended(
            &app,
            &Err(Error::Unreachable {
                tenant: app.tenant,
                authority: String::new(),
                retry_after: None,
                again_at: 0,
                source: "down".into(),
            }),
        );
        assert_eq!(kinds(&events), []);
    }

    #[test]
    fn a_cap_is_told_once_an_hour_for_each_caller() {
        let clock = Clock::starting_at(1_800_000_000_000_000);
        let (events, tenant) = (
            Events::kept(clock.clone()),
            super::super::app(Vec::new()).tenant,
        );
        let ask = |name: &str, denied| {
            let caller: Identity = format!("spiffe://example.org/{name}").parse().unwrap();
            events.denied(Some(&caller), tenant, &Error::Denied(denied));
            events.told().len()
        };
        assert_eq!(ask("a", Denied::Tenant), 0);
        assert_eq!((ask("a", Denied::Cap), ask("a", Denied::Cap)), (1, 0));
        assert_eq!(ask("b", Denied::Cap), 1);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(ask("a", Denied::Cap), 1);
    }
}
