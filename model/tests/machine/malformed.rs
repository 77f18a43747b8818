//! Commands that this version can't read.

use crate::kit::{GROUP, NOW, World, nonsense, request};
use model::{
    machine::{self, Entry, Reply, decode_reply},
    state::memory::Memory,
    time::Timestamp,
};
use proptest::prelude::*;

#[test]
fn a_command_of_another_version_is_answered_and_changes_nothing() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    for head in [vec![], vec![2, 0, 0], nonsense()] {
        let before = world.rows.clone();
        let applied = world.entry(NOW, &head, &[]);
        assert_eq!(decode_reply(&applied.reply).ok(), Some(Reply::Malformed));
        assert_eq!((&world.rows, applied.effects.len()), (&before, 0));
    }
}

proptest! {
    #[test]
    fn no_head_makes_the_machine_panic(kind in 0u8..23, tail: Vec<u8>, at: u64) {
        let head = [vec![1, kind], tail].concat();
        let entry = Entry { group: GROUP, index: 1, at: Timestamp(at), head: &head, bodies: &[] };
        prop_assert!(machine::apply(&mut Memory::default(), entry).is_ok());
    }
}
