//! Typed ids: 128 bits, minted from a time and entropy that the caller gives, shown as `prefix_` and 26 base32 digits.
//!
//! Layout, most significant first: `time 48 bits (ms) | partition 16 | entropy 48 | ordinal 16`. Ids of one request's
//! events share the request's first 112 bits, so that "the events of this request" is one range of keys. What belongs to no
//! partition has the number of its project in the place of one: whoever has an id knows whose thing it is, also when the
//! thing itself is gone.

use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A node of the cluster. Never used twice.
pub type NodeId = u64;

/// A Raft group: 0 is the control group, `1..=partitions` hold requests and events.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct GroupId(pub u16);

impl GroupId {
    pub const CONTROL: Self = Self(0);
}

/// The number of a project, which is part of the id of everything that belongs to it. Never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ProjectNumber(pub u16);

impl ProjectNumber {
    /// The project that every cluster has. What was configured before there were projects belongs to it.
    pub const DEFAULT: Self = Self(0);

    /// The project of a thing whose id has these bits.
    #[must_use]
    pub fn of(id: u128) -> Self {
        Self((id >> 64) as u16)
    }

    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;
const ENTROPY_MASK: u128 = 0xffff_ffff_ffff << 16;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {prefix}_ and {DIGITS} characters")]
pub struct IdError {
    pub prefix: &'static str,
}

fn mint(now: Timestamp, partition: u16, entropy: u128, ordinal: u16) -> u128 {
    (u128::from(now.0 & 0xffff_ffff_ffff) << 80)
        | (u128::from(partition) << 64)
        | ((entropy << 16) & ENTROPY_MASK)
        | u128::from(ordinal)
}

fn write_digits(value: u128, out: &mut impl fmt::Write) -> fmt::Result {
    for position in (0..DIGITS).rev() {
        let digit = ((value >> (position * 5)) & 31) as usize;
        out.write_char(char::from(ALPHABET[digit]))?;
    }
    Ok(())
}

fn read_digits(text: &str) -> Option<u128> {
    if text.len() != DIGITS {
        return None;
    }
    let mut value: u128 = 0;
    for (position, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&a| a == byte)? as u128;
        // 26 digits hold 130 bits: the first may not use its upper two.
        if position == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value)
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// The id as a key: 16 bytes, big-endian, so that ids sort by time.
            #[must_use]
            pub fn key(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            #[must_use]
            pub fn from_key(bytes: &[u8]) -> Option<Self> {
                Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
            }

            /// When the id was minted.
            #[must_use]
            pub fn minted_at(self) -> Timestamp {
                Timestamp((self.0 >> 80) as u64)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_digits(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read_digits)
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    s.collect_str(self)
                } else {
                    self.0.serialize(s)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    u128::deserialize(d).map(Self)
                }
            }
        }
    };
}

macro_rules! control_id {
    ($name:ident) => {
        impl $name {
            /// Mints an id of something that belongs to a project and to no partition.
            #[must_use]
            pub fn mint(project: ProjectNumber, now: Timestamp, entropy: u128) -> Self {
                Self(mint(now, project.0, entropy, (entropy >> 48) as u16))
            }

            /// The project that it belongs to.
            #[must_use]
            pub fn project(self) -> ProjectNumber {
                ProjectNumber::of(self.0)
            }
        }
    };
}

typed_id!(/** A project; the number of it is part of it. */ ProjectId, "tm");
typed_id!(/** A source. */ SourceId, "src");
typed_id!(/** A destination. */ DestinationId, "des");
typed_id!(/** A connection. */ ConnectionId, "web");
typed_id!(/** A request; its partition is part of it. */ RequestId, "req");
typed_id!(/** An event; it shares its request's first 112 bits. */ EventId, "evt");
typed_id!(/** An issue. */ IssueId, "iss");
typed_id!(/** A transformation. */ TransformationId, "trs");
typed_id!(/** A bookmark. */ BookmarkId, "bmk");
typed_id!(/** An issue trigger. */ IssueTriggerId, "ist");
typed_id!(/** A notification about an issue, the same on every try. */ NotificationId, "ntf");
typed_id!(/** A bulk operation. */ OperationId, "bch");
typed_id!(/** A developer who listens with the command line. */ CliSessionId, "cls");
control_id!(ProjectId);
control_id!(SourceId);
control_id!(DestinationId);
control_id!(ConnectionId);
control_id!(IssueId);
control_id!(TransformationId);
control_id!(BookmarkId);
control_id!(IssueTriggerId);
control_id!(NotificationId);
control_id!(OperationId);
control_id!(CliSessionId);

impl TransformationId {
    /// What a version of it is kept under: ids of one transformation's versions share their first 112 bits.
    #[must_use]
    pub fn version(self, version: u16) -> u128 {
        (self.0 & !0xffff) | u128::from(version)
    }
}

fn group_of(id: u128) -> GroupId {
    GroupId((id >> 64) as u16)
}

impl RequestId {
    /// Mints the id of a request that `group` will hold.
    #[must_use]
    pub fn mint(now: Timestamp, group: GroupId, entropy: u128) -> Self {
        Self(mint(now, group.0, entropy, 0))
    }

    #[must_use]
    pub fn group(self) -> GroupId {
        group_of(self.0)
    }

    /// The id of this request's event number `ordinal`, counted from 1.
    #[must_use]
    pub fn event(self, ordinal: u16) -> EventId {
        EventId((self.0 & !0xffff) | u128::from(ordinal))
    }
}

impl EventId {
    #[must_use]
    pub fn group(self) -> GroupId {
        group_of(self.0)
    }

    #[must_use]
    pub fn request(self) -> RequestId {
        RequestId(self.0 & !0xffff)
    }

    #[must_use]
    pub fn ordinal(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// An attempt: its event and its number, counted from 1. Shown as `atm_`, 26 digits and 4 hexadecimal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub event: EventId,
    pub number: u16,
}

impl AttemptId {
    #[must_use]
    pub fn key(self) -> [u8; 18] {
        let mut key = [0; 18];
        key[..16].copy_from_slice(&self.event.key());
        key[16..].copy_from_slice(&self.number.to_be_bytes());
        key
    }

    #[must_use]
    pub fn from_key(bytes: &[u8]) -> Option<Self> {
        let (event, number) = bytes.split_at_checked(16)?;
        Some(Self {
            event: EventId::from_key(event)?,
            number: u16::from_be_bytes(number.try_into().ok()?),
        })
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("atm_")?;
        write_digits(self.event.0, f)?;
        write!(f, "{:04x}", self.number)
    }
}

impl FromStr for AttemptId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: "atm" };
        let rest = text.strip_prefix("atm_").ok_or(error.clone())?;
        let (event, number) = rest.split_at_checked(DIGITS).ok_or(error.clone())?;
        if number.len() != 4 {
            return Err(error);
        }
        Ok(Self {
            event: EventId(read_digits(event).ok_or(error.clone())?),
            number: u16::from_str_radix(number, 16).map_err(|_| error)?,
        })
    }
}

/// A run of a transformation: its event, the entry of the log that tells of it, and its place among the runs of that.
/// Shown as `exe_`, 26 digits and 18 hexadecimal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecutionId {
    pub event: EventId,
    pub index: u64,
    pub place: u8,
}

impl ExecutionId {
    pub const LEN: usize = 25;

    #[must_use]
    pub fn key(self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..16].copy_from_slice(&self.event.key());
        key[16..24].copy_from_slice(&self.index.to_be_bytes());
        key[24] = self.place;
        key
    }

    #[must_use]
    pub fn from_key(bytes: &[u8]) -> Option<Self> {
        let (event, rest) = bytes.split_at_checked(16)?;
        let (&place, index) = rest.split_last()?;
        Some(Self {
            event: EventId::from_key(event)?,
            index: u64::from_be_bytes(index.try_into().ok()?),
            place,
        })
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exe_")?;
        write_digits(self.event.0, f)?;
        write!(f, "{:016x}{:02x}", self.index, self.place)
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: "exe" };
        let rest = text.strip_prefix("exe_").ok_or(error.clone())?;
        let (event, rest) = rest.split_at_checked(DIGITS).ok_or(error.clone())?;
        let (index, place) = rest.split_at_checked(16).ok_or(error.clone())?;
        // Only what it shows: no signs, no capitals.
        let is_shown = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if place.len() != 2 || !is_shown(index) || !is_shown(place) {
            return Err(error);
        }
        Ok(Self {
            event: EventId(read_digits(event).ok_or(error.clone())?),
            index: u64::from_str_radix(index, 16).map_err(|_| error.clone())?,
            place: u8::from_str_radix(place, 16).map_err(|_| error)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_shown(value: u128) {
            let id = SourceId(value);
            prop_assert_eq!(id.to_string().parse::<SourceId>(), Ok(id));
            prop_assert_eq!(SourceId::from_key(&id.key()), Some(id));
        }

        #[test]
        fn an_attempt_id_reads_back(value: u128, number: u16) {
            let id = AttemptId { event: EventId(value), number };
            prop_assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
            prop_assert_eq!(AttemptId::from_key(&id.key()), Some(id));
        }

        #[test]
        fn an_execution_id_reads_back_and_sorts_as_its_key(value: u128, index: u64, place: u8, other: u64) {
            let id = ExecutionId { event: EventId(value), index, place };
            prop_assert_eq!(id.to_string().parse::<ExecutionId>(), Ok(id));
            prop_assert_eq!(ExecutionId::from_key(&id.key()), Some(id));
            let other = ExecutionId { index: other, ..id };
            prop_assert_eq!(id.key().cmp(&other.key()), id.to_string().cmp(&other.to_string()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<EventId>();
            let _ = format!("exe_{}{text}", "0".repeat(DIGITS)).parse::<ExecutionId>();
            let _ = format!("atm_{text}").parse::<AttemptId>();
        }
    }

    #[test]
    fn an_event_knows_its_request_and_partition() {
        let request = RequestId::mint(Timestamp(1_700_000_000_123), GroupId(4), u128::MAX);
        let event = request.event(3);
        assert_eq!(event.request(), request);
        assert_eq!(event.group(), GroupId(4));
        assert_eq!(event.ordinal(), 3);
        assert_eq!(event.minted_at(), Timestamp(1_700_000_000_123));
    }

    #[test]
    fn ids_sort_by_time() {
        let early = RequestId::mint(Timestamp(1000), GroupId(6), u128::MAX);
        let late = RequestId::mint(Timestamp(1001), GroupId(1), 0);
        assert!(early < late && early.key() < late.key());
    }
}
