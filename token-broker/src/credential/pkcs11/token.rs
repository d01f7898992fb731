//! Tokens and their keys: found by what the operator names them, opened with a PIN, and let sign.

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::Ulong;

use super::module::{Module, State};
use super::{DeviceError, DeviceKey};
use crate::credential::{Algorithm, CredentialError};
use crate::files::Files;

const TOKEN: &str =
    "let token be a label, or slot a number, that pkcs11-tool --module <file> -L lists";
const KEY: &str = "let key be the label, or key_id the id, of one private RSA key that pkcs11-tool --module <file> --login -O lists";
const PIN: &str = "put the user's PIN of this token into pin_file: it is tried once whenever that file is written or the process starts, \
                   for the device locks itself after some wrong ones";
const LAST: &str = "log in once with the right PIN by hand (pkcs11-tool --module <file> --login -O), or have the token's security officer \
                    set a new one";
const PSS: &str = "algorithm = \"RS256\" is for devices that can't do PS256; the key has to be an RSA key that may sign";
const EACH_USE: &str = "take a key that doesn't want the PIN for each use (CKA_ALWAYS_AUTHENTICATE; of a PIV card not slot 9c)";

/// What goes before the digest in a signature by PKCS#1 (RFC 8017, section 9.2, note 1), for SHA-256.
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

impl DeviceKey {
    /// The key, as messages name it.
    pub(super) fn named(&self) -> String {
        match (&self.key, &self.key_id) {
            (Some(label), Some(id)) => format!("private key `{label}` with the id {id}"),
            (Some(label), None) => format!("private key `{label}`"),
            (None, id) => format!("private key with the id {}", id.as_deref().unwrap_or("?")),
        }
    }
}

impl Module {
    pub(super) fn sign_by(
        &self,
        library: &Pkcs11,
        state: &mut State,
        key: &DeviceKey,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, CredentialError> {
        let failed = |e| self.failed(&e);
        let (slot, token) = self.token(library, key)?;
        let (mechanism, data) = self.mechanism(library, slot, algorithm, message)?;
        // Its end, on every way out of here, is the log-out as well: it is the only one.
        let session = library.open_ro_session(slot).map_err(failed)?;
        self.log_in(&session, &token, state, key)?;
        let private = self.find(&session, &token, key)?;
        session
            .sign(&mechanism, private, &data)
            .map_err(|e| match e {
                Error::Pkcs11(RvError::UserNotLoggedIn, _) => {
                    let why = format!("has a {} that wants the PIN for each use", key.named());
                    self.failure(why, EACH_USE, false)
                }
                Error::Pkcs11(
                    RvError::MechanismInvalid
                    | RvError::MechanismParamInvalid
                    | RvError::KeyTypeInconsistent
                    | RvError::KeyFunctionNotPermitted
                    | RvError::KeySizeRange,
                    _,
                ) => {
                    let why = format!("can't sign {algorithm:?} with the {} ({e})", key.named());
                    self.failure(why, PSS, false)
                }
                other => self.failed(&other),
            })
    }

    fn token(
        &self,
        library: &Pkcs11,
        key: &DeviceKey,
    ) -> Result<(Slot, TokenInfo), CredentialError> {
        let slots = library
            .get_slots_with_token()
            .map_err(|e| self.failed(&e))?;
        let tokens = slots.into_iter().filter_map(|slot| {
            let token = library.get_token_info(slot).ok()?;
            token.token_initialized().then_some((slot, token))
        });
        let tokens: Vec<_> = tokens.collect();
        let wanted = |(slot, token): &&(Slot, TokenInfo)| match &key.token {
            Some(label) => token.label() == label,
            None => Some(slot.id()) == key.slot,
        };
        let mut found = tokens.iter().filter(wanted);
        let named = match (&key.token, key.slot) {
            (Some(label), _) => format!("token `{label}`"),
            (None, slot) => format!("token in slot {}", slot.unwrap_or_default()),
        };
        match (found.next(), found.next()) {
            (Some((slot, token)), None) => Ok((*slot, token.clone())),
            (Some(_), Some(_)) => {
                let why = format!("has more than one {named}");
                Err(self.failure(why, "name slot, its number, in place of token", false))
            }
            _ => {
                let all = tokens.iter();
                let all = all.map(|(slot, token)| format!("`{}` in slot {slot}", token.label()));
                let all: Vec<_> = all.collect();
                let others = match all.is_empty() {
                    true => "it has none".to_owned(),
                    false => format!("it has {}", all.join(", ")),
                };
                // A token that was pulled out comes back.
                Err(self.failure(format!("has no {named}; {others}"), TOKEN, all.is_empty()))
            }
        }
    }

    /// Shows the PIN, unless that could do harm.
    fn log_in(
        &self,
        session: &Session,
        token: &TokenInfo,
        state: &mut State,
        key: &DeviceKey,
    ) -> Result<(), CredentialError> {
        let file = key.pin_file.path();
        let label = token.label();
        let refusal = |why: String, remedy| DeviceError {
            code: "LW-2039",
            module: self.path.clone(),
            why,
            remedy,
            transient: false,
        };
        let at = Files::default().written(file);
        let shown = (token.serial_number().to_owned(), file.to_owned());
        if state.refused.get(&shown) == Some(&at) {
            let why = format!(
                "has refused the PIN of {} for the token `{label}`; it was not asked again",
                file.display()
            );
            return Err(refusal(why, PIN).into());
        }
        if token.user_pin_locked() || token.user_pin_final_try() {
            let why = match token.user_pin_locked() {
                true => format!("has locked the token `{label}` after wrong PINs"),
                false => format!(
                    "would lock the token `{label}` after one more wrong PIN, so none is shown"
                ),
            };
            return Err(refusal(why, LAST).into());
        }
        let pin = key.pin_file.read();
        let pin = pin.map_err(|e| CredentialError::unreadable(file, e))?;
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                state.refused.remove(&shown);
                Ok(())
            }
            Err(Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinLocked
                | RvError::PinExpired
                | RvError::UserPinNotInitialized,
                _,
            )) => {
                state.refused.insert(shown, at);
                let why = format!(
                    "refuses the PIN of {} for the token `{label}`",
                    file.display()
                );
                Err(refusal(why, PIN).into())
            }
            Err(e) => Err(self.failed(&e)),
        }
    }

    fn find(
        &self,
        session: &Session,
        token: &TokenInfo,
        key: &DeviceKey,
    ) -> Result<ObjectHandle, CredentialError> {
        let mut wanted = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        if let Some(label) = &key.key {
            wanted.push(Attribute::Label(label.as_bytes().to_vec()));
        }
        wanted.extend(key.id().map(Attribute::Id));
        let found = session.find_objects(&wanted).map_err(|e| self.failed(&e))?;
        let (named, label) = (key.named(), token.label());
        let why = match found[..] {
            [only] => return Ok(only),
            [] => format!("has no {named} in the token `{label}`"),
            _ => format!("has more than one {named} in the token `{label}`"),
        };
        Err(self.failure(why, KEY, false))
    }

    /// How the device is asked to sign, and what: the message where it hashes itself, else the hash.
    fn mechanism(
        &self,
        library: &Pkcs11,
        slot: Slot,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<(Mechanism<'static>, Vec<u8>), CredentialError> {
        let there = library.get_mechanism_list(slot);
        let there = there.map_err(|e| self.failed(&e))?;
        let hash = || digest(&SHA256, message).as_ref().to_vec();
        // As long as the hash (RFC 7518, section 3.5).
        let salt = PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: Ulong::from(32),
        };
        let ways: [(MechanismType, Mechanism<'static>, Vec<u8>); 2] = match algorithm {
            Algorithm::PS256 => [
                (
                    MechanismType::SHA256_RSA_PKCS_PSS,
                    Mechanism::Sha256RsaPkcsPss(salt),
                    message.to_vec(),
                ),
                (
                    MechanismType::RSA_PKCS_PSS,
                    Mechanism::RsaPkcsPss(salt),
                    hash(),
                ),
            ],
            Algorithm::RS256 => [
                (
                    MechanismType::SHA256_RSA_PKCS,
                    Mechanism::Sha256RsaPkcs,
                    message.to_vec(),
                ),
                (
                    MechanismType::RSA_PKCS,
                    Mechanism::RsaPkcs,
                    [&DIGEST_INFO[..], &hash()].concat(),
                ),
            ],
        };
        let mut ways = ways.into_iter();
        let way = ways.find(|(kind, ..)| there.contains(kind));
        let (_, mechanism, data) = way.ok_or_else(|| {
            let why = format!("has a token in slot {slot} that can't do {algorithm:?}");
            self.failure(why, PSS, false)
        })?;
        Ok((mechanism, data))
    }
}
