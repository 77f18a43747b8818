//! Steps that would grow without end stop within their bounds, and quickly.

use bytes::Bytes;
use model::policy::transform::{Env, Failure, Limits, Message, STEPS_MAX, Steps};
use serde_json::{Value, json};

/// The bound of these runs; a body that comes in may have half of it.
const LIMITS: Limits = Limits {
    output_bytes_max: 2 << 20,
};

fn run(steps: &[Value], body: impl Into<Bytes>) -> Result<Message, Failure> {
    let message = Message {
        headers: vec![(
            "content-type".into(),
            Bytes::from_static(b"application/json"),
        )],
        body: body.into(),
        ..Message::default()
    };
    let steps = Steps::read("steps", steps).unwrap_or_else(|fault| panic!("{fault}"));
    steps.run(message, &Env::new(), LIMITS)
}

fn fails(steps: &[Value], body: impl Into<Bytes>, reason: &str) {
    let failure = run(steps, body).expect_err(reason);
    assert!(failure.reason.contains(reason), "{failure}");
}

#[test]
fn doubling_stops_at_the_largest_output() {
    let double = [
        json!({"op": "set", "field": "body.a.x", "from": "body.b"}),
        json!({"op": "set", "field": "body.a.y", "from": "body.b"}),
        json!({"op": "move", "from": "body.a", "to": "body.b"}),
    ];
    let steps: Vec<Value> = double.iter().cycle().take(60).cloned().collect();
    let body = json!({"b": "x".repeat(1000)}).to_string();
    fails(&steps, body, "the steps make more than the largest output");
}

#[test]
fn a_body_does_not_nest_deeper_than_it_may_come_in() {
    let deeper = json!({"op": "move", "from": "body", "to": "body.a"});
    let steps = vec![deeper; STEPS_MAX];
    fails(&steps, "{}", "levels deep");
    let wraps = [
        json!({"op": "wrap", "field": "body.a"}),
        json!({"op": "move", "from": "body.a", "to": "body.a.a"}),
    ];
    let steps: Vec<Value> = wraps.iter().cycle().take(STEPS_MAX).cloned().collect();
    fails(&steps, r#"{"a":1}"#, "levels deep");
    let nested = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    let json = json!({"op": "convert", "field": "body.a", "to": "json"});
    fails(&[json], json!({ "a": nested }).to_string(), "levels deep");
}

#[test]
fn a_long_value_copied_to_each_element_stops_at_the_largest_output() {
    let items = vec![json!({}); 10_000];
    let body = json!({"big": "x".repeat(10_000), "items": items}).to_string();
    let copy = |give: &str| match give {
        "from" => json!({"op": "set", "field": "body.items[*].x", "from": "body.big"}),
        _ => json!({"op": "set", "field": "body.items[*].x", "template": "{{body.big}}"}),
    };
    for give in ["from", "template"] {
        fails(&[copy(give)], body.clone(), "more than the largest output");
    }
    let map = json!({"op": "map", "field": "body.items[*]", "values": {"a": 1}, "otherwise": "x".repeat(10_000)});
    fails(&[map], body, "more than the largest output");
}

#[test]
fn long_names_joined_level_by_level_stop_at_the_largest_output() {
    let mut body = json!({});
    for number in 0..20_000 {
        body["a".repeat(2_000)][number.to_string()] = json!(number);
    }
    fails(
        &[json!({"op": "flatten"})],
        body.to_string(),
        "more than the largest output",
    );
}

#[test]
fn many_steps_over_many_values_have_a_budget() {
    let zeros = vec![0; 450_000];
    let look = json!({"op": "map", "field": "body[*]", "values": {"1": 1}});
    let body = serde_json::to_string(&zeros).expect("JSON");
    fails(&vec![look; STEPS_MAX], body, "the steps look at more than");
}

#[test]
fn a_text_that_grows_when_it_is_written_stops_at_the_largest_output() {
    // Each of these takes six bytes as JSON, and two as it comes in.
    let body = json!("\u{1}".repeat(400_000)).to_string();
    let once = json!({"op": "convert", "field": "body", "to": "json_text"});
    fails(&[once], body, "more than");
    let form = [
        json!({"op": "set", "field": "body.a", "value": "é".repeat(60_000)}),
        json!({"op": "set", "field": "body.b", "from": "body.a"}),
        json!({"op": "set_content_type", "value": "application/x-www-form-urlencoded"}),
    ];
    let made = run(&form, "{}").expect("a form");
    assert!(made.body.len() < LIMITS.output_bytes_max);
    let larger: Vec<Value> = (0..8)
        .map(|n| json!({"op": "set", "field": format!("body.x{n}"), "from": "body.a"}))
        .collect();
    let steps = [&form[..1], &larger, &form[2..]].concat();
    fails(&steps, "{}", "the body would have more than");
}

#[test]
fn a_configuration_has_a_bound() {
    let step = json!({"op": "wrap", "field": "body"});
    assert!(Steps::read("steps", &vec![step.clone(); STEPS_MAX]).is_ok());
    assert!(Steps::read("steps", &vec![step; STEPS_MAX + 1]).is_err());
    assert!(Steps::read("steps", &[]).is_err());
    let large = json!({"op": "set", "field": "body", "value": "x".repeat(300_000)});
    assert!(Steps::read("steps", &[large]).is_err());
    for step in [
        json!(1),
        json!({}),
        json!({"op": 1}),
        json!({"op": "none"}),
        json!({"op": "Rename"}),
    ] {
        assert!(Steps::read("steps", &[step]).is_err());
    }
}
