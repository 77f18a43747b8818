//! Ranges of ports as the configuration writes them: `"443"`, `"1024-65535"`.

use model::policy::ports::Ports;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(super) fn serialize<S: Serializer>(ports: &Ports, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(ports.ranges())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Ports, D::Error> {
    let ranges = Vec::<String>::deserialize(d)?;
    Ports::parse(ranges.iter().map(String::as_str)).map_err(D::Error::custom)
}
