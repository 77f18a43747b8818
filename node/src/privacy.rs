//! The privacy of a node on its machine: files that others can't read, no core dumps, no debuggers.

use nix::sys::stat::{Mode, umask};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tracing::warn;

/// Rights of anyone but the owner.
const OTHERS: u32 = 0o077;
/// Everybody may make files there, and only their owner removes them.
const STICKY: u32 = 0o1000;

#[derive(Debug, thiserror::Error)]
#[error(
    "keeping {} from other users of this machine: expected files that belong to the user of this process", .path.display()
)]
pub(crate) struct NotOurs {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Sets the umask: everything that it and its children make from now on is its user's alone.
pub(crate) fn make_files_private() {
    umask(Mode::from_bits_truncate(OTHERS));
}

/// Neither its memory nor a dump of it is for others: it holds every secret of the cluster.
pub(crate) fn hide_memory() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{
            prctl::set_dumpable,
            resource::{Resource, setrlimit},
        };
        let done = setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| set_dumpable(false));
        if let Err(error) = done {
            warn!(%error, "core dumps stay as the system has them");
        }
    }
}

/// Takes from others what they may do in a data directory that an earlier version made.
///
/// # Errors
/// What holds the data is not this process's to change.
pub(crate) fn tighten(data_dir: &Path) -> Result<(), NotOurs> {
    if let Ok(found) = fs::metadata(data_dir) {
        let mode = found.permissions().mode();
        // It may be a mount whose rights are somebody else's to say. What it holds is shut anyway.
        let shut = match mode & STICKY {
            0 => shut(data_dir, mode),
            _ => Err(io::Error::other("it is a directory for everybody")),
        };
        if let Err(error) = shut {
            warn!(dir = %data_dir.display(), %error, "others may look into the data directory");
        }
    }
    tighten_all(&data_dir.join("db"))
}

fn tighten_all(path: &Path) -> Result<(), NotOurs> {
    let not_ours = |source| NotOurs {
        path: path.to_owned(),
        source,
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(not_ours(error)),
    };
    if found.is_symlink() {
        return Ok(());
    }
    shut(path, found.permissions().mode()).map_err(not_ours)?;
    if !found.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(not_ours)? {
        tighten_all(&entry.map_err(not_ours)?.path())?;
    }
    Ok(())
}

fn shut(path: &Path, mode: u32) -> io::Result<()> {
    match mode & OTHERS {
        0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777 & !OTHERS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    fn open_to_all(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own");
    }

    #[test]
    fn a_data_directory_of_an_earlier_version_is_shut_with_all_that_it_holds() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        let inner = data.join("db").join("snapshots");
        fs::create_dir_all(&inner).expect("made");
        let file = inner.join("000001.sst");
        fs::write(&file, b"secret").expect("written");
        let outside = dir.path().join("elsewhere");
        fs::write(&outside, b"not ours").expect("written");
        std::os::unix::fs::symlink(&outside, inner.join("link")).expect("linked");
        for (path, mode) in [
            (&data, 0o755),
            (&inner, 0o775),
            (&file, 0o644),
            (&outside, 0o644),
        ] {
            open_to_all(path, mode);
        }
        tighten(&data).expect("ours");
        assert_eq!((mode(&data), mode(&data.join("db"))), (0o700, 0o700));
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        assert_eq!(mode(&outside), 0o644, "a link leads out of the directory");
    }

    #[test]
    fn a_directory_for_everybody_stays_one_and_what_is_in_it_is_shut() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = dir.path().join("db");
        fs::create_dir(&db).expect("made");
        open_to_all(&db, 0o755);
        open_to_all(dir.path(), 0o1777);
        tighten(dir.path()).expect("ours");
        assert_eq!((mode(dir.path()), mode(&db)), (0o777, 0o700));
        assert!(tighten(&dir.path().join("none")).is_ok());
    }
}
