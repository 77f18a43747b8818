//! The position of a catalog: its version, and the last observation that it holds.

use crate::state::{keys, kv};
use serde::{Deserialize, Serialize};

/// The position of a catalog: the version of its configuration, and the log index of the last observation in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How often something was configured.
    #[serde(default)]
    pub version: u64,
    /// The log index at which something was last observed.
    #[serde(default)]
    pub observed: u64,
}

impl Position {
    /// Reads the position of the stored catalog, without loading the catalog.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn stored(kv: &impl kv::Read) -> Result<Self, kv::KvError> {
        Ok(Self {
            version: keys::read_u64(kv, keys::META_CATALOG_VERSION)?,
            observed: keys::read_u64(kv, keys::META_OBSERVED)?,
        })
    }

    /// Whether what stands here knows all that stands there.
    #[must_use]
    pub fn reaches(self, there: Self) -> bool {
        self.version >= there.version && self.observed >= there.observed
    }
}
