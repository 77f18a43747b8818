//! A destination as clients name it: a body over what is kept becomes the destination afterwards.

use super::{
    api_error::ApiError,
    body::{Fields, Given},
    names,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use ipnet::IpNet;
use model::{
    catalog::{Catalog, Destination, RatePeriod, Secret},
    ids::DestinationId,
    policy::egress,
    time::Timestamp,
};
use std::{net::IpAddr, sync::Arc};
use url::{Host, Url};

const MAX_URL: usize = 2048;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const SECRET_PREFIX: &str = "whsec_";

/// What only the caller knows: the id and the signing key that a new destination gets, and the operator's private networks.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) id: DestinationId,
    pub(super) key: [u8; 32],
    pub(super) allowed: Vec<IpNet>,
}

impl Fresh {
    fn secret(&self) -> Secret {
        Secret::new(format!(
            "{SECRET_PREFIX}{}",
            BASE64_STANDARD.encode(self.key)
        ))
    }
}

/// The destination after a body was applied to the kept one, or a new one. What the body does not name stays as it is.
pub(super) fn read(
    fields: &Fields<'_>,
    kept: Option<&Destination>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Destination, ApiError> {
    match fields.text("type", 64)? {
        Given::Absent | Given::Value("HTTP") => {}
        _ => return Err(fields.invalid("type", "expected HTTP, the only type in this version")),
    }
    let empty = serde_json::Map::new();
    let config = match fields.object("config")?.value() {
        Some(config) => config,
        None => Fields::over(fields.path("config"), &empty),
    };
    let forwarding_disabled = config.flag("path_forwarding_disabled")?;
    let (rate_limit, rate_limit_period) = read_pace(&config, kept)?;
    Ok(Destination {
        id: kept.map_or(fresh.id, |kept| kept.id),
        name: names::required(fields, kept.map(|kept| kept.name.as_str()))?,
        description: names::description(fields, kept.and_then(|k| k.description.clone()))?,
        url: read_url(&config, kept, &fresh.allowed)?,
        http_method: read_method(&config, kept)?,
        path_forwarding: match forwarding_disabled {
            Given::Value(disabled) => !disabled,
            Given::Null => true,
            Given::Absent => kept.is_none_or(|kept| kept.path_forwarding),
        },
        rate_limit,
        rate_limit_period,
        signing_secret: read_secret(&config, kept)?.unwrap_or_else(|| fresh.secret()),
        disabled_at: kept.and_then(|kept| kept.disabled_at),
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    })
}

/// Destinations are few beside events, and changes of them rarer: a walk finds a name.
pub(super) fn named<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Arc<Destination>> {
    catalog
        .destinations
        .values()
        .find(|known| known.name == name)
}

/// Refuses a name that another destination has.
pub(super) fn check_name(catalog: &Catalog, destination: &Destination) -> Result<(), ApiError> {
    match named(catalog, &destination.name) {
        Some(other) if other.id != destination.id => Err(ApiError::invalid(
            "name",
            format!(
                "the destination {} is named {:?} already",
                other.id, other.name
            ),
        )),
        _ => Ok(()),
    }
}

fn read_url(
    config: &Fields<'_>,
    kept: Option<&Destination>,
    allowed: &[IpNet],
) -> Result<String, ApiError> {
    let text = match (config.text("url", MAX_URL)?, kept) {
        (Given::Value(text), _) => text,
        (Given::Absent, Some(kept)) => return Ok(kept.url.clone()),
        _ => return Err(config.invalid("url", "expected an http or https URL")),
    };
    check_url(text, allowed).map_err(|reason| config.invalid("url", reason))?;
    Ok(text.to_owned())
}

/// What can be told of a URL without asking anyone. Where its host leads is checked again at every attempt.
pub(super) fn check_url(text: &str, allowed: &[IpNet]) -> Result<(), String> {
    let url =
        Url::parse(text).map_err(|error| format!("expected an http or https URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected an http or https URL".into());
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    if let Some(address) = literal
        && !egress::may_connect(address, allowed)
    {
        return Err(format!(
            "expected an address that is global or in delivery.allow_private_networks, got {address}"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected no user name or password in it".into());
    }
    if url.fragment().is_some() {
        return Err("expected no fragment in it".into());
    }
    Ok(())
}

fn read_method(
    config: &Fields<'_>,
    kept: Option<&Destination>,
) -> Result<Option<String>, ApiError> {
    let given = config.text("http_method", 16)?;
    let given = given.map(str::to_ascii_uppercase);
    match given {
        Given::Value(method) if !METHODS.contains(&method.as_str()) => {
            let expected = format!("expected one of {}", METHODS.join(", "));
            Err(config.invalid("http_method", expected))
        }
        given => Ok(given.or_kept(kept.and_then(|kept| kept.http_method.clone()))),
    }
}

fn read_pace(
    config: &Fields<'_>,
    kept: Option<&Destination>,
) -> Result<(Option<u32>, RatePeriod), ApiError> {
    let limit = config.whole("rate_limit", 1, u64::from(u32::MAX))?;
    let limit = limit.map(|limit| limit as u32);
    let period = match config.text("rate_limit_period", 16)? {
        Given::Value("second") => Given::Value(RatePeriod::Second),
        Given::Value("minute") => Given::Value(RatePeriod::Minute),
        Given::Value("hour") => Given::Value(RatePeriod::Hour),
        Given::Value("concurrent") => Given::Value(RatePeriod::Concurrent),
        Given::Value(_) => {
            let expected = "expected second, minute, hour or concurrent";
            return Err(config.invalid("rate_limit_period", expected));
        }
        Given::Null => Given::Null,
        Given::Absent => Given::Absent,
    };
    let limit = limit.or_kept(kept.and_then(|kept| kept.rate_limit));
    let period = period.or_kept(kept.map(|kept| kept.rate_limit_period));
    Ok((limit, period.unwrap_or(RatePeriod::Second)))
}

/// A signing secret that the operator brings. None: the fresh one.
fn read_secret(
    config: &Fields<'_>,
    kept: Option<&Destination>,
) -> Result<Option<Secret>, ApiError> {
    match config.text("auth_type", 64)? {
        // What clients call the gateway's own signature is Standard Webhooks here.
        Given::Absent | Given::Null | Given::Value("HOOKDECK_SIGNATURE") => {}
        Given::Value(other) => {
            return Err(ApiError::not_available(&format!(
                "{}: {other}",
                config.path("auth_type")
            )));
        }
    }
    let kept = kept.map(|kept| kept.signing_secret.clone());
    let Some(auth) = config.object("auth")?.value() else {
        return Ok(kept);
    };
    let Some(secret) = auth.text("signing_secret", 256)?.value() else {
        return Ok(kept);
    };
    let key = secret
        .strip_prefix(SECRET_PREFIX)
        .and_then(|key| BASE64_STANDARD.decode(key).ok())
        .filter(|key| (24..=64).contains(&key.len()));
    match key {
        Some(_) => Ok(Some(Secret::new(secret.to_owned()))),
        None => Err(auth.invalid(
            "signing_secret",
            "expected whsec_ and the base64 of 24 to 64 random bytes",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::body::Body;
    use serde_json::{Value, json};

    fn over(kept: Option<&Destination>, body: Value) -> Result<Destination, ApiError> {
        let fresh = Fresh {
            id: DestinationId(1),
            key: [7; 32],
            allowed: vec!["10.1.0.0/16".parse().expect("a network")],
        };
        read(&Body::of(body).fields(), kept, &fresh, Timestamp(7))
    }

    fn plain() -> Destination {
        let config = json!({"url": "https://example.com/hook"});
        over(None, json!({"name": "d", "config": config})).expect("a destination")
    }

    #[test]
    fn a_fresh_destination_signs_with_a_secret_of_its_own() {
        let secret = plain().signing_secret;
        let key = secret.reveal().strip_prefix("whsec_").expect("the prefix");
        assert_eq!(BASE64_STANDARD.decode(key).expect("base64"), [7; 32]);
    }

    #[test]
    fn a_partial_upsert_keeps_what_it_does_not_name() {
        let config = json!({"rate_limit": 5, "rate_limit_period": "minute", "http_method": "put",
                            "path_forwarding_disabled": true});
        let kept = over(Some(&plain()), json!({ "config": config })).expect("a destination");
        assert_eq!(kept.rate_limit_period, RatePeriod::Minute);
        assert_eq!(kept.http_method.as_deref(), Some("PUT"));
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
        assert!(at("http://10.1.2.3:9000/").is_ok() && at("http://1.1.1.1/").is_ok());
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
            let mut all = json!({"url": "http://a.example"});
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
            (json!({"name": "d", "type": "CLI"}), "type"),
            (with("rate_limit", json!(0)), "config.rate_limit"),
            (with("rate_limit", json!("5")), "config.rate_limit"),
            (
                with("rate_limit_period", json!("day")),
                "config.rate_limit_period",
            ),
            (with("http_method", json!("BREW")), "config.http_method"),
            (with("auth_type", json!("BEARER_TOKEN")), "config.auth_type"),
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
