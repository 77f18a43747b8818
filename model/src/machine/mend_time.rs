//! Takes a group's time back out of a future that never was: clocks that nobody held against others had put it there.

use crate::{
    state::{
        keys,
        kv::{Kv, KvError},
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Only ever proposed with a time that a majority vouches for. A group's time is monotone but for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendTime {
    pub to: Timestamp,
}

/// Whether the group's time was later.
pub(super) fn apply(kv: &mut impl Kv, command: MendTime) -> Result<bool, KvError> {
    let to = command.to.0;
    if keys::read_u64(kv, keys::META_NOW)? <= to {
        return Ok(false);
    }
    keys::write_u64(kv, keys::META_NOW, to);
    keys::write_u64(kv, keys::META_MENDED, to);
    // What is seen from now on expires before what was seen in that future: looking for it begins in front.
    if keys::read_u64(kv, keys::META_SEEN_FROM)? > to {
        keys::write_u64(kv, keys::META_SEEN_FROM, to);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::Envelope,
        ids::GroupId,
        machine::{Command, Entry, Reply, RetireNode, apply as apply_entry, decode_reply},
        state::memory::Memory,
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const FUTURE: Timestamp = Timestamp(NOW.0 + 40 * 86_400_000);

    fn apply_at(kv: &mut Memory, index: u64, command: &Command<'_>, at: Timestamp) -> Reply {
        let envelope = Envelope::parse(&command.envelope(at, &[])).expect("an envelope");
        let entry = Entry {
            group: GroupId(1),
            index,
            at,
            head: &envelope.head,
            bodies: &[],
        };
        decode_reply(&apply_entry(kv, entry).expect("applied").reply).expect("a reply")
    }

    #[test]
    fn a_time_in_the_false_future_is_taken_back_and_a_right_one_stays() {
        let mut kv = Memory::default();
        let other = Command::RetireNode(RetireNode { node: 1 });
        let mend = |to| Command::MendTime(MendTime { to });
        let time = |kv: &Memory| keys::read_u64(kv, keys::META_NOW).expect("readable");
        apply_at(&mut kv, 1, &other, FUTURE);
        assert_eq!(time(&kv), FUTURE.0);
        assert_eq!(apply_at(&mut kv, 2, &mend(NOW), NOW), Reply::Mended(true));
        assert_eq!(time(&kv), NOW.0);
        apply_at(&mut kv, 3, &other, NOW.plus_ms(5));
        // One that was on its way while another did it.
        let late = apply_at(&mut kv, 4, &mend(NOW.plus_ms(9)), NOW.plus_ms(9));
        assert_eq!(late, Reply::Mended(false));
        assert_eq!(time(&kv), NOW.0 + 9);
    }
}
