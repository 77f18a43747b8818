//! What stands at a destination's other end, as clients name it: its type, and what leads there.

use crate::{
    body::{Fields, Given},
    checked_url::checked_url,
    problem::Problem,
};
use model::{
    catalog::{Destination, DestinationKind},
    policy::{destination_url, egress::Reach},
};

/// The kind of destination and its URL, which is empty where it has none.
pub fn read(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    kept: Option<&Destination>,
    reach: &Reach,
) -> Result<(DestinationKind, String), Problem> {
    let known = kept.map_or("HTTP", |kept| kept.outbound.kind.name());
    let name = match fields.text("type", 64)? {
        Given::Absent => known,
        Given::Value(name) if DestinationKind::NAMES.contains(&name) => name,
        Given::Value(other) => return Err(unknown(&fields.path("type"), other)),
        Given::Null => return Err(unknown(&fields.path("type"), "null")),
    };
    // Another type keeps nothing of what led to the old one.
    let kept = kept.filter(|kept| kept.outbound.kind.name() == name);
    match name {
        "CLI" => {
            refuse(config, "url", "an HTTP")?;
            let path = read_path(config, kept)?;
            Ok((DestinationKind::Cli { path }, String::new()))
        }
        "MOCK_API" => {
            refuse(config, "url", "an HTTP")?;
            refuse(config, "path", "a CLI")?;
            Ok((DestinationKind::MockApi, String::new()))
        }
        _ => {
            refuse(config, "path", "a CLI")?;
            Ok((DestinationKind::Http, read_url(config, kept, reach)?))
        }
    }
}

pub fn unknown(field: &str, given: &str) -> Problem {
    let names = DestinationKind::NAMES.join(", ");
    Problem::invalid(field, format!("expected one of {names}, got {given:?}"))
}

fn read_url(
    config: &Fields<'_>,
    kept: Option<&Destination>,
    reach: &Reach,
) -> Result<String, Problem> {
    let text = match (config.text("url", destination_url::LEN_MAX)?, kept) {
        (Given::Value(text), _) => text,
        (Given::Absent, Some(kept)) => return Ok(kept.url.clone()),
        _ => return Err(config.invalid("url", "expected an http or https URL")),
    };
    checked_url(text, reach).map_err(|reason| config.invalid("url", reason))
}

/// What stands behind `http://localhost:PORT` on the developer's machine.
fn read_path(config: &Fields<'_>, kept: Option<&Destination>) -> Result<String, Problem> {
    let expected = "expected a path that begins with a slash, as /hooks";
    let text = match (config.text("path", destination_url::LEN_MAX)?, kept) {
        (Given::Value(text), _) => text,
        (Given::Absent, Some(kept)) => match &kept.outbound.kind {
            DestinationKind::Cli { path } => return Ok(path.clone()),
            _ => return Err(config.invalid("path", expected)),
        },
        _ => return Err(config.invalid("path", expected)),
    };
    let is_sound = text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
    if !is_sound {
        let more = format!("{expected}, of visible ASCII characters without # and \\");
        return Err(config.invalid("path", more));
    }
    Ok(text.to_owned())
}

/// What another type has would be lost silently.
fn refuse(config: &Fields<'_>, key: &str, whose: &str) -> Result<(), Problem> {
    match config.value(key) {
        Given::Absent | Given::Null => Ok(()),
        Given::Value(_) => Err(config.invalid(
            key,
            format!("expected none: only {whose} destination has one"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{body::Body, input::destination};
    use model::{ids::DestinationId, time::Timestamp};
    use serde_json::{Value, json};

    fn over(kept: Option<&Destination>, body: Value) -> Result<Destination, Problem> {
        let fresh = destination::Fresh {
            id: DestinationId(1),
            key: [7; 32],
            reach: Reach::default(),
            try_tls: |_| Ok(()),
        };
        Body::of(body).read(|fields| destination::read(fields, kept, &fresh, Timestamp(7)))
    }

    fn cli(path: &str) -> Destination {
        let body = json!({"name": "d", "type": "CLI", "config": {"path": path}});
        over(None, body).expect("a destination")
    }

    #[test]
    fn a_destination_may_be_a_developers_machine_or_nobody() {
        let path = "/hooks".to_owned();
        assert_eq!(cli("/hooks").outbound.kind, DestinationKind::Cli { path });
        let mock = over(None, json!({"name": "d", "type": "MOCK_API"})).expect("a destination");
        assert_eq!(
            (mock.outbound.kind, mock.url.as_str()),
            (DestinationKind::MockApi, "")
        );
    }

    #[test]
    fn what_is_not_named_stays_and_another_type_begins_anew() {
        let kept = cli("/hooks");
        let again = over(
            Some(&kept),
            json!({"description": "x", "config": {"rate_limit": 5}}),
        );
        assert_eq!(
            again.expect("a destination").outbound.kind,
            kept.outbound.kind
        );
        let path = "/other".to_owned();
        let moved = over(Some(&kept), json!({"config": {"path": "/other"}}));
        assert_eq!(
            moved.expect("moved").outbound.kind,
            DestinationKind::Cli { path }
        );
        let error = over(Some(&kept), json!({"type": "HTTP"})).expect_err("no URL");
        assert!(error.message().starts_with("config.url: "), "{error}");
        let url = json!({"type": "HTTP", "config": {"url": "https://a.example/"}});
        let http = over(Some(&kept), url).expect("a destination");
        assert!(http.outbound.is_plain(), "{http:?}");
        let mock = over(Some(&http), json!({"type": "MOCK_API"})).expect("a destination");
        assert_eq!(mock.url, "");
    }

    #[test]
    fn bad_fields_are_named() {
        let long = format!("/{}", "x".repeat(destination_url::LEN_MAX));
        for (kind, config, field) in [
            ("CLI", json!({}), "config.path"),
            ("CLI", json!({"path": null}), "config.path"),
            ("CLI", json!({"path": "hooks"}), "config.path"),
            ("CLI", json!({"path": "@evil.example/"}), "config.path"),
            ("CLI", json!({"path": "/a b"}), "config.path"),
            ("CLI", json!({"path": "/#f"}), "config.path"),
            ("CLI", json!({"path": 5}), "config.path"),
            ("CLI", json!({"path": long}), "config.path"),
            (
                "CLI",
                json!({"path": "/", "url": "https://a.example/"}),
                "config.url",
            ),
            (
                "MOCK_API",
                json!({"url": "https://a.example/"}),
                "config.url",
            ),
            ("MOCK_API", json!({"path": "/"}), "config.path"),
            (
                "HTTP",
                json!({"url": "https://a.example/", "path": "/"}),
                "config.path",
            ),
            ("http", json!({"url": "https://a.example/"}), "type"),
        ] {
            let body = json!({"name": "d", "type": kind, "config": config});
            let error = over(None, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
