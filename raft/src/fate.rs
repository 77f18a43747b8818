//! The one way out. Whatever says that this node can't be trusted any more, its store or the end of one of its groups,
//! ends its work here: it leads nothing, is not ready, hands over what it led, and tells its owner to end the process.

use crate::cluster::Inner;
use std::{
    fmt,
    sync::{Arc, OnceLock, Weak, mpsc},
    thread,
    time::Duration,
};
use storage::OnFatal;
use tokio::runtime::Handle;

/// What handing the leaderships over may take before the process ends with those that are left.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

pub(crate) struct Fate {
    /// Why this node has given up, once it has.
    ended: OnceLock<String>,
    /// The owner's last act, which ends the process.
    on_fatal: OnFatal,
    led: OnceLock<(Weak<Inner>, Handle)>,
}

impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fate")
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

impl Fate {
    pub(crate) fn new(on_fatal: OnFatal) -> Arc<Self> {
        Arc::new(Self {
            ended: OnceLock::new(),
            on_fatal,
            led: OnceLock::new(),
        })
    }

    /// Sets the cluster whose leaderships are handed over, on the runtime that carries them.
    pub(crate) fn of(&self, inner: &Arc<Inner>) {
        // A second one would be a second cluster over the same store, which its lock forbids.
        let _ = self.led.set((Arc::downgrade(inner), Handle::current()));
    }

    /// Whether this node has given up.
    pub(crate) fn ended(&self) -> bool {
        self.ended.get().is_some()
    }

    pub(crate) fn why(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Gives up. Returns at once: who met the damage may hold what handing over needs.
    pub(crate) fn end(&self, reason: &str) {
        if self.ended.set(reason.to_owned()).is_err() {
            return;
        }
        let led = self
            .led
            .get()
            .and_then(|(inner, handle)| Some((inner.upgrade()?, handle.clone())));
        let (on_fatal, told) = (self.on_fatal.clone(), reason.to_owned());
        let ending = thread::Builder::new().name("ending".into()).spawn(move || {
            if let Some((inner, handle)) = led {
                hand_over(inner, &handle);
            }
            on_fatal(&told);
        });
        if ending.is_err() {
            (self.on_fatal)(reason);
        }
    }
}

fn hand_over(inner: Arc<Inner>, handle: &Handle) {
    let (done, waiting) = mpsc::channel();
    handle.spawn(async move {
        inner.hand_over(HAND_OVER_WITHIN).await;
        let _ = done.send(());
    });
    // A runtime whose threads are stuck never answers.
    let _ = waiting.recv_timeout(HAND_OVER_WITHIN);
}
