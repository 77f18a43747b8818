//! The document of the API: it is what is checked in, and another than its maker finds it sound.

use api::{
    dialect::Dialect,
    openapi::{document, pattern_of},
    operations,
};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf, process::Command};

fn checked_in(dialect: Dialect) -> PathBuf {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    match dialect {
        Dialect::V2025_07 => docs.join("openapi.json"),
        other => docs.join(format!("openapi-{}.json", other.name())),
    }
}

fn text(dialect: Dialect) -> String {
    let text = serde_json::to_string_pretty(document(dialect)).expect("JSON");
    format!("{text}\n")
}

/// `WRITE_DOCS=1` writes it.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test holds a file against the document"
)]
fn the_document_that_is_checked_in_is_this_one() {
    for dialect in Dialect::ALL {
        let path = checked_in(dialect);
        if std::env::var_os("WRITE_DOCS").is_some() {
            std::fs::write(&path, text(dialect)).expect("written");
        }
        let kept = std::fs::read_to_string(&path).expect("the document");
        assert!(
            kept == text(dialect),
            "{} is another; `make fix` writes it",
            path.display()
        );
    }
}

#[test]
fn operations_have_names_and_paths_of_their_own() {
    let mut ids = BTreeSet::new();
    for one in operations::ALL {
        assert!(ids.insert(one.id), "{} twice", one.id);
    }
    for dialect in Dialect::ALL {
        let mut places = BTreeSet::new();
        for one in operations::ALL {
            for path in one.paths(dialect) {
                assert!(places.insert((one.method, path)), "{} twice", one.id);
            }
        }
    }
}

#[test]
fn a_path_leads_to_its_own_operation() {
    let base = |path: &str| format!("/2025-07-01{path}");
    for (path, pattern) in [
        (base("/sources/src_1?limit=1"), Some(base("/sources/{id}"))),
        (base("/sources/count"), Some(base("/sources/count"))),
        (base("/sources"), Some(base("/sources"))),
        ("/cluster".into(), Some("/cluster".into())),
        (base("/sources/src_1/events"), None),
        ("/".into(), None),
        (
            "/2026-09-01/projects".into(),
            Some("/2026-09-01/projects".into()),
        ),
        ("/2026-09-01/teams".into(), None),
    ] {
        assert_eq!(pattern_of(&path).map(str::to_owned), pattern, "{path}");
    }
}

#[test]
fn every_schema_is_one() {
    for dialect in Dialect::ALL {
        let schemas = document(dialect)["components"]["schemas"].as_object();
        for (name, schema) in schemas.expect("schemas") {
            let valid = jsonschema::draft202012::meta::validate(schema);
            assert!(valid.is_ok(), "{name}: {valid:?}");
        }
    }
}

/// What refers and says more beside it can't be closed: the one would refuse the fields of the other.
#[test]
fn no_object_is_half_here_and_half_elsewhere() {
    fn walk(schema: &Value, at: &str) {
        if let Value::Object(object) = schema {
            let refers = ["$ref", "allOf"]
                .iter()
                .any(|key| object.contains_key(*key));
            let says = object.get("properties").is_some_and(Value::is_object);
            assert!(!(refers && says), "{at}: {schema}");
            for (name, inner) in object {
                walk(inner, &format!("{at}/{name}"));
            }
        }
        if let Value::Array(items) = schema {
            items.iter().for_each(|inner| walk(inner, at));
        }
    }
    for dialect in Dialect::ALL {
        walk(document(dialect), "");
    }
}

/// The validator of the OpenAPI initiative's own schemas, where it is installed (`scripts/setup.sh --tests`).
#[test]
fn a_validator_that_is_not_ours_finds_it_sound() {
    let named = std::env::var_os("OPENAPI_SPEC_VALIDATOR").map(PathBuf::from);
    let beside = std::env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".cache/tidegate/openapi/bin/openapi-spec-validator"));
    let Some(validator) = named.or(beside).filter(|path| path.exists()) else {
        eprintln!("skipped: no openapi-spec-validator; scripts/setup.sh --tests installs it");
        return;
    };
    let checked = Command::new(validator)
        .args(Dialect::ALL.map(checked_in))
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&checked.stdout).into_owned()
        + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{told}");
}
