//! Queue depths of the destinations, deepest first, as this node's replicas have them.

use model::{
    ids::{DestinationId, GroupId},
    state::{
        kv::KvError,
        tables::{self, Queued},
    },
    time::Timestamp,
};
use raft::Cluster;
use std::collections::BTreeMap;

/// Destinations of one partition that are looked at. What is beyond is left out, and said to be.
const DESTINATIONS_MAX: usize = 20_000;

/// The deepest queues, and what all the others hold together.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) deepest: Vec<(DestinationId, Queued)>,
    /// Destinations that are not among them, and their events.
    pub(crate) others: usize,
    pub(crate) others_depth: u64,
    /// There are more destinations than were looked at.
    pub(crate) truncated: bool,
}

impl Queues {
    /// Reads the `most` deepest queues of the wanted destinations in these partitions. Costs a short scan a partition and a few look-ups for each of
    /// the deepest, however many events wait.
    pub(crate) fn read(
        cluster: &Cluster,
        groups: &[GroupId],
        most: usize,
        wanted: impl Fn(DestinationId) -> bool,
    ) -> Result<Self, KvError> {
        let mut depths: BTreeMap<DestinationId, u64> = BTreeMap::new();
        let mut truncated = false;
        for group in groups {
            let found = tables::depths(&cluster.view(*group), DESTINATIONS_MAX, &wanted)?;
            truncated |= found.len() == DESTINATIONS_MAX;
            for (id, depth) in found {
                *depths.entry(id).or_default() += depth;
            }
        }
        let mut depths: Vec<(DestinationId, u64)> = depths.into_iter().collect();
        depths.sort_by_key(|(id, depth)| (u64::MAX - depth, *id));
        let others = depths.split_off(most.min(depths.len()));
        let deepest = depths
            .into_iter()
            .map(|(id, _)| Ok((id, queued(cluster, groups, id)?)))
            .collect::<Result<_, KvError>>()?;
        Ok(Self {
            deepest,
            others: others.len(),
            others_depth: others.iter().map(|(_, depth)| depth).sum(),
            truncated,
        })
    }
}

/// Reads the queue depths of one destination in these partitions.
pub(crate) fn queued(
    cluster: &Cluster,
    groups: &[GroupId],
    id: DestinationId,
) -> Result<Queued, KvError> {
    let mut all = Queued::default();
    for group in groups {
        all = all.and(tables::queued(&cluster.view(*group), id)?);
    }
    Ok(all)
}

/// The age of the oldest event in a queue, in milliseconds; 0 when nothing waits.
pub(crate) fn oldest_age_ms(queued: &Queued, now: Timestamp) -> u64 {
    queued.oldest_at.map_or(0, |at| now.since_ms(at))
}
