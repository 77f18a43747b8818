//! A wall clock that the test moves for real, unchanged processes, by libfaketime. Their monotone clock goes on as it does.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::NamedTempFile;

/// Where Debian and Ubuntu keep the library, for the processors that we run on.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

pub struct WallClock {
    library: PathBuf,
    /// What libfaketime reads: how far ahead the clock is.
    offset: NamedTempFile,
}

impl WallClock {
    /// A clock that is right so far. None, and a line that says so, where libfaketime is not installed.
    ///
    /// # Panics
    /// When no temporary file can be made.
    #[must_use]
    pub fn here() -> Option<Arc<Self>> {
        let found = LIBRARIES.iter().map(Path::new).find(|path| path.is_file());
        let Some(library) = found else {
            println!(
                "SKIPPED: no libfaketime (Debian's package faketime), so no wall clock can be moved"
            );
            return None;
        };
        let clock = Self {
            library: library.to_owned(),
            offset: NamedTempFile::new().expect("a file for the clock"),
        };
        clock.set_ahead(Duration::ZERO);
        Some(Arc::new(clock))
    }

    /// Moves the clock of every process that reads it to this far ahead of the machine's.
    ///
    /// # Panics
    /// When the file can't be written.
    pub fn set_ahead(&self, ahead: Duration) {
        self.set(&format!("+{}", ahead.as_secs_f64()));
    }

    /// Moves it to this far behind.
    ///
    /// # Panics
    /// When the file can't be written.
    pub fn set_behind(&self, behind: Duration) {
        self.set(&format!("-{}", behind.as_secs_f64()));
    }

    fn set(&self, offset: &str) {
        // In one step, so that nobody reads half a number.
        let next = self.offset.path().with_extension("next");
        fs::write(&next, format!("{offset}\n")).expect("the clock can be written");
        fs::rename(&next, self.offset.path()).expect("the clock can be set");
    }

    /// What makes a process read this clock.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.path().to_owned()),
            // Timers and leases must go on as on a machine whose clock an operator sets.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("FAKETIME_NO_CACHE", "1".into()),
        ]
    }
}
