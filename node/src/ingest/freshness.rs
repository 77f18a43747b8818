//! Before a source is called unknown, this node makes sure that it knows of every source: once for all who ask together.

use std::{future::Future, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Checks are at least this far apart, so that a flood of made-up ids costs the cluster next to nothing.
const APART: Duration = Duration::from_millis(50);

/// When the last check that succeeded was begun.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    begun: Mutex<Option<Instant>>,
}

impl Freshness {
    /// Returns once a check has succeeded that was begun after this call: `check` itself, or that of a neighbour.
    pub(super) async fn confirm<E, F>(&self, check: impl FnOnce() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let asked = Instant::now();
        let mut begun = self.begun.lock().await;
        if let Some(last) = *begun {
            if last >= asked {
                return Ok(());
            }
            tokio::time::sleep_until(last + APART).await;
        }
        let starting = Instant::now();
        check().await?;
        *begun = Some(starting);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[actix_rt::test]
    async fn many_who_ask_together_share_few_checks() {
        let freshness = Freshness::default();
        let checks = AtomicUsize::new(0);
        let ask = || {
            freshness.confirm(|| async {
                checks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<(), ()>(())
            })
        };
        let answers = futures::future::join_all((0..100).map(|_| ask())).await;
        assert!(answers.iter().all(Result::is_ok));
        // The first one's check began before some of the others asked, so there may be a second one.
        assert!(checks.load(Ordering::Relaxed) <= 2);
    }

    #[actix_rt::test]
    async fn a_check_that_failed_confirms_nothing() {
        let freshness = Freshness::default();
        assert!(freshness.confirm(|| async { Err(()) }).await.is_err());
        assert!(freshness.confirm(|| async { Err(()) }).await.is_err());
    }
}
