//! Files in a bucket. The keys are read from their files for each request, so new ones count at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, CredentialProvider, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutPayload, RetryConfig, UpdateVersion, WriteMultipart,
};
use tokio::io::AsyncReadExt as _;

use super::{Bucket, Place, Stored};
use crate::error::{Error, ObjectsFault};
use crate::sink::files::disk;

const MANIFEST: &str = "manifest.json";

/// What is uploaded at a time; a store takes at most 10,000 pieces, and none below 5 MiB but the last.
const PIECE: usize = 8 << 20;

/// Pieces on their way at the same time.
const PIECES: usize = 2;

/// What nobody names is removed when it is so much older than the manifest: nobody is still at it.
const ORPHAN: i64 = 24 * 3_600;

/// A bucket.
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    place: String,
    prefix: String,
    conditional: bool,
    /// Whether this process has looked at what is there.
    looked: AtomicBool,
    swept: AtomicBool,
}

impl Objects {
    pub(super) fn new(settings: &Bucket, sink: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::settings(sink, why);
        let (bucket, prefix) = settings.place().unwrap_or_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_credentials(Arc::new(Keys {
                id: settings.access_key_id.clone(),
                secret: settings.secret_access_key_file.clone(),
                token: settings.session_token_file.clone(),
            }))
            .with_http_connector(Connector(client(settings).map_err(wrong)?))
            .with_conditional_put(if settings.conditional {
                S3ConditionalPut::ETagMatch
            } else {
                S3ConditionalPut::Disabled
            })
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    max_backoff: Duration::from_secs(5),
                    ..BackoffConfig::default()
                },
                max_retries: 3,
                retry_timeout: Duration::from_secs(4 * settings.silence_seconds),
            });
        if let Some(endpoint) = &settings.endpoint {
            // `http://` was let through for loopback only.
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
        }
        let store = builder.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Objects {
            store: Arc::new(store),
            place: settings.url.clone(),
            prefix: prefix.to_owned(),
            conditional: settings.conditional,
            looked: AtomicBool::new(false),
            swept: AtomicBool::new(false),
        })
    }

    fn key(&self, name: &str) -> Key {
        Key::from_iter(
            self.prefix
                .split('/')
                .chain(name.split('/'))
                .filter(|p| !p.is_empty()),
        )
    }

    /// Everything below the prefix that has a name of ours.
    async fn list(&self) -> Result<Vec<(String, ObjectMeta)>, Error> {
        let prefix = self.key("");
        let all: Vec<ObjectMeta> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|e| self.failed(e))?;
        let named = all.into_iter().filter_map(|meta| {
            let name = meta.location.as_ref().strip_prefix(prefix.as_ref())?;
            Some((name.trim_start_matches('/').to_owned(), meta))
        });
        Ok(named.collect())
    }

    async fn upload(&self, from: &Path, key: &Key) -> Result<(), Error> {
        let mut file = tokio::fs::File::open(from).await.map_err(disk::at(from))?;
        let mut piece = read(&mut file, from).await?;
        if piece.len() < PIECE {
            let put = self.store.put(key, piece.into()).await;
            return put.map(drop).map_err(|e| self.failed(e));
        }
        let upload = self.store.put_multipart(key).await;
        let upload = upload.map_err(|e| self.failed(e))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
        while !piece.is_empty() {
            let next = match upload.wait_for_capacity(PIECES).await {
                Ok(()) => {
                    upload.put(piece.into());
                    read(&mut file, from).await
                }
                Err(e) => Err(self.failed(e)),
            };
            piece = match next {
                Ok(next) => next,
                Err(e) => {
                    if let Err(e) = upload.abort().await {
                        tracing::warn!(
                            error = said(&e),
                            "an upload that failed stays in the bucket until its rules end it"
                        );
                    }
                    return Err(e);
                }
            };
        }
        // Where that fails, it ends the upload by itself.
        upload.finish().await.map(drop).map_err(|e| self.failed(e))
    }

    fn failed(&self, e: object_store::Error) -> Error {
        let source = said(&e);
        let fault = fault(&e, &source);
        Error::Objects {
            place: self.place.clone(),
            fault,
            source: source.into(),
        }
    }

    async fn sweep(&self, keep: &BTreeSet<String>) -> Result<(), Error> {
        let all = self.list().await?;
        let manifest = all.iter().find(|(name, _)| name == MANIFEST);
        // The store's own clock.
        let Some(now) = manifest.map(|(_, meta)| meta.last_modified) else {
            return Ok(());
        };
        let orphan = |name: &str, meta: &ObjectMeta| {
            let ours = name.starts_with("tenant=") && name.contains("/part-");
            let age = now.signed_duration_since(meta.last_modified);
            ours && !keep.contains(name) && age.num_seconds() > ORPHAN
        };
        let orphans = all.into_iter().filter(|(name, meta)| orphan(name, meta));
        self.delete(orphans.map(|(_, meta)| meta.location).collect())
            .await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<(), Error> {
        let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
        let mut deleted = self.store.delete_stream(keys);
        while let Some(one) = deleted.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Place for Objects {
    fn name(&self) -> String {
        self.place.clone()
    }

    fn lock(&self, spool: &Path) -> PathBuf {
        spool.join(".lock")
    }

    async fn manifest(&self) -> Result<Option<Stored>, Error> {
        let got = match self.store.get(&self.key(MANIFEST)).await {
            Ok(got) => got,
            Err(e @ object_store::Error::NotFound { .. })
                if fault(&e, &said(&e)) != ObjectsFault::Missing =>
            {
                return Ok(None);
            }
            Err(e) => return Err(self.failed(e)),
        };
        let version = got.meta.e_tag.clone().unwrap_or_default();
        let bytes = got.bytes().await.map_err(|e| self.failed(e))?;
        Ok(Some(Stored {
            bytes: bytes.into(),
            version,
        }))
    }

    async fn missing(&self, parts: &BTreeMap<String, u64>) -> Result<BTreeSet<String>, Error> {
        if parts.is_empty() || self.looked.load(Ordering::Relaxed) {
            return Ok(BTreeSet::new());
        }
        let there: BTreeMap<String, u64> = self
            .list()
            .await?
            .into_iter()
            .map(|(name, meta)| (name, meta.size))
            .collect();
        self.looked.store(true, Ordering::Relaxed);
        let missing = parts
            .iter()
            .filter(|(name, bytes)| there.get(*name) != Some(bytes));
        Ok(missing.map(|(name, _)| name.clone()).collect())
    }

    async fn put(&self, from: &Path, name: &str) -> Result<(), Error> {
        self.upload(from, &self.key(name)).await
    }

    async fn replace(&self, bytes: Vec<u8>, old: &Stored) -> Result<String, Error> {
        let mode = match (self.conditional, old.version.is_empty()) {
            (false, _) => PutMode::Overwrite,
            (true, true) => PutMode::Create,
            (true, false) => PutMode::Update(UpdateVersion {
                e_tag: Some(old.version.clone()),
                version: None,
            }),
        };
        let (payload, key) = (PutPayload::from(bytes), self.key(MANIFEST));
        match self.store.put_opts(&key, payload, mode.into()).await {
            Ok(put) => Ok(put.e_tag.unwrap_or_default()),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. },
            ) => Err(Error::Moved {
                place: self.place.clone(),
            }),
            Err(e) => Err(self.failed(e)),
        }
    }

    async fn remove(&self, gone: Vec<String>, keep: BTreeSet<String>) {
        let gone = gone.iter().map(|name| self.key(name)).collect();
        let mut removed = self.delete(gone).await;
        if removed.is_ok() && !self.swept.swap(true, Ordering::Relaxed) {
            removed = self.sweep(&keep).await;
        }
        if let Err(e) = removed {
            tracing::warn!(error = %runtime::error::Chain(&e), "old files of a sink stay");
        }
    }
}

async fn read(file: &mut tokio::fs::File, path: &Path) -> Result<Vec<u8>, Error> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut some = file.take(PIECE as u64);
    some.read_to_end(&mut piece).await.map_err(disk::at(path))?;
    Ok(piece)
}

/// What a store says in a few words: its code and message, or why it could not be asked. The whole answer would repeat
/// the request.
fn said(e: &object_store::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(e);
    while let Some(e) = next {
        text = e.to_string();
        if let Some(code) = between(&text, "<Code>", "</Code>") {
            let message = between(&text, "<Message>", "</Message>").unwrap_or_default();
            return format!("{code}: {}", message.trim_end_matches('.'));
        }
        next = e.source();
    }
    text.trim_end_matches('.').to_owned()
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

/// Codes of Amazon S3 for keys that are wrong, ended, or of a clock that is.
const DENIED: [&str; 5] = [
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
];

fn fault(e: &object_store::Error, said: &str) -> ObjectsFault {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    match e {
        PermissionDenied { .. } | Unauthenticated { .. } => ObjectsFault::Denied,
        _ if DENIED.iter().any(|code| said.starts_with(code)) => ObjectsFault::Denied,
        _ if said.starts_with("NoSuchBucket") => ObjectsFault::Missing,
        _ => ObjectsFault::Away,
    }
}

/// Never follows a redirect: who is asked is what was configured.
fn client(settings: &Bucket) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("Leastwise/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(settings.silence_seconds));
    if let Some(file) = &settings.ca_file {
        let wrong = |why: String| format!("ca_file = {}: {why}", file.display());
        let pem = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem);
        builder = builder.tls_certs_merge(certificates.map_err(|e| wrong(e.to_string()))?);
    }
    builder.build().map_err(|e| e.to_string())
}

#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// The access key, in files that may be written anew at any time.
#[derive(Debug)]
struct Keys {
    id: String,
    secret: PathBuf,
    token: Option<PathBuf>,
}

async fn key(path: &Path) -> object_store::Result<String> {
    let wrong = |why: String| object_store::Error::Unauthenticated {
        path: path.display().to_string(),
        source: format!("{}: {why}", path.display()).into(),
    };
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|e| wrong(e.to_string()))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        text => Ok(text.to_owned()),
    }
}

#[async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let token = match &self.token {
            Some(path) => Some(key(path).await?),
            None => None,
        };
        Ok(Arc::new(AwsCredential {
            key_id: self.id.clone(),
            secret_key: key(&self.secret).await?,
            token,
        }))
    }
}
