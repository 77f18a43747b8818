//! What a run of the harness can be told from outside, by environment variables.

use std::{env, path::PathBuf, str::FromStr};

/// A setting, or what it is without one.
///
/// # Panics
/// When it is set to something that cannot be read: a run with another load than the asked one would mislead.
#[must_use]
pub fn read<T: FromStr>(name: &str, default: T) -> T {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is set to {text:?}, which cannot be read")),
        Err(_) => default,
    }
}

/// The variable that names the binary under test.
pub const BINARY: &str = "TIDEGATE_BIN";

/// The binary under test: `TIDEGATE_BIN`, else the `tidegate` that was built beside this executable.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os(BINARY) {
        return path.into();
    }
    let this = env::current_exe().expect("this executable has a path");
    this.ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join("tidegate"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no `tidegate` beside {}: build the whole workspace first, or set TIDEGATE_BIN",
                this.display()
            )
        })
}
