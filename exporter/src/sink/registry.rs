//! Which sinks there are. A new one is a file with its settings and one line below.

use std::path::Path;

use runtime::Clock;
use runtime::db::Db;
use serde::{Deserialize, Serialize};

use super::Sink;
use crate::error::Error;

/// What a sink can be told.
pub trait Settings {
    /// Makes relative paths relative to `base`.
    fn resolve(&mut self, base: &Path);

    /// Where its data are: a path, or a URL without a password. Two sinks never share it.
    fn location(&self) -> String;

    /// Checks what the types can't; `sink` is its name.
    ///
    /// # Errors
    /// `LW-6001`.
    fn check(&self, sink: &str) -> Result<(), Error> {
        let _ = sink;
        Ok(())
    }

    /// Whether the sink finds people of its own by their sign-in names: then it can't use pseudonyms.
    fn matches_people(&self) -> bool {
        false
    }

    /// The sink.
    ///
    /// # Errors
    /// When this build lacks what it needs.
    fn sink(&self, context: &Context) -> Result<Sink, Error>;
}

/// What a sink is made with besides its settings.
pub struct Context {
    /// Its name.
    pub name: String,
    /// As [`Options::brake`](runtime::db::Options::brake).
    pub brake: bool,
    /// What tells it the day.
    pub clock: Clock,
    /// The exporter's own database.
    pub db: Db,
}

macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident $kind:literal $settings:ty,)*) => {
        /// What a sink is.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Target {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($settings),)*
        }

        $(impl From<$settings> for Target {
            fn from(settings: $settings) -> Target {
                Target::$variant(settings)
            }
        })*

        impl Target {
            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Target::$variant(_) => $kind,)*
                }
            }

            fn settings(&self) -> &dyn Settings {
                match self {
                    $(Target::$variant(settings) => settings,)*
                }
            }

            /// As [`Settings::resolve`].
            pub fn resolve(&mut self, base: &Path) {
                match self {
                    $(Target::$variant(settings) => settings.resolve(base),)*
                }
            }
        }
    };
}

registry! {
    /// A directory with the current inventory: files and a manifest.
    Files "files" super::files::Directory,
    /// A bucket of an object store with the same.
    Bucket "bucket" super::partitioned::Bucket,
    /// A file with every change, line by line.
    Changes "changes" super::changes::Feed,
    /// A SQLite file with a view for each kind.
    Sqlite "sqlite" super::database::Sqlite,
    /// A PostgreSQL database with a table for each kind.
    Postgres "postgres" super::database::Postgres,
    /// A package for an inventory adapter of FlexNet Manager Suite.
    Flexnet "flexnet" super::flexnet::Package,
    /// The rosters of Flexera One, SaaS Management.
    FlexeraOne "flexera_one" super::flexera_one::FlexeraOne,
    /// Licences and their users in Snow Atlas.
    SnowAtlas "snow_atlas" super::snow_atlas::SnowAtlas,
    /// A receiver of CloudEvents over HTTP.
    Webhook "webhook" super::webhook::Webhook,
    /// Rows of an import set of ServiceNow.
    ServiceNow "servicenow" super::servicenow::ServiceNow,
    /// Licences of Snipe-IT with their seats.
    SnipeIt "snipe-it" super::snipe_it::SnipeIt,
}

impl Target {
    /// As [`Settings::location`].
    pub fn location(&self) -> String {
        self.settings().location()
    }

    /// As [`Settings::check`].
    ///
    /// # Errors
    /// `LW-6001`.
    pub fn check(&self, sink: &str) -> Result<(), Error> {
        self.settings().check(sink)
    }

    /// As [`Settings::matches_people`].
    pub fn matches_people(&self) -> bool {
        self.settings().matches_people()
    }

    /// As [`Settings::sink`].
    ///
    /// # Errors
    /// When this build lacks what it needs.
    pub fn sink(&self, context: &Context) -> Result<Sink, Error> {
        self.settings().sink(context)
    }
}
