//! The receiver took an event, and the node that sent it died before it could say so: the event comes once more, under the
//! same id, and then no more.

use cluster_tests::{
    clock,
    receiver::{Answer, partition_of},
    scene::Scene,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, process::Command, sync::Arc, time::Duration};

const POSTS: usize = 40;
/// A new leader, and then the due rows that it finds.
const AGAIN_WITHIN: Duration = Duration::from_secs(30);
/// Longer than a sweep: what is to come a third time would have come.
const QUIET: Duration = Duration::from_secs(6);

#[test]
fn an_event_whose_outcome_died_with_its_node_is_delivered_once_more_under_its_id() {
    let scene = Scene::set(3, &[]);
    let view = scene.cluster.nodes[0].admin().cluster().expect("a view");
    let pids: BTreeMap<u64, u32> = (0..3)
        .filter_map(|number| {
            let id = scene.cluster.id_of(number).ok()?;
            Some((id, scene.cluster.nodes[number].pid()?))
        })
        .collect();
    let leaders: BTreeMap<u16, u32> = view
        .groups
        .iter()
        .filter_map(|group| Some((u16::try_from(group.group).ok()?, *pids.get(&group.leader?)?)))
        .collect();
    // The first delivery kills its sender, then it is answered: the answer finds nobody.
    let victim = Arc::new(Mutex::new(None::<String>));
    let killed = victim.clone();
    scene.receiver.answer_with(move |delivery| {
        let mut victim = killed.lock();
        if victim.is_none() {
            let partition = partition_of(&delivery.event_id).expect("an event's id");
            let pid = leaders[&partition].to_string();
            let done = Command::new("kill").args(["-KILL", &pid]).status();
            assert!(done.expect("kill runs").success());
            *victim = Some(delivery.event_id.clone());
        }
        Answer::OK
    });
    let sender = scene.send(POSTS as u64, 4);
    let posts = sender.finish_after(Duration::from_secs(1));
    let acked = posts.iter().filter(|post| post.is_acked()).count();
    assert!(acked > 0, "nothing was acknowledged");
    let again = clock::eventually(AGAIN_WITHIN, || {
        let victim = victim.lock().clone()?;
        let deliveries = scene.receiver.deliveries();
        let times = deliveries.iter().filter(|d| d.event_id == victim).count();
        (times >= 2).then_some(victim)
    });
    let victim = again.expect("the event comes again");
    std::thread::sleep(QUIET);
    let deliveries = scene.receiver.deliveries();
    let same: Vec<_> = deliveries.iter().filter(|d| d.event_id == victim).collect();
    assert_eq!(same.len(), 2, "{same:?}");
    assert_eq!(same[0].idempotency_key, same[1].idempotency_key);
    assert_eq!(same[0].body_hash, same[1].body_hash);
    // No outcome of the first was ever stored, so the second is the same attempt.
    assert_eq!(same[0].attempt_number, same[1].attempt_number);
}
