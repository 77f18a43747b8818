//! Input of deduplicate rules, ordering keys, and the fields that they compare.

use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::catalog::{DeduplicateRule, Field};
use serde_json::Value;

const INCLUDED: &str = "include_fields";
const EXCLUDED: &str = "exclude_fields";
const MIN: u64 = DeduplicateRule::WINDOW_MIN_MS;
const MAX: u64 = DeduplicateRule::WINDOW_MAX_MS;
const KEYS: [&str; 4] = ["type", "window", INCLUDED, EXCLUDED];

/// The rule that stands in an object.
pub fn read(fields: &Fields<'_>) -> Result<DeduplicateRule, Problem> {
    // Without the fields that a misspelt name meant, the whole request would be compared.
    if let Some(unknown) = fields.other_than(&KEYS) {
        let expected = format!("expected window, {INCLUDED} or {EXCLUDED}");
        return Err(fields.invalid(unknown, expected));
    }
    let Given::Value(window) = fields.whole("window", MIN, MAX)? else {
        let expected = format!("expected milliseconds, from {MIN} to {MAX}");
        return Err(fields.invalid("window", expected));
    };
    let rule = DeduplicateRule {
        window,
        include_fields: list(fields, INCLUDED)?.value().unwrap_or_default(),
        exclude_fields: list(fields, EXCLUDED)?.value().unwrap_or_default(),
    };
    if !rule.include_fields.is_empty() && !rule.exclude_fields.is_empty() {
        let expected = format!("expected {INCLUDED} or {EXCLUDED}, not both");
        return Err(fields.invalid(EXCLUDED, expected));
    }
    Ok(rule)
}

/// Reads one field, or a list of them.
pub fn some(fields: &Fields<'_>, key: &str) -> Result<Given<Vec<Field>>, Problem> {
    match fields.value(key) {
        Given::Value(Value::String(text)) => Ok(Given::Value(vec![one(fields, key, text)?])),
        _ => list(fields, key),
    }
}

/// A field by its text.
pub fn one(fields: &Fields<'_>, key: &str, text: &str) -> Result<Field, Problem> {
    text.parse()
        .map_err(|expected| fields.invalid(key, format!("{expected}; got {text:?}")))
}

fn list(fields: &Fields<'_>, key: &str) -> Result<Given<Vec<Field>>, Problem> {
    let list = match fields.list(key)? {
        Given::Value(list) => list,
        Given::Absent => return Ok(Given::Absent),
        Given::Null => return Ok(Given::Null),
    };
    if list.len() > DeduplicateRule::FIELDS_MAX {
        let expected = format!("expected at most {} fields", DeduplicateRule::FIELDS_MAX);
        return Err(fields.invalid(key, expected));
    }
    let mut read = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let key = format!("{key}[{place}]");
        let Some(text) = value.as_str() else {
            return Err(fields.invalid(&key, format!("expected a string, got {value}")));
        };
        read.push(one(fields, &key, text)?);
    }
    Ok(Given::Value(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use serde_json::json;

    fn rule(body: Value) -> Result<DeduplicateRule, Problem> {
        read(&Body::of(body).fields())
    }

    #[test]
    fn a_rule_reads_back_as_it_was_given() {
        for given in [
            json!({"window": 1_000}),
            json!({"window": 604_800_000, "include_fields": ["body.id", "headers.x-id"]}),
            json!({"window": 3_600_000, "exclude_fields": ["body.items[0].at", "query.t", "path"]}),
        ] {
            assert_eq!(json!(rule(given.clone()).expect("a rule")), given);
        }
    }

    #[test]
    fn no_fields_are_as_good_as_none_given() {
        let given = json!({"window": 1_000, "include_fields": [], "exclude_fields": null});
        assert_eq!(
            json!(rule(given).expect("a rule")),
            json!({"window": 1_000})
        );
    }

    #[test]
    fn a_bad_rule_names_its_field() {
        let many = vec!["body.a"; DeduplicateRule::FIELDS_MAX + 1];
        for (given, field) in [
            (json!({}), "window"),
            (json!({"window": 999}), "window"),
            (
                json!({"window": 1_000, "include_field": []}),
                "include_field",
            ),
            (json!({"window": 604_800_001}), "window"),
            (
                json!({"window": 1_000, "include_fields": "body"}),
                "include_fields",
            ),
            (
                json!({"window": 1_000, "include_fields": [7]}),
                "include_fields[0]",
            ),
            (
                json!({"window": 1_000, "exclude_fields": ["path", "id"]}),
                "exclude_fields[1]",
            ),
            (
                json!({"window": 1_000, "include_fields": many}),
                "include_fields",
            ),
            (
                json!({"window": 1_000, "include_fields": ["path"], "exclude_fields": ["body"]}),
                "exclude_fields",
            ),
        ] {
            let error = rule(given).expect_err(field);
            let named = format!("{field}: expected ");
            assert!(error.message().starts_with(&named), "{error}");
        }
    }

    #[test]
    fn a_key_is_one_field_or_several() {
        let key = |given: Value| some(&Body::of(json!({ "key": given })).fields(), "key");
        let fields = |names: &[&str]| -> Vec<Field> {
            names.iter().map(|name| name.parse().expect(name)).collect()
        };
        assert_eq!(key(json!("body.a")), Ok(Given::Value(fields(&["body.a"]))));
        let both = json!(["body.a", "path"]);
        assert_eq!(key(both), Ok(Given::Value(fields(&["body.a", "path"]))));
        assert_eq!(key(Value::Null), Ok(Given::Null));
        for bad in [json!("a"), json!(7), json!(["path", "b"])] {
            let error = key(bad).expect_err("no field");
            assert!(error.message().starts_with("key"), "{error}");
        }
    }
}
