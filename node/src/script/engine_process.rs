//! A node's end of an engine's process.

use super::wire::{self, Job, Report};
use std::{
    ffi::OsString,
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The program that is started as an engine.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) file: PathBuf,
    pub(super) args: Vec<OsString>,
}

impl Program {
    /// This same program, also when its file was replaced meanwhile. In the unit tests, the test program.
    pub(crate) fn this() -> Self {
        #[cfg(test)]
        return Self::of_tests();
        #[cfg(not(test))]
        Self::at("/proc/self/exe".into())
    }

    /// The program `tidegate` in a file.
    pub fn at(file: PathBuf) -> Self {
        Self {
            file,
            args: vec![super::worker::VERB.into()],
        }
    }
}

/// The process of an engine. It is killed when this is dropped: it holds nothing that could be lost.
pub(super) struct EngineProcess {
    child: Child,
    socket: UnixStream,
}

/// Beyond its own limit a process answers within this, or it is killed.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

impl EngineProcess {
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_write_timeout(Some(ANSWERS_WITHIN))?;
        let child = Command::new(&program.file)
            .args(&program.args)
            .arg0("tidegate-script-engine")
            // Nothing of the node's is in it: no secrets of the environment, no directory, no output.
            .env_clear()
            // Every node's scripts live in this time zone.
            .env("TZ", "UTC0")
            // Memory that a script let go goes back to the system.
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_TRIM_THRESHOLD_", "1048576")
            .env("MALLOC_MMAP_THRESHOLD_", "1048576")
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // What it says on its way down is all that it may say beside its reports.
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for the node, which lets running scripts end.
            .process_group(0)
            .spawn()?;
        Ok(Self { child, socket })
    }

    /// Hands a job over. An error says that the process was gone already.
    pub(super) fn send(&mut self, job: &Job, code: &str) -> io::Result<()> {
        wire::send_job(&mut self.socket, job, code)
    }

    /// Waits for what came of it, a little longer than its time limit. An error says that the process broke down.
    pub(super) fn receive(&mut self, job: &Job) -> io::Result<Report> {
        let deadline = Instant::now() + job.limits.time() + ANSWERS_WITHIN;
        wire::receive_report(&mut Until {
            socket: &self.socket,
            deadline,
        })
    }

    /// Ends the process, and gives the beginning of what it said about itself.
    pub(super) fn last_words(mut self) -> String {
        const MOST: u64 = 2048;
        // Nothing writes there any more once it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut words = Vec::new();
        if let Some(said) = self.child.stderr.take() {
            let _ = said.take(MOST).read_to_end(&mut words);
        }
        String::from_utf8_lossy(&words).trim().to_owned()
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        // It may have ended by itself; what matters is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until a moment, however slowly the bytes drip.
struct Until<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(into)
    }
}
