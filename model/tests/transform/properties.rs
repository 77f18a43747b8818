//! Whatever the steps and the message: no panic, the same result again, within its bounds, and sound to be sent.

use bytes::Bytes;
use model::policy::transform::{
    Env, Limits, Message, Steps, check_header_name, check_header_value, check_path, check_query,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    output_bytes_max: 4096,
};

fn body_paths() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![".a", ".b", ".c", "[0]", "[1]", "[*]", r#"["x.y"]"#]);
    prop::collection::vec(segment, 0..4).prop_map(|segments| format!("body{}", segments.concat()))
}

fn addresses() -> impl Strategy<Value = String> {
    let other = [
        "headers.x-a",
        "query.q",
        "path",
        "method",
        "env.KEY",
        "headers.none",
    ];
    prop_oneof![
        3 => body_paths(),
        1 => prop::sample::select(other.to_vec()).prop_map(str::to_owned),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9i64..9).prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "1",
            "x",
            "a/b",
            "..",
            "\r\nx-evil: 1",
            "é\"",
            "[1,{}]"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c", "x.y"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn gives() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        values().prop_map(|value| ("value", value)),
        addresses().prop_map(|address| ("from", json!(address))),
        (addresses(), addresses()).prop_map(|(a, b)| {
            let text = format!("/{{{{{a}}}}}-{{{{{b}}}}}");
            ("template", json!(text))
        }),
    ]
}

fn steps() -> impl Strategy<Value = Value> {
    let types = ["text", "number", "integer", "boolean", "json", "json_text"];
    let media = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/xml",
    ];
    let headers = ["x-a", "x-new", "Authorization"];
    let given = |mut step: Value, (kind, value): (&str, Value)| {
        step[kind] = value;
        step
    };
    prop_oneof![
        (body_paths(), "[abc]").prop_map(|(f, to)| json!({"op": "rename", "field": f, "to": to})),
        (body_paths(), body_paths())
            .prop_map(|(from, to)| json!({"op": "move", "from": from, "to": to})),
        prop::collection::vec(body_paths(), 1..4).prop_map(|f| json!({"op": "pick", "fields": f})),
        prop::collection::vec(body_paths(), 1..4).prop_map(|f| json!({"op": "drop", "fields": f})),
        (body_paths(), any::<bool>())
            .prop_map(|(f, l)| json!({"op": "flatten", "field": f, "lists": l})),
        (body_paths(), gives()).prop_map(move |(f, g)| given(json!({"op": "set", "field": f}), g)),
        (body_paths(), gives())
            .prop_map(move |(f, g)| given(json!({"op": "default", "field": f}), g)),
        (body_paths(), values())
            .prop_map(|(f, v)| json!({"op": "map", "field": f, "values": {"1": v, "x": 2}})),
        body_paths().prop_map(|f| json!({"op": "wrap", "field": f})),
        body_paths().prop_map(|f| json!({"op": "unwrap", "field": f, "take": "first"})),
        (body_paths(), prop::sample::select(types.to_vec()))
            .prop_map(|(f, t)| json!({"op": "convert", "field": f, "to": t, "otherwise": 0})),
        (prop::sample::select(headers.to_vec()), gives())
            .prop_map(move |(n, g)| given(json!({"op": "set_header", "name": n}), g)),
        Just(json!({"op": "remove_header", "names": ["x-a"]})),
        gives().prop_map(move |g| given(json!({"op": "set_path"}), g)),
        ("[a-c&=]{1,3}", gives())
            .prop_map(move |(n, g)| given(json!({"op": "set_query", "name": n}), g)),
        Just(json!({"op": "remove_query", "names": ["q"]})),
        prop::sample::select(media.to_vec())
            .prop_map(|m| json!({"op": "set_content_type", "value": m})),
    ]
}

fn messages() -> impl Strategy<Value = Message> {
    let json = values().prop_map(|value| ("application/json", value.to_string().into_bytes()));
    let form = "[a-c=&%+0-9]{0,20}"
        .prop_map(|form| ("application/x-www-form-urlencoded", form.into_bytes()));
    let other = any::<Vec<u8>>().prop_map(|bytes| ("text/plain", bytes));
    prop_oneof![4 => json, 1 => form, 1 => other].prop_map(|(content_type, body)| Message {
        method: "PUT".into(),
        headers: vec![
            ("content-type".into(), Bytes::from(content_type)),
            ("x-a".into(), Bytes::from_static(b"1")),
            ("x-a".into(), Bytes::from_static(b"2")),
        ],
        path: "/p".into(),
        query: "q=1&q=2&a=%20".into(),
        body: body.into(),
    })
}

/// What the admin wrote, without the steps that no admin gets through.
fn configured(steps: Vec<Value>) -> Option<Steps> {
    let mut sound = steps;
    sound.retain(|step| Steps::read("steps", std::slice::from_ref(step)).is_ok());
    Steps::read("steps", &sound).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_comes_out_is_sound_and_comes_out_again(
        steps in prop::collection::vec(steps(), 1..8), message in messages(),
    ) {
        let Some(steps) = configured(steps) else { return Ok(()) };
        let env = Env::from([("KEY".into(), "a\nb".into())]);
        let first = steps.run(message.clone(), &env, LIMITS);
        prop_assert_eq!(&first, &steps.run(message.clone(), &env, LIMITS));
        let Ok(after) = first else { return Ok(()) };
        prop_assert!(after.body.len() <= LIMITS.output_bytes_max);
        prop_assert_eq!(&after.method, &message.method);
        prop_assert!(check_path(&after.path).is_ok(), "{}", after.path);
        prop_assert!(check_query(&after.query).is_ok(), "{}", after.query);
        for (name, value) in &after.headers {
            prop_assert!(check_header_name(name).is_ok(), "{}", name);
            prop_assert!(check_header_value(value).is_ok(), "{}: {:?}", name, value);
        }
        let is_json = after.header("content-type").is_some_and(|t| t == "application/json");
        if is_json && after.body != message.body {
            prop_assert!(serde_json::from_slice::<Value>(&after.body).is_ok(), "{:?}", after.body);
        }
    }

    #[test]
    fn a_step_at_a_time_comes_to_the_same_as_all_at_once(
        steps in prop::collection::vec(steps(), 2..5), body in values(),
    ) {
        let message = Message {
            headers: vec![("content-type".into(), Bytes::from_static(b"application/json"))],
            body: body.to_string().into(),
            path: "/p".into(),
            ..Message::default()
        };
        // A change of the content type is a change of what the next run reads.
        let steps: Vec<Value> = steps.into_iter().filter(|step| step["op"] != "set_content_type").collect();
        let sound: Vec<Value> = steps.into_iter()
            .filter(|step| Steps::read("steps", std::slice::from_ref(step)).is_ok()).collect();
        let Ok(all) = Steps::read("steps", &sound) else { return Ok(()) };
        let env = Env::new();
        let at_once = all.run(message.clone(), &env, LIMITS).ok();
        let one_by_one = sound.iter().try_fold(message, |message, step| {
            let step = Steps::read("steps", std::slice::from_ref(step)).expect("sound");
            step.run(message, &env, LIMITS).ok()
        });
        // Together they share one budget, so only the other way round may fail.
        if let (Some(at_once), Some(one_by_one)) = (at_once, one_by_one) {
            prop_assert_eq!(at_once, one_by_one);
        }
    }

    #[test]
    fn an_untouched_body_keeps_its_bytes(message in messages(), value in "[a-z]{1,5}") {
        let steps = [
            json!({"op": "set_header", "name": "x-new", "value": value}),
            json!({"op": "set_query", "name": "n", "value": value}),
            json!({"op": "set_path", "value": format!("/{value}")}),
        ];
        let steps = Steps::read("steps", &steps).expect("sound");
        let after = steps.run(message.clone(), &Env::new(), LIMITS).expect("nothing can fail");
        prop_assert_eq!(after.body, message.body);
    }

    #[test]
    fn what_changes_nothing_keeps_the_bytes_too(body in values(), pretty: bool) {
        let text = match pretty {
            true => serde_json::to_string_pretty(&body).expect("text"),
            false => body.to_string(),
        };
        let steps = [
            json!({"op": "drop", "fields": ["body.none", "body[7]"]}),
            json!({"op": "rename", "field": "body.none", "to": "a"}),
            json!({"op": "set", "field": "body.a", "from": "body.none"}),
            json!({"op": "pick", "fields": ["body"]}),
        ];
        let message = Message {
            headers: vec![("content-type".into(), Bytes::from_static(b"application/json"))],
            body: text.clone().into(),
            ..Message::default()
        };
        let after = Steps::read("steps", &steps).expect("sound").run(message, &Env::new(), LIMITS);
        prop_assert_eq!(after.expect("nothing can fail").body, text);
    }
}
