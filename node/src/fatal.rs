//! The end of a node that can't be trusted any more: one line that says why, and an exit code that says what kind.
//!
//! Two things lead here: damage (`raft` and `storage` tell of it, after what this node led was handed over), and a panic
//! of anything that others depend on. A panic that harms only the one who caused it is contained, and logged: a stranger's
//! request or a receiver's answer must not be able to end one node after the other.

use std::{
    cell::Cell,
    panic::{self, PanicHookInfo},
    pin::pin,
    process,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};
use storage::OnFatal;
use tracing::{Level, error};

/// The store or a group can't be trusted (`EX_IOERR` of sysexits.h).
pub(crate) const EXIT_STORE: u8 = 74;
/// The exit code after a panic of something that others depend on (`EX_SOFTWARE`).
pub(crate) const EXIT_PANIC: u8 = 70;

/// What the libraries' own clean-up may take before the process ends without it.
const EXIT_WITHIN: Duration = Duration::from_secs(3);
/// The threads that serve connections: actix replaces one that dies, and a task of theirs takes only its connection along.
const WEB_WORKERS: &str = "actix-server worker";

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// The last act of the cluster's side when the store or a group can't be trusted.
pub(crate) fn on_damage() -> OnFatal {
    Arc::new(|reason: &str| end(EXIT_STORE, "its store or a group can't be trusted", reason))
}

/// Installs the panic hook: from now on a panic ends the process, unless it is contained.
pub(crate) fn end_on_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        if is_contained() {
            error!(panic = %in_one_line(info), "a panic was contained");
        } else {
            end(
                EXIT_PANIC,
                "something that others depend on panicked",
                &in_one_line(info),
            );
        }
    }));
}

/// Says why and ends the process.
fn end(code: u8, what: &str, reason: &str) {
    if tracing::enabled!(Level::ERROR) {
        error!(exit_code = code, reason, "this node ends: {what}");
    } else {
        eprintln!("tidegate: this node ends: {what}: {reason}");
    }
    // Libraries that clean up at exit wait for threads that may be stuck.
    let _ = thread::Builder::new().spawn(|| {
        thread::sleep(EXIT_WITHIN);
        process::abort();
    });
    process::exit(i32::from(code));
}

fn is_contained() -> bool {
    let serves = |name: &str| name.starts_with(WEB_WORKERS);
    CONTAINED.get() || thread::current().name().is_some_and(serves)
}

fn in_one_line(info: &PanicHookInfo<'_>) -> String {
    let name = thread::current().name().unwrap_or("unnamed").to_owned();
    format!("thread {name}: {info}").replace('\n', " ")
}

/// Marks the thread while it does something whose panic harms nobody else.
struct Containing(bool);

impl Containing {
    fn begin() -> Self {
        Self(CONTAINED.replace(true))
    }
}

impl Drop for Containing {
    fn drop(&mut self) {
        CONTAINED.set(self.0);
    }
}

/// Does something whose panic harms nobody else. Whoever calls sees to what the panic leaves behind.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> T {
    let _containing = Containing::begin();
    work()
}

/// Runs a task whose panic harms nobody else.
pub(crate) async fn contained_task<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    std::future::poll_fn(move |context| -> Poll<F::Output> {
        let _containing = Containing::begin();
        task.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn only_what_is_marked_is_contained() {
        assert!(!is_contained());
        assert!(contained(is_contained));
        let marked = async {
            tokio::task::yield_now().await;
            is_contained()
        };
        assert!(contained_task(marked).await);
        assert!(!is_contained());
        // A panic takes the mark along.
        let panicked = panic::catch_unwind(|| contained(|| panic!("planted")));
        assert!(panicked.is_err() && !is_contained());
    }

    #[test]
    fn threads_that_serve_connections_are_contained() {
        let worker = thread::Builder::new().name(format!("{WEB_WORKERS} 3"));
        let worker = worker.spawn(is_contained).expect("a thread");
        assert!(worker.join().expect("no panic"));
    }
}
