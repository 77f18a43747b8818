//! A destination as clients name it: a body over what is kept becomes the destination afterwards.

use super::{
    destination_auth, destination_kind, destination_signing,
    destination_tls::{self, Unusable},
};
use crate::{
    body::{Fields, Given, SHOWN},
    dialect::Dialect,
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalog, Destination, RatePeriod, RequestTemplate, Secret, Tls, Wishes},
    ids::DestinationId,
    policy::{egress::Reach, forwarding, outgoing_headers},
    time::Timestamp,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// What a configuration is shown with beside what it is made of.
const SHOWN_CONFIG: [&str; 4] = [
    "client_certificate_expires_at",
    "ed25519_signature",
    "header_names",
    "signing_secrets",
];
const SHOWN_DESTINATION: [&str; 2] = ["allowed_rate_per_minute", "disabled_by"];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const TIMEOUT_MIN_MS: u64 = 1_000;
const TIMEOUT_MAX_MS: u64 = 120_000;

/// The values that only the caller can provide: the id and the keys that a new destination gets, and how far the
/// operator lets it reach.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub id: DestinationId,
    pub key: [u8; 32],
    pub reach: Reach,
    /// Whether deliveries could be made with these certificates.
    pub try_tls: fn(&Tls) -> Result<(), Unusable>,
}

/// The destination after a body was applied to the kept one, or a new one. What the body does not name stays as it is.
pub fn read(
    fields: &Fields<'_>,
    kept: Option<&Destination>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Destination, Problem> {
    let empty = Map::new();
    let config = match fields.object("config")?.value() {
        Some(config) => config,
        None => fields.nothing_at("config", &empty),
    };
    let kind = destination_kind::read(fields, &config, kept, &fresh.reach)?;
    let pace = Pace::of(&config, &empty)?;
    let (rate_limit, rate_limit_period) = pace.read(kept)?;
    // What requests carry stays when another kind takes them over.
    let request = kept.and_then(|kept| kept.kind.request());
    let request = read_request(&config, request, fresh, now)?;
    let destination = Destination {
        id: kept.map_or(fresh.id, |kept| kept.id),
        name: names::required(fields, kept.map(|kept| kept.name.as_str()))?,
        description: names::description(fields, kept.and_then(|k| k.description.clone()))?,
        kind: kind.with(request),
        rate_limit,
        rate_limit_period,
        timeout_ms: config
            .whole("timeout_ms", TIMEOUT_MIN_MS, TIMEOUT_MAX_MS)?
            .map(|timeout_ms| u32::try_from(timeout_ms).unwrap_or(u32::MAX))
            .or_kept(kept.and_then(|kept| kept.timeout_ms)),
        wishes: Wishes {
            // Whoever sets a rate takes back what the receiver asked for.
            rate_per_minute: kept
                .and_then(|kept| kept.wishes.rate_per_minute)
                .filter(|_| !pace.is_given()),
            disabled_by: kept.and_then(|kept| kept.wishes.disabled_by),
        },
        disabled_at: kept.and_then(|kept| kept.disabled_at),
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    };
    config.pass_over(&[&SHOWN_CONFIG]);
    fields.pass_over(&[&SHOWN, &SHOWN_DESTINATION]);
    Ok(destination)
}

/// The destination that has a name.
pub fn named<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Arc<Destination>> {
    catalog.destination_named(name)
}

/// Refuses a name that another destination has.
pub fn check_name(catalog: &Catalog, destination: &Destination) -> Result<(), Problem> {
    match named(catalog, &destination.name) {
        Some(other) if other.id != destination.id => Err(Problem::invalid(
            "name",
            format!(
                "the destination {} is named {:?} already",
                other.id, other.name
            ),
        )),
        _ => Ok(()),
    }
}

/// The requests that deliveries are made of, whichever kind of destination takes them.
fn read_request(
    config: &Fields<'_>,
    kept: Option<&RequestTemplate>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<RequestTemplate, Problem> {
    let forwarding_disabled = config.flag("path_forwarding_disabled")?;
    let signing = destination_signing::read(config, kept, &fresh.key)?;
    let auth = destination_auth::read(config, kept.map(|kept| &kept.auth), &fresh.reach)?;
    let headers = read_headers(config, kept)?;
    let claimed = destination_auth::header(&auth);
    if let Some(name) = headers.keys().find(|name| Some(*name) == claimed.as_ref()) {
        let taken = format!("{name:?} is set by {}", auth.name());
        return Err(config.invalid("headers", taken));
    }
    let forward_headers = read_forward_headers(config, kept)?;
    Ok(RequestTemplate {
        method: read_method(config, kept)?,
        path_forwarding: match forwarding_disabled {
            Given::Value(disabled) => !disabled,
            Given::Null => true,
            Given::Absent => kept.is_none_or(|kept| kept.path_forwarding),
        },
        tls: destination_tls::read(config, kept.map(|kept| &kept.tls), fresh, now)?,
        signing_secret: signing.secret,
        other_secrets: signing.others,
        auth,
        headers,
        forward_headers,
    })
}

/// Headers that every request carries: those that are given stand for all.
fn read_headers(
    config: &Fields<'_>,
    kept: Option<&RequestTemplate>,
) -> Result<BTreeMap<String, Secret>, Problem> {
    const KEY: &str = "headers";
    let given = match config.value(KEY) {
        Given::Absent => return Ok(kept.map(|kept| kept.headers.clone()).unwrap_or_default()),
        Given::Null => return Ok(BTreeMap::new()),
        Given::Value(value) => value,
    };
    let expected = format!(
        "expected an object of at most {} headers",
        outgoing_headers::HEADERS_MAX
    );
    let map = given
        .as_object()
        .filter(|map| map.len() <= outgoing_headers::HEADERS_MAX);
    let map = map.ok_or_else(|| config.invalid(KEY, expected))?;
    let mut headers = BTreeMap::new();
    for (name, value) in map {
        let invalid = |reason: String| config.invalid(&format!("{KEY}.{name}"), reason);
        outgoing_headers::check_name(name).map_err(invalid)?;
        let Value::String(value) = value else {
            return Err(invalid("expected a string".into()));
        };
        outgoing_headers::check_value(value.as_bytes()).map_err(invalid)?;
        let name = name.to_ascii_lowercase();
        if headers
            .insert(name.clone(), Secret::new(value.clone()))
            .is_some()
        {
            return Err(config.invalid(KEY, format!("expected {name:?} once")));
        }
    }
    Ok(headers)
}

/// Headers of senders that go on though they would be held back: those that are given stand for all.
fn read_forward_headers(
    config: &Fields<'_>,
    kept: Option<&RequestTemplate>,
) -> Result<Vec<String>, Problem> {
    const KEY: &str = "forward_headers";
    let given = match config.list(KEY)? {
        Given::Absent => {
            return Ok(kept
                .map(|kept| kept.forward_headers.clone())
                .unwrap_or_default());
        }
        Given::Null => return Ok(Vec::new()),
        Given::Value(given) => given,
    };
    if given.len() > forwarding::OPENED_MAX {
        let expected = format!("expected at most {} names", forwarding::OPENED_MAX);
        return Err(config.invalid(KEY, expected));
    }
    let mut opened = Vec::new();
    for (place, name) in given.iter().enumerate() {
        let invalid = |reason: String| config.invalid(&format!("{KEY}[{place}]"), reason);
        let name = name
            .as_str()
            .ok_or_else(|| invalid("expected a header's name".into()))?;
        forwarding::check_opened(name).map_err(invalid)?;
        let name = name.to_ascii_lowercase();
        if !opened.contains(&name) {
            opened.push(name);
        }
    }
    Ok(opened)
}

fn read_method(
    config: &Fields<'_>,
    kept: Option<&RequestTemplate>,
) -> Result<Option<String>, Problem> {
    let given = config.text("http_method", 16)?;
    let given = given.map(str::to_ascii_uppercase);
    match given {
        Given::Value(method) if !METHODS.contains(&method.as_str()) => {
            let expected = format!("expected one of {}", METHODS.join(", "));
            Err(config.invalid("http_method", expected))
        }
        given => Ok(given.or_kept(kept.and_then(|kept| kept.method.clone()))),
    }
}

/// A pace as a body names it.
struct Pace<'a> {
    /// Where its two parts stand, and what they are called there.
    fields: Fields<'a>,
    names: [&'static str; 2],
    /// It is to be taken away.
    is_cleared: bool,
}

impl<'a> Pace<'a> {
    fn of(config: &Fields<'a>, empty: &'a Map<String, Value>) -> Result<Self, Problem> {
        const POLICY: &str = "delivery_policy";
        let names = match config.dialect() {
            Dialect::V2025_07 => ["rate_limit", "rate_limit_period"],
            Dialect::V2026_09 => ["rate", "period"],
        };
        let (fields, is_cleared) = match config.dialect() {
            Dialect::V2025_07 => (config.clone(), false),
            Dialect::V2026_09 => match config.object(POLICY)? {
                Given::Value(policy) => (policy, false),
                none => {
                    let is_cleared = none == Given::Null;
                    (config.nothing_at(POLICY, empty), is_cleared)
                }
            },
        };
        if config.dialect() == Dialect::V2026_09
            && let Given::Value(_) = fields.value("groups")
        {
            let named = format!("{}: a pace for each value of a key", fields.path("groups"));
            return Err(Problem::not_available(&named));
        }
        Ok(Self {
            fields,
            names,
            is_cleared,
        })
    }

    /// Whether the body says anything of it.
    fn is_given(&self) -> bool {
        self.is_cleared || self.fields.value(self.names[0]) != Given::Absent
    }

    fn read(&self, kept: Option<&Destination>) -> Result<(Option<u32>, RatePeriod), Problem> {
        if self.is_cleared {
            return Ok((None, RatePeriod::Second));
        }
        let [rate, period] = self.names;
        let limit = self.fields.whole(rate, 1, u64::from(u32::MAX))?;
        let limit = limit.map(|limit| limit as u32);
        let period = match self.fields.text(period, 16)? {
            Given::Value("second") => Given::Value(RatePeriod::Second),
            Given::Value("minute") => Given::Value(RatePeriod::Minute),
            Given::Value("hour") => Given::Value(RatePeriod::Hour),
            Given::Value("concurrent") => Given::Value(RatePeriod::Concurrent),
            Given::Value(_) => {
                let expected = "expected second, minute, hour or concurrent";
                return Err(self.fields.invalid(period, expected));
            }
            Given::Null => Given::Null,
            Given::Absent => Given::Absent,
        };
        let limit = limit.or_kept(kept.and_then(|kept| kept.rate_limit));
        let period = period.or_kept(kept.map(|kept| kept.rate_limit_period));
        Ok((limit, period.unwrap_or(RatePeriod::Second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use model::policy::signing::Version;
    use serde_json::json;

    fn over(kept: Option<&Destination>, body: Value) -> Result<Destination, Problem> {
        let fresh = Fresh {
            id: DestinationId(1),
            key: [7; 32],
            reach: Reach {
                allowed: vec!["10.1.0.0/16".parse().expect("a network")],
                ..Reach::default()
            },
            try_tls: |tls| match &tls.ca_certificates {
                None => Ok(()),
                Some(_) => Err(Unusable {
                    field: "ca_certificates",
                    expected: "expected certificates".into(),
                }),
            },
        };
        Body::of(body).read(|fields| read(fields, kept, &fresh, Timestamp(7)))
    }

    fn plain() -> Destination {
        let config = json!({"url": "https://example.com/hook"});
        over(None, json!({"name": "d", "config": config})).expect("a destination")
    }

    fn request(destination: &Destination) -> &RequestTemplate {
        destination.kind.request().expect("HTTP is spoken")
    }

    #[test]
    fn a_fresh_destination_signs_with_a_secret_of_its_own() {
        let plain = plain();
        assert_eq!(request(&plain).signing_secret, Version::V1.fresh(&[7; 32]));
    }

    #[test]
    fn a_host_of_another_script_is_kept_as_the_name_that_it_stands_for() {
        let at = |url: &str| over(None, json!({"name": "d", "config": {"url": url}}));
        let kept = at("https://b\u{fc}cher.example/a").expect("a name");
        let url = kept.kind.base_url();
        assert_eq!(url.as_deref(), Some("https://xn--bcher-kva.example/a"));
        // Digits of another script are no way around the form of an address.
        for url in [
            "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
            "http://10\u{3002}1.2.3/",
        ] {
            let error = at(url).expect_err(url);
            assert!(error.message().starts_with("config.url: "), "{error}");
        }
    }

    #[test]
    fn headers_and_a_timeout_are_the_destinations_own() {
        let config =
            json!({"headers": {"X-Team": "a", "authorization": "Token t"}, "timeout_ms": 5000});
        let kept = over(Some(&plain()), json!({ "config": config })).expect("a destination");
        assert_eq!(request(&kept).headers["x-team"].reveal(), "a");
        assert_eq!(kept.timeout_ms, Some(5000));
        let again = over(Some(&kept), json!({"config": {"rate_limit": null}}));
        assert_eq!(again, Ok(kept.clone()));
        let bearer = json!({"auth_type": "BEARER_TOKEN", "auth": {"token": "t"}});
        let twice = over(Some(&kept), json!({ "config": bearer })).expect_err("two of a name");
        assert!(twice.message().starts_with("config.headers: "), "{twice}");
        let none = over(
            Some(&kept),
            json!({"config": {"headers": null, "timeout_ms": null}}),
        );
        assert_eq!(none, Ok(plain()));
    }

    #[test]
    fn headers_that_would_be_held_back_are_opened_by_name() {
        let config = json!({"forward_headers": ["X-Forwarded-For", "x-ms-*", "x-forwarded-for"]});
        let kept = over(Some(&plain()), json!({ "config": config })).expect("a destination");
        assert_eq!(
            request(&kept).forward_headers,
            ["x-forwarded-for", "x-ms-*"]
        );
        let again = over(Some(&kept), json!({"config": {"rate_limit": null}}));
        assert_eq!(again, Ok(kept.clone()));
        let none = over(Some(&kept), json!({"config": {"forward_headers": null}}));
        assert_eq!(none, Ok(plain()));
        for bad in [
            json!("x"),
            json!([7]),
            json!(["*"]),
            json!(["host"]),
            json!(["webhook-id"]),
        ] {
            let config = json!({"forward_headers": bad});
            let refused = over(Some(&plain()), json!({ "config": config })).expect_err("refused");
            let message = refused.message().to_owned();
            assert!(message.starts_with("config.forward_headers"), "{message}");
        }
    }

    #[test]
    fn a_partial_upsert_keeps_what_it_does_not_name() {
        let config = json!({"rate_limit": 5, "rate_limit_period": "minute", "http_method": "put",
                            "path_forwarding_disabled": true});
        let kept = over(Some(&plain()), json!({ "config": config })).expect("a destination");
        assert_eq!(kept.rate_limit_period, RatePeriod::Minute);
        assert_eq!(request(&kept).method.as_deref(), Some("PUT"));
        let again = over(Some(&kept), json!({"name": "d", "description": "x"}));
        let expected = Destination {
            description: Some("x".into()),
            ..kept
        };
        assert_eq!(again, Ok(expected));
    }

    #[test]
    fn a_private_address_is_refused_unless_the_operator_named_its_network() {
        let at = |url: &str| over(None, json!({"name": "d", "config": {"url": url}}));
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.2.0.1]/",
            "http://169.254.169.254/latest",
        ] {
            let error = at(url).expect_err(url);
            assert!(error.message().starts_with("config.url: "), "{error}");
        }
        assert!(at("http://10.1.2.3:9000/").is_ok() && at("https://1.1.1.1/").is_ok());
    }

    #[test]
    fn null_takes_a_limit_away() {
        let limited = Destination {
            rate_limit: Some(3),
            ..plain()
        };
        let config = json!({"rate_limit": null, "http_method": null});
        let free = over(Some(&limited), json!({ "config": config })).expect("a destination");
        assert_eq!(free.rate_limit, None);
    }

    #[test]
    fn bad_fields_are_named() {
        let config = |config: Value| json!({"name": "d", "config": config});
        let with = |key: &str, value: Value| {
            let mut all = json!({"url": "https://a.example"});
            all[key] = value;
            config(all)
        };
        for (body, field) in [
            (json!({"name": "d"}), "config.url"),
            (config(json!({"url": ""})), "config.url"),
            (config(json!({"url": "ftp://a.example"})), "config.url"),
            (config(json!({"url": "https://"})), "config.url"),
            (config(json!({"url": "http://u:p@a.example"})), "config.url"),
            (config(json!({"url": "http://a.example/#f"})), "config.url"),
            (json!({"name": "d", "type": "SQS"}), "type"),
            (with("rate_limit", json!(0)), "config.rate_limit"),
            (with("rate_limit", json!("5")), "config.rate_limit"),
            (
                with("rate_limit_period", json!("day")),
                "config.rate_limit_period",
            ),
            (with("http_method", json!("BREW")), "config.http_method"),
            (
                with("auth_type", json!("BEARER_TOKEN")),
                "config.auth.token",
            ),
            (config(json!({"url": "http://1.1.1.1/"})), "config.url"),
            (config(json!({"url": "https://a.example:22"})), "config.url"),
            (with("timeout_ms", json!(999)), "config.timeout_ms"),
            (with("timeout_ms", json!(120_001)), "config.timeout_ms"),
            (with("headers", json!([])), "config.headers"),
            (with("headers", json!({"Host": "x"})), "config.headers.Host"),
            (
                with("headers", json!({"x-a": "b\r\nx-c: d"})),
                "config.headers.x-a",
            ),
            (with("headers", json!({"x-a": 5})), "config.headers.x-a"),
            (
                with("headers", json!({"x-a": "1", "X-A": "2"})),
                "config.headers",
            ),
            (
                with("ca_certificates", json!("x")),
                "config.ca_certificates",
            ),
            (
                with("auth", json!({"signing_secret": "whsec_AAAA"})),
                "config.auth.signing_secret",
            ),
        ] {
            let error = over(None, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
