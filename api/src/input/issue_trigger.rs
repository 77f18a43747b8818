//! An issue trigger as clients name it: a body over what is kept becomes the trigger afterwards.

use crate::{
    body::{Fields, Given, SHOWN},
    capability_url,
    checked_url::checked_url,
    choice, names,
    problem::Problem,
    times,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{
    catalog::{
        Catalog, Causes, Channels, Chosen, IssueTrigger, Secret, SlackChannel, Star, Watched,
        WebhookChannel,
    },
    ids::IssueTriggerId,
    policy::egress::Reach,
    time::Timestamp,
    traffic::{IssueType, LogLevel, RejectionCause, Strategy},
};
use serde::Deserialize;
use serde_json::Value;

/// Triggers of a cluster.
pub const TRIGGERS_MAX: usize = 255;
const MAX_NAME: usize = 255;
const MAX_URL: usize = 2048;
const SECRET_PREFIX: &str = "whsec_";
/// Channels of the API that are no HTTP endpoint of the operator's, or need an account elsewhere.
const ELSEWHERE: [&str; 6] = [
    "microsoft_teams",
    "discord",
    "betteruptime",
    "pagerduty",
    "opsgenie",
    "email",
];

/// The values that only the caller can provide: the id and the signing key that a new trigger gets, and the operator's
/// private networks.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub id: IssueTriggerId,
    pub key: [u8; 32],
    pub reach: Reach,
}

/// The trigger after a body was applied to the kept one, or a new one. What the body does not name stays as it is.
pub fn read(
    fields: &Fields<'_>,
    kept: Option<&IssueTrigger>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<IssueTrigger, Problem> {
    let watched = read_watched(fields, kept)?;
    let channels = read_channels(fields, kept.map(|kept| &kept.channels), fresh)?;
    let disabled_at = read_disabled(fields, kept)?;
    let name = read_name(fields)?.or_kept(kept.and_then(|kept| kept.name.clone()));
    fields.pass_over(&[&SHOWN, &["deleted_at"]]);
    let goes_on = kept.filter(|kept| {
        let enabled = kept.disabled_at.is_some() && disabled_at.is_none();
        kept.watched == watched && !enabled
    });
    Ok(IssueTrigger {
        id: kept.map_or(fresh.id, |kept| kept.id),
        name,
        watched,
        channels,
        // A change holds for what is seen from now on.
        live_since: goes_on.map_or(now, |kept| kept.live_since),
        disabled_at,
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    })
}

/// A trigger's name is any text: clients write sentences there.
pub fn read_name(fields: &Fields<'_>) -> Result<Given<String>, Problem> {
    let given = fields.text("name", MAX_NAME)?.map(str::to_owned);
    if matches!(&given, Given::Value(name) if name.trim().is_empty()) {
        return Err(fields.invalid("name", "expected a name, or null"));
    }
    Ok(given)
}

/// Triggers are few: a walk finds a name.
pub fn named<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a IssueTrigger> {
    let mut triggers = catalog.issue_triggers.values();
    let found = triggers.find(|known| known.name.as_deref() == Some(name));
    found.map(AsRef::as_ref)
}

/// Refuses a name that another trigger has, and one trigger too many.
pub fn check(catalog: &Catalog, trigger: &IssueTrigger) -> Result<(), Problem> {
    let is_new = !catalog.issue_triggers.contains_key(&trigger.id);
    if is_new && catalog.issue_triggers.len() >= TRIGGERS_MAX {
        let expected = format!("there are {TRIGGERS_MAX} issue triggers already; delete one first");
        return Err(Problem::unprocessable(expected));
    }
    let other = trigger
        .name
        .as_deref()
        .and_then(|name| named(catalog, name));
    match other {
        Some(other) if other.id != trigger.id => {
            let taken = format!("the issue trigger {} has this name already", other.id);
            Err(Problem::invalid("name", taken))
        }
        _ => Ok(()),
    }
}

fn read_disabled(
    fields: &Fields<'_>,
    kept: Option<&IssueTrigger>,
) -> Result<Option<Timestamp>, Problem> {
    Ok(match fields.text("disabled_at", 64)? {
        Given::Absent => kept.and_then(|kept| kept.disabled_at),
        Given::Null => None,
        Given::Value(text) => Some(times::read(&fields.path("disabled_at"), text)?),
    })
}

/// One of an enum's names.
fn choice<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    choice::read(text).ok()
}

fn read_watched(fields: &Fields<'_>, kept: Option<&IssueTrigger>) -> Result<Watched, Problem> {
    const EXPECTED: &str = "expected delivery, transformation, backpressure or request";
    let kept_type = kept.map(|kept| kept.watched.issue_type());
    let issue_type: IssueType = match (fields.text("type", 32)?, kept_type) {
        (Given::Value(text), _) => choice(text).ok_or_else(|| fields.invalid("type", EXPECTED))?,
        (Given::Absent, Some(kept)) => kept,
        _ => return Err(fields.invalid("type", EXPECTED)),
    };
    // What is not said of it stays, or is as it is by default.
    let before = kept
        .filter(|kept| kept.watched.issue_type() == issue_type)
        .map_or_else(
            || Watched::default_of(issue_type),
            |kept| kept.watched.clone(),
        );
    match fields.object("configs")? {
        Given::Absent => Ok(before),
        Given::Null => Ok(Watched::default_of(issue_type)),
        Given::Value(configs) => read_configs(&configs, before),
    }
}

fn read_configs(configs: &Fields<'_>, before: Watched) -> Result<Watched, Problem> {
    let over = |kept: Chosen, key: &str| read_chosen(configs, key, kept);
    Ok(match before {
        Watched::Delivery {
            strategy,
            connections,
        } => Watched::Delivery {
            strategy: read_strategy(configs)?.unwrap_or(strategy),
            connections: over(connections, "connections")?,
        },
        Watched::Transformation {
            log_level,
            transformations,
        } => Watched::Transformation {
            log_level: read_level(configs)?.unwrap_or(log_level),
            transformations: over(transformations, "transformations")?,
        },
        Watched::Backpressure {
            delay,
            destinations,
        } => {
            let (least, most) = Watched::DELAY_MS;
            Watched::Backpressure {
                delay: configs
                    .whole("delay", least, most)?
                    .value()
                    .unwrap_or(delay),
                destinations: over(destinations, "destinations")?,
            }
        }
        Watched::Request {
            rejection_causes,
            excluded_rejection_causes,
            sources,
        } => Watched::Request {
            rejection_causes: read_causes(configs)?.unwrap_or(rejection_causes),
            excluded_rejection_causes: match configs.list("excluded_rejection_causes")? {
                Given::Absent => excluded_rejection_causes,
                Given::Null => Vec::new(),
                Given::Value(list) => read_cause_list(configs, "excluded_rejection_causes", list)?,
            },
            sources: over(sources, "sources")?,
        },
    })
}

fn read_strategy(configs: &Fields<'_>) -> Result<Option<Strategy>, Problem> {
    let given = configs.text("strategy", 32)?.value();
    let read = |text| {
        let expected = "expected first_attempt or final_attempt";
        choice(text).ok_or_else(|| configs.invalid("strategy", expected))
    };
    given.map(read).transpose()
}

fn read_level(configs: &Fields<'_>) -> Result<Option<LogLevel>, Problem> {
    let given = configs.text("log_level", 32)?.value();
    let read = |text| {
        let expected = "expected debug, info, warn, error or fatal";
        choice(text).ok_or_else(|| configs.invalid("log_level", expected))
    };
    given.map(read).transpose()
}

/// A pattern of names, or a list of ids and names.
fn read_chosen(configs: &Fields<'_>, key: &str, kept: Chosen) -> Result<Chosen, Problem> {
    let expected = || {
        let most = Chosen::LIST_MAX;
        let expected = format!(
            "expected \"*\", a pattern of names such as \"shop-*\", or a list of 1 to {most} ids and names"
        );
        configs.invalid(key, expected)
    };
    let fits =
        |text: &&str| (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(names::is_of_a_name);
    match configs.value(key) {
        Given::Absent | Given::Null => Ok(kept),
        Given::Value(Value::String(pattern)) => {
            let parts = pattern.replace('*', "_");
            if !fits(&parts.as_str()) {
                return Err(expected());
            }
            Ok(Chosen::Pattern(pattern.clone()))
        }
        Given::Value(Value::Array(list)) if (1..=Chosen::LIST_MAX).contains(&list.len()) => {
            let texts = list
                .iter()
                .map(|one| one.as_str().filter(fits).map(str::to_owned));
            let texts: Option<Vec<_>> = texts.collect();
            texts.map(Chosen::These).ok_or_else(expected)
        }
        Given::Value(_) => Err(expected()),
    }
}

fn read_causes(configs: &Fields<'_>) -> Result<Option<Causes>, Problem> {
    const KEY: &str = "rejection_causes";
    Ok(match configs.value(KEY) {
        Given::Absent | Given::Null => None,
        Given::Value(Value::String(star)) if star == "*" => Some(Causes::All(Star::Star)),
        Given::Value(Value::Array(list)) if !list.is_empty() => {
            Some(Causes::These(read_cause_list(configs, KEY, list)?))
        }
        Given::Value(_) => {
            let expected = "expected \"*\" or a list of rejection causes";
            return Err(configs.invalid(KEY, expected));
        }
    })
}

fn read_cause_list(
    configs: &Fields<'_>,
    key: &str,
    list: &[Value],
) -> Result<Vec<RejectionCause>, Problem> {
    let read = |value: &Value| {
        value.as_str().and_then(choice).ok_or_else(|| {
            let expected =
                format!("expected rejection causes such as VERIFICATION_FAILED, got {value}");
            configs.invalid(key, expected)
        })
    };
    list.iter().map(read).collect()
}

/// Channels replace channels; a secret that is not given with its channel stays.
fn read_channels(
    fields: &Fields<'_>,
    kept: Option<&Channels>,
    fresh: &Fresh,
) -> Result<Channels, Problem> {
    let channels = match fields.object("channels")? {
        Given::Absent => return Ok(kept.cloned().unwrap_or_default()),
        Given::Null => return Ok(Channels::default()),
        Given::Value(channels) => channels,
    };
    for key in channels.keys() {
        if ELSEWHERE.contains(&key.as_str()) {
            let named = format!("{}: this channel", channels.path(key));
            return Err(Problem::not_available(&named));
        }
        if key != "webhook" && key != "slack" {
            return Err(channels.invalid(key, "expected webhook or slack"));
        }
    }
    let webhook = channels.object("webhook")?.value();
    let slack = channels.object("slack")?.value();
    Ok(Channels {
        webhook: webhook
            .map(|webhook| read_webhook(&webhook, kept.and_then(|k| k.webhook.as_ref()), fresh))
            .transpose()?,
        slack: slack
            .map(|slack| read_slack(&slack, kept.and_then(|k| k.slack.as_ref()), fresh))
            .transpose()?,
    })
}

fn read_webhook(
    channel: &Fields<'_>,
    kept: Option<&WebhookChannel>,
    fresh: &Fresh,
) -> Result<WebhookChannel, Problem> {
    let kept_url = kept.map(|kept| kept.url.as_str());
    let url = match channel.text("url", MAX_URL)?.value() {
        // As it was shown: whoever sends that back changes nothing.
        Some(url) if kept_url.is_some_and(|kept| capability_url::shown(kept) == url) => {
            kept_url.unwrap_or_default().to_owned()
        }
        // As another one was shown: nobody can be told there.
        Some(url) if url.contains(capability_url::HIDDEN) => {
            let expected = "expected the whole URL; … stands for what is not shown without include=config.auth";
            return Err(channel.invalid("url", expected));
        }
        Some(url) => checked(channel, "url", url, fresh)?,
        None => kept.map(|kept| kept.url.clone()).ok_or_else(|| {
            channel.invalid("url", "expected the http or https URL that is to be told")
        })?,
    };
    let secret = read_signing_secret(channel)?.or_else(|| kept.map(|k| k.signing_secret.clone()));
    Ok(WebhookChannel {
        url,
        signing_secret: secret.unwrap_or_else(|| {
            Secret::new(format!(
                "{SECRET_PREFIX}{}",
                BASE64_STANDARD.encode(fresh.key)
            ))
        }),
    })
}

fn read_slack(
    channel: &Fields<'_>,
    kept: Option<&SlackChannel>,
    fresh: &Fresh,
) -> Result<SlackChannel, Problem> {
    let url = match channel.text("webhook_url", MAX_URL)?.value() {
        Some(url) => Secret::new(checked(channel, "webhook_url", url, fresh)?),
        None => kept.map(|kept| kept.webhook_url.clone()).ok_or_else(|| {
            channel.invalid(
                "webhook_url",
                "expected the URL of one of Slack's incoming webhooks",
            )
        })?,
    };
    let name = channel.text("channel_name", MAX_NAME)?.value();
    let name = name.map(str::to_owned);
    Ok(SlackChannel {
        channel_name: name
            .or_else(|| kept.map(|kept| kept.channel_name.clone()))
            .unwrap_or_default(),
        webhook_url: url,
    })
}

fn checked(channel: &Fields<'_>, key: &str, url: &str, fresh: &Fresh) -> Result<String, Problem> {
    checked_url(url, &fresh.reach).map_err(|reason| channel.invalid(key, reason))
}

/// A signing secret that the operator brings.
fn read_signing_secret(channel: &Fields<'_>) -> Result<Option<Secret>, Problem> {
    let Some(secret) = channel.text("signing_secret", 256)?.value() else {
        return Ok(None);
    };
    let key = secret
        .strip_prefix(SECRET_PREFIX)
        .and_then(|key| BASE64_STANDARD.decode(key).ok());
    if key.is_some_and(|key| (24..=64).contains(&key.len())) {
        return Ok(Some(Secret::new(secret.to_owned())));
    }
    let expected = "expected whsec_ and the base64 of 24 to 64 random bytes";
    Err(channel.invalid("signing_secret", expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use serde_json::json;

    const NOW: Timestamp = Timestamp(7);

    fn over(kept: Option<&IssueTrigger>, body: Value) -> Result<IssueTrigger, Problem> {
        let fresh = Fresh {
            id: IssueTriggerId(1),
            key: [7; 32],
            reach: Reach::default(),
        };
        Body::of(body).read(|fields| read(fields, kept, &fresh, NOW))
    }

    fn made(body: Value) -> IssueTrigger {
        over(None, body).expect("a trigger")
    }

    #[test]
    fn every_type_has_configs_of_its_own_and_defaults() {
        let plain = |issue_type: &str| made(json!({"type": issue_type, "channels": null})).watched;
        for issue_type in ["delivery", "transformation", "backpressure", "request"] {
            let expected: IssueType = choice(issue_type).expect("a type");
            assert_eq!(plain(issue_type), Watched::default_of(expected));
        }
        let configs = json!({"strategy": "first_attempt", "connections": ["web_1", "orders"]});
        let watched = made(json!({"type": "delivery", "configs": configs})).watched;
        let expected = Watched::Delivery {
            strategy: Strategy::FirstAttempt,
            connections: Chosen::These(vec!["web_1".into(), "orders".into()]),
        };
        assert_eq!(watched, expected);
        let configs = json!({"rejection_causes": ["NO_CONNECTION"], "sources": "prod-*"});
        let watched = made(json!({"type": "request", "configs": configs})).watched;
        let expected = Watched::Request {
            rejection_causes: Causes::These(vec![RejectionCause::NoConnection]),
            excluded_rejection_causes: vec![],
            sources: Chosen::Pattern("prod-*".into()),
        };
        assert_eq!(watched, expected);
    }

    #[test]
    fn a_partial_update_keeps_what_it_does_not_name() {
        let channels = json!({
            "webhook": {"url": "https://a.example/"},
            "slack": {"channel_name": "ops", "webhook_url": "https://hooks.slack.example/x"},
        });
        let configs = json!({"delay": 120_000, "destinations": ["sink"]});
        let kept = made(
            json!({"type": "backpressure", "name": "late", "configs": configs, "channels": channels}),
        );
        let renamed = over(Some(&kept), json!({"name": "later"})).expect("a trigger");
        let expected = IssueTrigger {
            name: Some("later".into()),
            ..kept.clone()
        };
        assert_eq!(renamed, expected);
        // What a client saw and puts back has no secrets in it.
        let shown = json!({"channels": {"slack": {"channel_name": "alerts"}}});
        let slack = over(Some(&kept), shown).expect("a trigger").channels;
        let channel = slack.slack.expect("slack");
        assert_eq!(
            channel.webhook_url.reveal(),
            "https://hooks.slack.example/x"
        );
        assert_eq!(
            (channel.channel_name.as_str(), slack.webhook),
            ("alerts", None)
        );
    }

    #[test]
    fn a_webhook_without_a_secret_gets_one_and_keeps_it() {
        let body =
            json!({"type": "delivery", "channels": {"webhook": {"url": "https://a.example/"}}});
        let kept = made(body);
        let secret = kept
            .channels
            .webhook
            .clone()
            .expect("a webhook")
            .signing_secret;
        let key = secret.reveal().strip_prefix("whsec_").expect("the prefix");
        assert_eq!(BASE64_STANDARD.decode(key).expect("base64"), [7; 32]);
        let moved = json!({"channels": {"webhook": {"url": "https://b.example/"}}});
        let moved = over(Some(&kept), moved)
            .expect("a trigger")
            .channels
            .webhook;
        let moved = moved.expect("a webhook");
        assert_eq!(
            (moved.url.as_str(), moved.signing_secret),
            ("https://b.example/", secret)
        );
    }

    #[test]
    fn a_url_that_is_sent_back_as_it_was_shown_stays_and_serves_no_other_channel() {
        let told = |url: &str| json!({"channels": {"webhook": {"url": url}}});
        let mut body = told("https://hooks.slack.example/T0/s3cr3t");
        body["type"] = json!("delivery");
        let kept = made(body);
        let shown = told("https://hooks.slack.example/…");
        let again = over(Some(&kept), shown.clone()).expect("as it was shown");
        assert_eq!(again.channels, kept.channels);
        let other = over(Some(&kept), told("https://b.example/…")).expect_err("another");
        let mut fresh = shown;
        fresh["type"] = json!("delivery");
        let new = over(None, fresh).expect_err("nothing is kept");
        for error in [other, new] {
            let begins = "channels.webhook.url: expected the whole URL";
            assert!(error.message().starts_with(begins), "{error}");
        }
    }

    #[test]
    fn what_is_enabled_again_begins_anew() {
        let mut kept = made(json!({"type": "request"}));
        kept.live_since = Timestamp(1);
        let same = over(Some(&kept), json!({})).expect("a trigger");
        assert_eq!(same.live_since, Timestamp(1));
        kept.disabled_at = Some(Timestamp(2));
        let enabled = over(Some(&kept), json!({"disabled_at": null})).expect("a trigger");
        assert_eq!((enabled.disabled_at, enabled.live_since), (None, NOW));
    }

    #[test]
    fn bad_fields_are_named() {
        let of = |issue_type: &str, configs: Value| json!({"type": issue_type, "configs": configs});
        let told = |channels: Value| json!({"type": "delivery", "channels": channels});
        for (body, field) in [
            (json!({}), "type"),
            (json!({"type": "flood"}), "type"),
            (json!({"type": "delivery", "name": " "}), "name"),
            (json!({"type": "delivery", "name": "x".repeat(256)}), "name"),
            (of("delivery", json!([])), "configs"),
            (
                of("delivery", json!({"strategy": "never"})),
                "configs.strategy",
            ),
            (
                of("delivery", json!({"connections": []})),
                "configs.connections",
            ),
            (
                of("delivery", json!({"connections": [1]})),
                "configs.connections",
            ),
            (
                of("delivery", json!({"connections": ["no name!"]})),
                "configs.connections",
            ),
            (
                of("request", json!({"sources": "prod *"})),
                "configs.sources",
            ),
            (
                of("delivery", json!({"connections": vec!["a"; 256]})),
                "configs.connections",
            ),
            (
                of("transformation", json!({"log_level": "loud"})),
                "configs.log_level",
            ),
            (
                of("backpressure", json!({"delay": 59_999})),
                "configs.delay",
            ),
            (
                of("backpressure", json!({"delay": 86_400_001})),
                "configs.delay",
            ),
            (
                of("request", json!({"rejection_causes": "all"})),
                "configs.rejection_causes",
            ),
            (
                of("request", json!({"rejection_causes": ["X"]})),
                "configs.rejection_causes",
            ),
            (
                of("request", json!({"excluded_rejection_causes": ["X"]})),
                "configs.excluded_rejection_causes",
            ),
            (
                json!({"type": "request", "disabled_at": "soon"}),
                "disabled_at",
            ),
            (told(json!({"pigeon": {}})), "channels.pigeon"),
            (told(json!({"email": {}})), "channels.email"),
            (
                told(json!({"webhook": {"url": "https://a.example", "bogus": 1}})),
                "channels.webhook.bogus",
            ),
            (of("delivery", json!({"delay": 60_000})), "configs.delay"),
            (
                told(json!({"slack": {"channel_name": "ops"}})),
                "channels.slack.webhook_url",
            ),
            (told(json!({"webhook": {}})), "channels.webhook.url"),
            (
                told(json!({"webhook": {"url": "http://127.0.0.1/"}})),
                "channels.webhook.url",
            ),
            (
                told(json!({"webhook": {"url": "https://a.example", "signing_secret": "x"}})),
                "channels.webhook.signing_secret",
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
