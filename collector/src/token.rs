//! The access token of one run: asked of the token-broker, used for as long as it says, given back when Graph refuses it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use proto::ids::{Dataset, TenantId};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::grpc::{Channel, pushback};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use tonic::{Code, Status};

use crate::graph_error::GraphError;

/// When to ask again where the token-broker doesn't say, because it can't be reached itself.
const UNTOLD_REST: Duration = Duration::from_secs(30);

/// Tokens for one dataset of one tenant.
pub struct Tokens {
    broker: TokenServiceClient<Channel>,
    tenant: TenantId,
    dataset: Dataset,
    at_hand: Mutex<Option<Token>>,
}

/// A token, as it goes into a request.
#[derive(Clone)]
pub struct Token {
    /// `Authorization` of a request.
    pub bearer: HeaderValue,
    hash: [u8; 32],
    until: Instant,
}

impl Tokens {
    /// None at hand.
    pub fn new(broker: Channel, tenant: TenantId, dataset: Dataset) -> Self {
        Tokens {
            broker: TokenServiceClient::new(broker),
            tenant,
            dataset,
            at_hand: Mutex::new(None),
        }
    }

    /// The one at hand, or a new one.
    pub async fn get(&self) -> Result<Token, GraphError> {
        let mut at_hand = self.at_hand.lock().await;
        if let Some(token) = at_hand.as_ref().filter(|t| t.until > Instant::now()) {
            return Ok(token.clone());
        }
        let token = self.ask(GetTokenRequest::default()).await?;
        Ok(at_hand.insert(token).clone())
    }

    /// Graph refused a token, with these headers. Nothing is asked where another request has got a new one meanwhile.
    pub async fn refused(&self, token: &Token, answer: &HeaderMap) -> Result<(), GraphError> {
        let mut at_hand = self.at_hand.lock().await;
        if at_hand.as_ref().is_some_and(|t| t.hash != token.hash) {
            return Ok(());
        }
        let request = GetTokenRequest {
            refused: true,
            rejected_token_sha256: token.hash.to_vec(),
            claims: challenge(answer).unwrap_or_default(),
            ..GetTokenRequest::default()
        };
        *at_hand = Some(self.ask(request).await?);
        Ok(())
    }

    async fn ask(&self, request: GetTokenRequest) -> Result<Token, GraphError> {
        let request = GetTokenRequest {
            tenant_id: self.tenant.to_string(),
            dataset: self.dataset.to_string(),
            ..request
        };
        let answer = self.broker.clone().get_token(request).await;
        let answer = answer.map_err(|s| refusal(&s))?;
        let answer = answer.into_inner();
        let hash = Sha256::digest(answer.access_token.as_bytes()).into();
        let bearer = HeaderValue::try_from(format!("Bearer {}", answer.access_token));
        let mut bearer = bearer.map_err(|_| {
            refusal(&Status::internal(
                "LW-2000: the token-broker sent an unusable token.",
            ))
        })?;
        bearer.set_sensitive(true);
        Ok(Token {
            bearer,
            hash,
            until: Instant::now() + Duration::from_secs(answer.use_for_seconds.into()),
        })
    }
}

/// No token: for now, or until somebody acts.
fn refusal(status: &Status) -> GraphError {
    let passes = status.code() == Code::Unavailable;
    GraphError::Token {
        text: status.message().to_owned(),
        again: passes.then(|| pushback::of(status).unwrap_or(UNTOLD_REST)),
    }
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The claims challenge of a 401 (continuous access evaluation), decoded. There may be several headers, and their fields
/// are in no order. Source: "Claims challenges, claims requests and client capabilities".
fn challenge(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(WWW_AUTHENTICATE).into_iter();
    let text = all.filter_map(|v| v.to_str().ok()).find_map(|value| {
        let rest = value.split_once("claims=")?.1.trim_start_matches('"');
        rest.split(['"', ',', ' ']).next()
    })?;
    let bytes = STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()?;
    let json = String::from_utf8(bytes).ok()?;
    serde_json::from_str::<serde_json::Value>(&json)
        .ok()?
        .is_object()
        .then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenge(&headers)
    }

    #[test]
    fn reads_the_challenge_wherever_it_stands() {
        // {"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}
        let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ==";
        let bearer =
            format!("Bearer realm=\"\", claims=\"{claims}\", error=\"insufficient_claims\"");
        let json = told(&["Basic realm=\"x\"", &bearer]).unwrap();
        assert!(json.contains("1604106651"), "{json}");
        let bare = format!(
            "Bearer error=\"insufficient_claims\", claims={}",
            claims.trim_end_matches('=')
        );
        assert_eq!(told(&[&bare]).unwrap(), json);
    }

    #[test]
    fn anything_else_is_no_challenge() {
        for value in [
            "Bearer realm=\"\"",
            "Bearer claims=\"?\"",
            "Bearer claims=\"bm8=\"",
            "Bearer claims=",
            "claims=\"e\"",
        ] {
            assert_eq!(told(&[value]), None, "{value}");
        }
    }
}
