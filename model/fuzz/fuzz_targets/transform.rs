//! Any steps over any message: no panic, nothing beyond the bounds, nothing that a receiver could take for another header
//! or another path. An input is the steps, the content type and the body, a line each.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::policy::transform::{
    Env, Limits, Message, Steps, check_header_name, check_header_value, check_path, check_query,
};
use serde_json::Value;

const LIMITS: Limits = Limits {
    output_bytes_max: 1 << 16,
};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(steps), Some(content_type)) = (lines.next(), lines.next()) else {
        return;
    };
    let body = lines.next().unwrap_or_default();
    let Ok(Value::Array(steps)) = serde_json::from_slice(steps) else {
        return;
    };
    let steps = match Steps::read("steps", &steps) {
        Ok(steps) => steps,
        Err(fault) => {
            assert!(fault.at.starts_with("steps"), "{fault}");
            return;
        }
    };
    let before = Message {
        method: "POST".into(),
        headers: vec![
            ("content-type".into(), Bytes::copy_from_slice(content_type)),
            ("x-a".into(), Bytes::from_static(b"a")),
        ],
        path: "/p".into(),
        query: "p=1&q=%20".into(),
        body: Bytes::copy_from_slice(body),
    };
    let env = Env::from([("KEY".into(), "value".into())]);
    let after = steps.run(before.clone(), &env, LIMITS);
    assert_eq!(after, steps.run(before.clone(), &env, LIMITS));
    let Ok(after) = after else { return };
    assert!(after.body.len() <= LIMITS.output_bytes_max || after.body == before.body);
    assert!(check_path(&after.path).is_ok(), "{}", after.path);
    assert!(check_query(&after.query).is_ok(), "{}", after.query);
    for (name, value) in after.headers {
        let was_there = before.headers.contains(&(name.clone(), value.clone()));
        assert!(was_there || check_header_name(&name).is_ok(), "{name}");
        assert!(was_there || check_header_value(&value).is_ok(), "{value:?}");
    }
});
