//! openraft's own conformance suite on the real store.

use openraft::testing::log::{StoreBuilder, Suite};
use raft::{LogStore, StateMachine, TypeConfig};
use storage::{Options, Store};
use tempfile::TempDir;

/// A fresh store for each case; its directory lives as long as the case.
struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, (TempDir, Store)> for Fresh {
    async fn build(
        &self,
    ) -> Result<((TempDir, Store), LogStore, StateMachine), openraft::StorageError<TypeConfig>>
    {
        let dir = TempDir::new().expect("a temporary directory");
        let store = Store::open(&dir.path().join("db"), Options::default()).expect("a fresh store");
        let group = store.group(model::ids::GroupId(1));
        let machine =
            StateMachine::detached(group.clone(), dir.path().join("snapshots")).expect("fresh");
        Ok(((dir, store), LogStore::new(group), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_openrafts_contract() {
    Suite::test_all(Fresh).await.expect("the suite passes");
}
