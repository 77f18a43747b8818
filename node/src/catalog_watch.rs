//! The catalog in this node's memory: loaded when the node starts and after a snapshot, changed by what applied commands
//! tell. Readers borrow it; nobody reads the store for it but the one task here.

use model::{
    catalog::{CatalogError, Catalogs, Missed, Position},
    ids::GroupId,
    machine::NodeEffect,
    state::kv::KvError,
};
use raft::{Cluster, News};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time::{sleep, timeout},
};

/// The pause before the catalog is loaded again where it could not be: a snapshot may be on its way in.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What was applied is here long before; a snapshot may have to be loaded first.
const APPLIED_WITHIN: Duration = Duration::from_secs(5);

/// The reason why the catalog could not be had as this node has applied it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BehindError {
    #[error("reading how far the catalog has come")]
    Store(#[from] KvError),
    #[error("the catalog is not loaded that far yet")]
    NotThere,
}

/// The catalog as it was last pushed.
#[derive(Clone, Debug, Default)]
struct Pushed {
    catalog: Arc<Catalogs>,
    /// Not yet, or a snapshot has replaced what it was made of.
    is_loaded: bool,
}

/// A watch on the catalog of this node, from which everybody borrows it.
#[derive(Clone, Debug)]
pub(crate) struct CatalogWatch(watch::Sender<Pushed>);

impl CatalogWatch {
    /// Loads the catalog, if it can be read now, and follows it from here on, on the cluster's threads.
    pub(crate) fn follow(cluster: &Cluster) -> Self {
        // Before the catalog is loaded: what is pushed meanwhile is folded in then, or known already.
        let news = cluster.news();
        let watch = Self(watch::Sender::default());
        match load_now(cluster) {
            Ok(catalog) => watch.set(catalog),
            Err(error) => tracing::warn!(%error, "catalog not read yet"),
        }
        cluster.run(follow(cluster.clone(), news, watch.clone()));
        watch
    }

    pub(crate) fn get(&self) -> Arc<Catalogs> {
        self.0.borrow().catalog.clone()
    }

    /// Returns once it was loaded for the first time.
    pub(crate) async fn loaded(&self) {
        let mut pushed = self.0.subscribe();
        // The sender is `self`, so it is there as long as anybody waits.
        let _ = pushed.wait_for(|now| now.is_loaded).await;
    }

    /// The next catalog that differs from the last one that this receiver saw.
    pub(crate) fn changes(&self) -> CatalogChanges {
        CatalogChanges(self.0.subscribe())
    }

    /// The catalog once it has come so far; none if it has not within this time.
    pub(crate) async fn reaching(
        &self,
        position: Position,
        within: Duration,
    ) -> Option<Arc<Catalogs>> {
        let mut pushed = self.0.subscribe();
        let reached =
            pushed.wait_for(|now| now.is_loaded && now.catalog.position().reaches(position));
        let reached = timeout(within, reached).await.ok()?.ok()?;
        Some(reached.catalog.clone())
    }

    /// The catalog with everything that this node has applied by now.
    pub(crate) async fn applied(&self, cluster: &Cluster) -> Result<Arc<Catalogs>, BehindError> {
        let position = Position::stored(&cluster.view(GroupId::CONTROL))?;
        let reached = self.reaching(position, APPLIED_WITHIN).await;
        reached.ok_or(BehindError::NotThere)
    }

    fn set(&self, catalog: Catalogs) {
        self.0.send_replace(Pushed {
            catalog: Arc::new(catalog),
            is_loaded: true,
        });
    }

    fn doubt(&self) {
        self.0.send_modify(|pushed| pushed.is_loaded = false);
    }

    fn is_loaded(&self) -> bool {
        self.0.borrow().is_loaded
    }
}

/// Hears of each new catalog, but for those that were overtaken.
#[derive(Debug)]
pub(crate) struct CatalogChanges(watch::Receiver<Pushed>);

impl CatalogChanges {
    /// The next one; none when the node is going.
    pub(crate) async fn next(&mut self) -> Option<Arc<Catalogs>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().catalog.clone())
    }
}

async fn follow(cluster: Cluster, mut news: Receiver<News>, watch: CatalogWatch) {
    loop {
        while !watch.is_loaded() {
            match load(&cluster).await {
                Ok(catalog) => watch.set(catalog),
                Err(error) => {
                    // A snapshot may just replace the state; damage ends the process.
                    tracing::warn!(%error, "catalog not read yet");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
        match news.recv().await {
            Ok(first) => take_in(first, &mut news, &watch),
            Err(RecvError::Lagged(missed)) => {
                tracing::info!(missed, "changes came faster than they were taken in");
                watch.doubt();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Folds in what has come, all at once. What can't be folded in is loaded.
fn take_in(first: News, news: &mut Receiver<News>, watch: &CatalogWatch) {
    let mut next = Catalogs::clone(&watch.get());
    let before = next.position();
    let mut coming = Ok(first);
    loop {
        match coming {
            Ok(one) => match fold(&mut next, &one) {
                Ok(true) => {}
                Ok(false) => return watch.doubt(),
                Err(error) => {
                    tracing::warn!(%error, "the catalog is loaded anew");
                    return watch.doubt();
                }
            },
            Err(TryRecvError::Lagged(_)) => return watch.doubt(),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
        coming = news.try_recv();
    }
    if next.position() != before {
        watch.set(next);
    }
}

/// False: the state is another one, and nothing of it is known.
fn fold(catalog: &mut Catalogs, news: &News) -> Result<bool, Missed> {
    match news {
        News::Applied(GroupId::CONTROL, effect) => {
            if let NodeEffect::CatalogChanged(change) = effect.as_ref() {
                catalog.fold(change)?;
            }
        }
        News::Replaced(GroupId::CONTROL) => return Ok(false),
        News::Applied(..) | News::Replaced(_) => {}
    }
    Ok(true)
}

fn load_now(cluster: &Cluster) -> Result<Catalogs, CatalogError> {
    cluster.pinned(GroupId::CONTROL, |view| Catalogs::load(view))
}

/// Loads it where waiting for the disk harms nobody.
async fn load(cluster: &Cluster) -> io::Result<Catalogs> {
    let cluster = cluster.clone();
    let loading = tokio::task::spawn_blocking(move || load_now(&cluster));
    loading.await?.map_err(io::Error::other)
}
