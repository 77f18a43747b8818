//! Fixtures that the tests of the steps share.

use super::{Env, Failure, Limits, Message, Steps};
use bytes::Bytes;
use serde_json::Value;

pub(super) fn message(content_type: &str, body: &str) -> Message {
    let header = |name: &str, value: &str| (name.to_owned(), Bytes::from(value.to_owned()));
    Message {
        method: "POST".into(),
        headers: vec![
            header("content-type", content_type),
            header("x-a", "1"),
            header("x-b", "b"),
            header("x-a", "2"),
        ],
        path: "/in/x".into(),
        query: "q=a+b&tag=x&tag=y".into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(super) fn run(steps: &[Value], message: Message) -> Result<Message, Failure> {
    let env = Env::from([("KEY".to_owned(), "value".to_owned())]);
    // No step at all is no configuration, but a fair run.
    let steps = match steps {
        [] => Steps(Vec::new()),
        steps => Steps::read("steps", steps).unwrap_or_else(|fault| panic!("{fault}")),
    };
    steps.run(message, &env, Limits::for_bodies_of(1 << 20))
}

fn of_json(step: &Value, body: &str) -> Result<Message, Failure> {
    run(
        std::slice::from_ref(step),
        message("application/json", body),
    )
}

/// The body that one step makes of a JSON body.
pub(super) fn body(step: &Value, before: &str) -> String {
    let after = of_json(step, before).unwrap_or_else(|failure| panic!("{step}: {failure}"));
    String::from_utf8(after.body.to_vec()).expect("text")
}

/// The reason why one step fails over a JSON body.
pub(super) fn fails(step: &Value, before: &str) -> String {
    let failure = of_json(step, before).expect_err("a failure");
    failure.to_string()
}

/// A step that is refused at the place `at`.
pub(super) fn refused(step: &Value, at: &str) {
    let fault = Steps::read("steps", std::slice::from_ref(step)).expect_err(at);
    assert_eq!(fault.at, at, "{fault}");
    assert!(!fault.expected.is_empty());
}
