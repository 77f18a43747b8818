//! The catalog: the configuration that operators keep, and the snapshot of it that requests are routed by.

mod catalogs;
mod change;
mod connection;
mod deduplicate;
mod destination;
mod destination_kind;
mod earlier;
mod field;
mod issue_trigger;
mod load;
mod names;
mod notifications;
mod observed;
mod outgoing;
mod overlay;
mod position;
mod project;
mod project_catalog;
mod request_template;
mod source;
mod stored_destination;
mod things;
mod ties;
mod transformation;
mod verification;

pub use catalogs::Catalogs;
pub use change::{CatalogChange, CatalogRow, Missed};
pub use connection::{Backoff, Connection, DelayRule, FilterRule, RetryRule, Rule};
pub use deduplicate::DeduplicateRule;
pub use destination::{Destination, DisabledBy, RatePeriod, Wishes};
pub use destination_kind::{CliTarget, DestinationKind, HttpTarget, MockTarget};
pub use field::{Field, FieldError};
pub use issue_trigger::{
    Causes, Channels, Chosen, IssueTrigger, SlackChannel, Star, Watched, WebhookChannel,
};
pub use load::CatalogError;
pub use notifications::{Notifications, Topic};
pub use observed::{
    DestinationObserved, Observed, Overruled, Overruling, SourceObserved, secret_fingerprint,
};
pub use position::Position;
pub use project::Project;
pub use project_catalog::Catalog;
pub use request_template::{
    ClientAuth, ClientCredentials, DestinationAuth, KeyPlace, RequestTemplate, Tls,
};
pub use source::{CustomResponse, ResponseKind, Source};
pub use things::Things;
pub use ties::Ties;
pub use transformation::{Program, Transformation, TransformationVersion, VersionMark};
pub use verification::{HandshakeKind, Handshaken, LiveSecret, Secret, Verification};

use crate::ids::ProjectNumber;
use serde::{Deserialize, Serialize};

/// A configured thing (a row of the catalog), as the control group keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
pub enum Item {
    Source(Source),
    Destination(Destination),
    Connection(Connection),
    Transformation(Transformation),
    TransformationVersion(TransformationVersion),
    IssueTrigger(IssueTrigger),
    Notifications(Notifications),
    Project(Project),
}

/// The kinds of configured things; the numbers are the first byte of their keys: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    Source = 1,
    Destination = 2,
    Connection = 3,
    Transformation = 4,
    /// Its id is the transformation's with the version in its last 16 bits. Not part of the loaded catalog.
    TransformationVersion = 5,
    IssueTrigger = 8,
    Notifications = 9,
    /// Its row is never deleted.
    Project = 10,
}

impl Item {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Source(_) => Kind::Source,
            Self::Destination(_) => Kind::Destination,
            Self::Connection(_) => Kind::Connection,
            Self::Transformation(_) => Kind::Transformation,
            Self::TransformationVersion(_) => Kind::TransformationVersion,
            Self::IssueTrigger(_) => Kind::IssueTrigger,
            Self::Notifications(_) => Kind::Notifications,
            Self::Project(_) => Kind::Project,
        }
    }

    /// The id behind its prefix.
    #[must_use]
    pub fn id(&self) -> u128 {
        match self {
            Self::Source(item) => item.id.0,
            Self::Destination(item) => item.id.0,
            Self::Connection(item) => item.id.0,
            Self::Transformation(item) => item.id.0,
            Self::TransformationVersion(item) => item.transformation_id.version(item.version),
            Self::IssueTrigger(item) => item.id.0,
            Self::Notifications(item) => Notifications::id(item.project()),
            Self::Project(item) => item.id.0,
        }
    }

    /// The project that it belongs to, or is.
    #[must_use]
    pub fn project(&self) -> ProjectNumber {
        ProjectNumber::of(self.id())
    }
}

impl crate::state::codec::Stored for Item {
    const WHAT: &'static str = "catalog item";
    const VERSION: u8 = 1;
}
