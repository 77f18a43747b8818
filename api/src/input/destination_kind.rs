//! The kind of a destination as clients name it: its type, and what leads there.

use crate::{
    body::{Fields, Given},
    checked_url::checked_url,
    problem::Problem,
};
use model::{
    catalog::{CliTarget, Destination, DestinationKind, HttpTarget, MockTarget, RequestTemplate},
    policy::{destination_url, egress::Reach},
};

/// A kind of destination and what leads there, before it is known what its requests carry.
#[derive(Debug)]
pub enum Lead {
    Http { url: String },
    Cli { path: String },
    Mock,
}

impl Lead {
    /// The kind whose requests are made of this.
    pub fn with(self, request: RequestTemplate) -> DestinationKind {
        match self {
            Self::Http { url } => DestinationKind::Http(HttpTarget { url, request }),
            Self::Cli { path } => DestinationKind::Cli(CliTarget { path, request }),
            Self::Mock => DestinationKind::Mock(MockTarget { request }),
        }
    }
}

/// The kind that a body names, or that was kept.
pub fn read(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    kept: Option<&Destination>,
    reach: &Reach,
) -> Result<Lead, Problem> {
    let kept = kept.map(|kept| &kept.kind);
    let known = kept.map_or("HTTP", DestinationKind::name);
    let name = match fields.text("type", 64)? {
        Given::Absent => known,
        Given::Value(name) if DestinationKind::NAMES.contains(&name) => name,
        Given::Value(other) => return Err(unknown(&fields.path("type"), other)),
        Given::Null => return Err(unknown(&fields.path("type"), "null")),
    };
    match name {
        "CLI" => {
            refuse(config, "url", "an HTTP")?;
            let path = read_path(config, kept)?;
            Ok(Lead::Cli { path })
        }
        "MOCK_API" => {
            refuse(config, "url", "an HTTP")?;
            refuse(config, "path", "a CLI")?;
            Ok(Lead::Mock)
        }
        _ => {
            refuse(config, "path", "a CLI")?;
            let url = read_url(config, kept, reach)?;
            Ok(Lead::Http { url })
        }
    }
}

pub fn unknown(field: &str, given: &str) -> Problem {
    let names = DestinationKind::NAMES.join(", ");
    Problem::invalid(field, format!("expected one of {names}, got {given:?}"))
}

/// Another type keeps nothing of what led to the old one, here as below.
fn read_url(
    config: &Fields<'_>,
    kept: Option<&DestinationKind>,
    reach: &Reach,
) -> Result<String, Problem> {
    let text = match (config.text("url", destination_url::LEN_MAX)?, kept) {
        (Given::Value(text), _) => text,
        (Given::Absent, Some(DestinationKind::Http(kept))) => return Ok(kept.url.clone()),
        _ => return Err(config.invalid("url", "expected an http or https URL")),
    };
    checked_url(text, reach).map_err(|reason| config.invalid("url", reason))
}

/// What stands behind `http://localhost:PORT` on the developer's machine.
fn read_path(config: &Fields<'_>, kept: Option<&DestinationKind>) -> Result<String, Problem> {
    let expected = "expected a path that begins with a slash, as /hooks";
    let text = match (config.text("path", destination_url::LEN_MAX)?, kept) {
        (Given::Value(text), _) => text,
        (Given::Absent, Some(DestinationKind::Cli(kept))) => return Ok(kept.path.clone()),
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

    fn path(destination: &Destination) -> Option<&str> {
        match &destination.kind {
            DestinationKind::Cli(target) => Some(&target.path),
            _ => None,
        }
    }

    #[test]
    fn a_destination_may_be_a_developers_machine_or_nobody() {
        assert_eq!(path(&cli("/hooks")), Some("/hooks"));
        let mock = over(None, json!({"name": "d", "type": "MOCK_API"})).expect("a destination");
        assert!(matches!(mock.kind, DestinationKind::Mock(_)), "{mock:?}");
    }

    #[test]
    fn what_is_not_named_stays_and_another_type_begins_anew() {
        let kept = cli("/hooks");
        let again = over(
            Some(&kept),
            json!({"description": "x", "config": {"rate_limit": 5}}),
        );
        assert_eq!(again.expect("a destination").kind, kept.kind);
        let moved = over(Some(&kept), json!({"config": {"path": "/other"}})).expect("moved");
        assert_eq!(path(&moved), Some("/other"));
        let error = over(Some(&kept), json!({"type": "HTTP"})).expect_err("no URL");
        assert!(error.message().starts_with("config.url: "), "{error}");
        let url = json!({"type": "HTTP", "config": {"url": "https://a.example/"}});
        let http = over(Some(&kept), url).expect("a destination");
        assert_eq!(http.kind.base_url().as_deref(), Some("https://a.example/"));
        assert_eq!(http.kind.request(), kept.kind.request());
        let mock = over(Some(&http), json!({"type": "MOCK_API"})).expect("a destination");
        assert!(matches!(mock.kind, DestinationKind::Mock(_)), "{mock:?}");
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
