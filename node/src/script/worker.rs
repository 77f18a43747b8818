//! The life of an engine's process: takes jobs from its node, one at a time, until the node is gone.

use super::{
    confinement,
    console::Console,
    engine,
    failure::ScriptFailure,
    wire::{self, Job, Report},
};
use parking_lot::Mutex;
use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// The verb of the command line by which a node starts an engine; nobody else has a reason to.
pub(crate) const VERB: &str = "script-engine";
/// Jobs after which a process makes room for a fresh one, whatever it may have gathered.
const JOBS_MAX: u32 = 10_000;
/// How long after its time limit a script is given up. Until then QuickJS stops it, which is cheaper; but some of its
/// functions never look at the clock.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(250);
/// The engine's thread has more stack than any script may use.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Serves the node at the other end of standard input.
///
/// # Errors
/// The socket failed, or the node said something else than jobs.
pub(crate) fn serve() -> io::Result<()> {
    confinement::close_inherited();
    let mut node = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut shut = Some(confinement::shut());
    let mut lacks = Vec::new();
    let (jobs, to_run) = mpsc::channel();
    let (reports, done) = mpsc::channel();
    thread::Builder::new()
        .name("engine".into())
        .stack_size(STACK_BYTES)
        .spawn(move || run_all(&to_run, &reports))?;
    for number in 1.. {
        let Some((job, code)) = wire::receive_job(&mut node)? else {
            break;
        };
        let limits = job.limits;
        // The first job says how much memory scripts may have. No script has run yet.
        if let Some(shut) = shut.take() {
            lacks = shut.lock(&limits);
        }
        if limits.must_be_confined && lacks.iter().any(|lack| lack.part.is_required()) {
            wire::send_report(&mut node, &Report::unconfined(lacks))?;
            break;
        }
        let console = Arc::new(Mutex::new(Console::new(&limits)));
        let started = Instant::now();
        if jobs.send((job, code, console.clone())).is_err() {
            break;
        }
        let mut report = match done.recv_timeout(limits.time() + GIVEN_UP_AFTER) {
            Ok(report) => report,
            Err(mpsc::RecvTimeoutError::Timeout) => given_up(limits.time_ms, &console, started),
            // It panicked. The node sees the end of the socket.
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        };
        report.is_last |= number >= JOBS_MAX;
        report.lacks.clone_from(&lacks);
        wire::send_report(&mut node, &report)?;
        if report.is_last {
            break;
        }
    }
    Ok(())
}

type Given = (Job, String, Arc<Mutex<Console>>);

fn run_all(jobs: &mpsc::Receiver<Given>, reports: &mpsc::Sender<Report>) {
    while let Ok((job, code, console)) = jobs.recv() {
        let started = Instant::now();
        let (returned, failure) = match engine::run(&job, &code, &console) {
            Ok(returned) => (returned, None),
            Err(failure) => (String::new(), Some(failure)),
        };
        // After an allocation failed, a fresh process is worth more than what this one saves.
        let is_last = matches!(failure, Some(ScriptFailure::Memory { .. }));
        let report = Report {
            failure,
            returned,
            logs: console.lock().take(),
            took_us: micros(started),
            is_last,
            lacks: Vec::new(),
        };
        if reports.send(report).is_err() {
            return;
        }
    }
}

/// The report of a script that nothing stops but the end of this process.
fn given_up(limit_ms: u64, console: &Mutex<Console>, started: Instant) -> Report {
    Report {
        failure: Some(ScriptFailure::Time { limit_ms }),
        returned: String::new(),
        logs: console.lock().take(),
        took_us: micros(started),
        is_last: true,
        lacks: Vec::new(),
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
