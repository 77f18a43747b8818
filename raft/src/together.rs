//! Coalesced checks, one for all who ask together: a moment that is linearizable, or that everything acknowledged is
//! known here.

use std::{future::Future, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Checks that begin one after the other, each for all who asked before it.
#[derive(Debug, Default)]
pub struct Together {
    /// When the last check that succeeded was begun. Whoever holds it checks.
    begun: Mutex<Option<Instant>>,
    apart: Duration,
}

impl Together {
    /// A coalescer whose checks begin at least so far apart, so that a flood of questions costs next to nothing.
    #[must_use]
    pub fn apart(apart: Duration) -> Self {
        Self {
            apart,
            ..Self::default()
        }
    }

    /// Returns once a check has succeeded that was begun after this call: `check` itself, or that of a neighbour.
    ///
    /// # Errors
    /// That of this caller's own `check`.
    pub async fn confirm<E, F>(&self, check: impl FnOnce() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let asked = Instant::now();
        let mut begun = self.begun.lock().await;
        if let Some(last) = *begun {
            if last >= asked {
                return Ok(());
            }
            tokio::time::sleep_until(last + self.apart).await;
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

    #[tokio::test]
    async fn many_who_ask_together_share_few_checks() {
        let together = Together::default();
        let checks = AtomicUsize::new(0);
        let ask = || {
            together.confirm(|| async {
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

    #[tokio::test]
    async fn a_check_that_failed_confirms_nothing() {
        let together = Together::default();
        assert!(together.confirm(|| async { Err(()) }).await.is_err());
        assert!(together.confirm(|| async { Err(()) }).await.is_err());
    }
}
