//! The bytes of everything that is stored, logged or sent. A test that fails here has found a changed layout: give it
//! the next version, keep reading the old one, and only then write down the new bytes.

mod any;
mod catalog;
mod issues;
mod log;
mod observed;
mod replay;
mod traffic;

use model::{
    catalog::Item,
    state::codec::{self, Stored},
    time::Timestamp,
};

const AT: Timestamp = Timestamp(1_700_000_000_000);

fn stays<T: Stored + PartialEq + std::fmt::Debug>(value: &T, golden: &str) {
    let bytes = codec::encode(value);
    assert_eq!(
        hex::encode(&bytes),
        golden,
        "the layout of a {} changed",
        T::WHAT
    );
    assert_eq!(&codec::decode::<T>(&bytes).expect("own encoding"), value);
}

fn json_stays(item: &Item, golden: &str) {
    let bytes = codec::encode_json(item);
    assert_eq!(bytes.first(), Some(&1));
    assert_eq!(String::from_utf8_lossy(&bytes[1..]), golden);
    let read = codec::decode_json::<Item>(&bytes).expect("own encoding");
    assert_eq!(&read, item);
}
