//! Networks as the configuration writes them: `"10.1.0.0/16"`.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(super) fn serialize<S: Serializer>(networks: &[IpNet], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(networks.iter().map(ToString::to_string))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<String>::deserialize(d)?
        .iter()
        .map(|text| {
            text.parse().map_err(|_| {
                D::Error::custom(format_args!(
                    "`{text}` is not a network, expected one as 10.1.0.0/16"
                ))
            })
        })
        .collect()
}
