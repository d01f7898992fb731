//! Libraries of devices: each is loaded once, and used by one thread at a time.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use tokio::sync::Semaphore;

use super::{DeviceError, DeviceKey};
use crate::credential::{Algorithm, CredentialError};

/// How long a device may take. One that has to be asked in the network signs in less than a second.
const PATIENCE: Duration = Duration::from_secs(20);

const LOAD: &str = "let module be the library (.so) of the device's maker for this system, readable by this user, with what it needs \
                    beside it (its configuration, its variables); pkcs11-tool --module <file> -L must list the token";
const ANSWER: &str = "see that the device is there and works: pkcs11-tool --module <file> -L must list the token; it is tried again";

/// What is loaded. PKCS#11 knows the process and no part of it: a library is initialized once, and who is logged in is
/// so everywhere. So this is the process's, too.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// A device's library.
pub(super) struct Module {
    pub(super) path: PathBuf,
    /// Whoever waits for it holds no thread meanwhile.
    turn: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    library: Option<Pkcs11>,
    /// PINs that a token refused, by its serial number and the file that holds them, and when that was written. Tokens lock
    /// themselves after some wrong ones, so that none is shown twice.
    pub(super) refused: HashMap<(String, PathBuf), Option<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Module {
    /// The one at this path.
    pub(super) fn of(path: &Path) -> Arc<Self> {
        let mut loaded = lock(&LOADED);
        let module = loaded.entry(path.to_owned()).or_insert_with(|| {
            Arc::new(Module {
                path: path.to_owned(),
                turn: Arc::new(Semaphore::new(1)),
                state: Mutex::default(),
            })
        });
        Arc::clone(module)
    }

    /// Does work that blocks on a thread of its own, when its turn comes. A device that never answers keeps that one
    /// thread and no other.
    pub(super) async fn alone<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Module) -> Result<T, CredentialError> + Send + 'static,
    ) -> Result<T, CredentialError> {
        let module = Arc::clone(&self);
        let done = async move {
            let turn = Arc::clone(&module.turn).acquire_owned().await;
            let work = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work(&module)
            });
            work.await
        };
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(self.failure("ended abnormally", ANSWER, false)),
            Err(_) => {
                let why = format!("gives no answer within {} s", PATIENCE.as_secs());
                Err(self.failure(why, ANSWER, true))
            }
        }
    }

    /// The signature of a message. Blocks.
    pub(super) fn sign(
        &self,
        key: &DeviceKey,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, CredentialError> {
        let mut state = lock(&self.state);
        let library = match &state.library {
            Some(library) => library.clone(),
            None => {
                let library = self.load()?;
                state.library = Some(library.clone());
                library
            }
        };
        self.sign_by(&library, &mut state, key, algorithm, message)
    }

    fn load(&self) -> Result<Pkcs11, CredentialError> {
        // What the loader says names files and symbols.
        let library = Pkcs11::new(&self.path)
            .map_err(|e| self.failure(format!("can't be loaded ({e})"), LOAD, false))?;
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match library.initialize(threads) {
            // Somebody else in this process uses it, or it goes by another name, too.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(library),
            Err(e) => Err(self.failure(format!("can't be initialized ({e})"), LOAD, false)),
        }
    }

    /// What the library answers in place of what it was asked for.
    pub(super) fn failed(&self, e: &Error) -> CredentialError {
        let transient = matches!(
            e,
            Error::Pkcs11(
                RvError::DeviceError
                    | RvError::DeviceRemoved
                    | RvError::TokenNotPresent
                    | RvError::SessionHandleInvalid
                    | RvError::SessionClosed
                    | RvError::SessionCount,
                _
            )
        );
        self.failure(format!("fails ({e})"), ANSWER, transient)
    }

    pub(super) fn failure(
        &self,
        why: impl Into<String>,
        remedy: &'static str,
        transient: bool,
    ) -> CredentialError {
        let e = DeviceError {
            code: "LW-2038",
            module: self.path.clone(),
            why: why.into(),
            remedy,
            transient,
        };
        e.into()
    }
}
