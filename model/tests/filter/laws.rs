//! What holds for every filter and every event.

use crate::kit::{matches, read, with_body};
use model::policy::filter::Steps;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Events and filters over few names and values, so that they often have to do with each other.
pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, -1.5]).prop_map(Value::from),
        prop::sample::select(vec!["", "0", "1", "1.0", "a", "ab", "true", "null"])
            .prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "$t", "__proto__"]).prop_map(str::to_owned)
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((key(), values), 0..4)
        .prop_map(|fields| Value::Object(Map::from_iter(fields)))
}

pub(crate) fn event() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner)
        ]
    })
}

fn operator(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let path = prop::sample::select(vec![
        "a",
        "a.b",
        "b[0]",
        "a[$index].b",
        "$.c",
        "[$index].a",
        "missing",
    ]);
    let reference = path.prop_map(|path| json!({"$ref": path}));
    let texts = prop::sample::select(vec![json!("a"), json!(""), json!(["b", "1"]), json!([])]);
    prop_oneof![
        (
            prop::sample::select(vec!["$eq", "$neq"]),
            prop_oneof![event(), reference.clone()].boxed()
        ),
        (
            prop::sample::select(vec!["$gt", "$gte", "$lt", "$lte"]),
            prop_oneof![
                scalar().prop_filter("ordered", |value| value.is_number() || value.is_string()),
                reference.clone()
            ]
            .boxed()
        ),
        (
            prop::sample::select(vec!["$in", "$nin"]),
            prop_oneof![
                prop::collection::vec(scalar(), 0..4).prop_map(Value::from),
                Just(json!("a")),
                reference.clone()
            ]
            .boxed()
        ),
        (
            prop::sample::select(vec!["$startsWith", "$endsWith"]),
            prop_oneof![texts, reference].boxed()
        ),
        (Just("$exist"), any::<bool>().prop_map(Value::from).boxed()),
        (
            prop::sample::select(vec!["$or", "$and"]),
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(Value::from)
                .boxed()
        ),
        (Just("$not"), inner),
        (Just("$ref"), Just(json!("b")).boxed()),
        (Just("$regex"), Just(json!("^a")).boxed()),
        (Just("$cidr"), Just(json!("10.0.0.0/8")).boxed()),
    ]
    .prop_map(|(name, operand)| json!({ name: operand }))
}

/// A filter whose plain names are escaped where they look like operators.
pub(crate) fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![scalar(), operator(scalar().boxed())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let fields = object(inner.clone())
            .prop_map(|value| escaped(&value))
            .boxed();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            fields.clone(),
            operator(inner.clone().boxed()),
            (fields, operator(inner.boxed()))
                .prop_map(|(fields, operator)| merged(&fields, &operator)),
        ]
    })
}

fn merged(one: &Value, other: &Value) -> Value {
    let fields = [one, other]
        .into_iter()
        .filter_map(Value::as_object)
        .flatten();
    Value::Object(
        fields
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

/// The same with names that begin with a dollar sign doubled, at this level.
fn escaped(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    let fields = fields.map(|(key, value)| match key.starts_with('$') {
        true => (format!("${key}"), value.clone()),
        false => (key.clone(), value.clone()),
    });
    Value::Object(fields.collect())
}

/// The filter that asks for an event as it is.
fn asking_for(event: &Value) -> Value {
    match event {
        Value::Array(items) => items.iter().map(asking_for).collect(),
        Value::Object(map) => {
            let asked = map
                .iter()
                .map(|(key, value)| (key.clone(), asking_for(value)));
            escaped(&Value::Object(asked.collect()))
        }
        scalar => scalar.clone(),
    }
}

/// A filter on a key that is there, or on the whole.
fn on(key: Option<&str>, filter: &Value) -> Value {
    match key {
        None => filter.clone(),
        Some(key) => json!({ key: filter }),
    }
}

fn place(event: &Value) -> Option<&str> {
    event.get("a").map(|_| "a")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_filter_built_from_an_event_matches_it(event in event()) {
        prop_assert!(matches(&event, &asking_for(&event)), "{}", event);
        prop_assert!(matches(&event, &json!({"$eq": event})), "{}", event);
    }

    #[test]
    fn not_negates_where_the_key_is(event in event(), filter in filter()) {
        let key = place(&event);
        let holds = matches(&event, &on(key, &json!({"$and": [filter]})));
        let not = matches(&event, &on(key, &json!({"$not": filter})));
        prop_assert_eq!(holds, !not);
        let twice = matches(&event, &on(key, &json!({"$not": {"$not": filter}})));
        prop_assert_eq!(holds, twice);
    }

    #[test]
    fn and_and_or_are_those_of_logic(event in event(), one in filter(), other in filter()) {
        let key = place(&event);
        let asked = |filter: Value| matches(&event, &on(key, &filter));
        let single = |filter: &Value| asked(json!({"$and": [filter]}));
        let (first, second) = (single(&one), single(&other));
        prop_assert_eq!(asked(json!({"$and": [one, other]})), first && second);
        prop_assert_eq!(asked(json!({"$or": [one, other]})), first || second);
        prop_assert_eq!(asked(json!({"$not": {"$or": [one, other]}})), !first && !second);
    }

    #[test]
    fn and_and_or_distribute(event in event(), filters in [filter(), filter(), filter()]) {
        let [a, b, c] = filters;
        let asked = |filter: Value| matches(&event, &on(place(&event), &filter));
        prop_assert_eq!(
            asked(json!({"$and": [a, {"$or": [b, c]}]})),
            asked(json!({"$or": [{"$and": [a, b]}, {"$and": [a, c]}]}))
        );
        prop_assert_eq!(
            asked(json!({"$or": [a, {"$and": [b, c]}]})),
            asked(json!({"$and": [{"$or": [a, b]}, {"$or": [a, c]}]}))
        );
    }

    #[test]
    fn an_operator_beside_a_field_must_hold_too(event in object(event()), field in filter(), operator in operator(scalar().boxed())) {
        let fields = json!({ "a": field });
        let both = matches(&event, &merged(&fields, &operator));
        prop_assert_eq!(both, matches(&event, &fields) && matches(&event, &operator));
    }

    #[test]
    fn neq_is_not_eq_and_a_literal_is_eq_between_scalars(one in scalar(), other in scalar()) {
        let event = json!({ "a": one });
        let equal = matches(&event, &json!({"a": {"$eq": other}}));
        prop_assert_eq!(equal, matches(&event, &json!({ "a": other })));
        prop_assert_eq!(equal, !matches(&event, &json!({"a": {"$neq": other}})));
        prop_assert_eq!(equal, matches(&json!({ "a": other }), &json!({ "a": one })));
    }

    #[test]
    fn an_absent_key_meets_only_exist_false(event in object(event()), filter in filter()) {
        prop_assume!(filter != json!({"$exist": false}));
        let matches = matches(&event, &json!({ "absent": filter }));
        prop_assert!(!matches);
    }

    #[test]
    fn the_same_question_has_the_same_answer(event in event(), filter in filter()) {
        let filter = read(&filter).expect("a filter");
        let document = with_body(&event);
        let ask = || filter.failing(&document, &mut Steps::of_request());
        prop_assert_eq!(ask(), ask());
    }

    #[test]
    fn nothing_makes_the_reader_panic(value in event(), dollars in filter()) {
        let _ = read(&value);
        let _ = read(&dollars);
    }
}
