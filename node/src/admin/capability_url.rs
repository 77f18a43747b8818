//! URLs that are worth as much as a secret: whoever knows one may write where it leads (Slack, Teams, Discord and others).

use url::Url;

const HIDDEN: &str = "redacted";
/// Letters and digits without a break that nobody types: a token.
const TOKEN_MIN: usize = 16;
/// Where the whole path is the secret.
const KNOWN: [&str; 8] = [
    "hooks.slack.com",
    "hooks.slack-gov.com",
    "discord.com",
    "discordapp.com",
    "hooks.zapier.com",
    "webhook.office.com",
    "logic.azure.com",
    "chat.googleapis.com",
];

/// The URL without what may be a secret in it: all behind the host where that is known to be one, else what looks like a
/// token, and the values of the query.
pub(super) fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return HIDDEN.to_owned();
    };
    let host = url.host_str().unwrap_or_default();
    let is_known = KNOWN
        .iter()
        .any(|known| host == *known || host.ends_with(&format!(".{known}")));
    let path = url.path();
    if !is_known && url.query().is_none() && !path.split('/').any(is_token) {
        return text.to_owned();
    }
    let path: Vec<&str> = match is_known {
        true => vec!["", HIDDEN],
        false => path
            .split('/')
            .map(|segment| if is_token(segment) { HIDDEN } else { segment })
            .collect(),
    };
    let path = path.join("/");
    url.set_path(&path);
    if url.query().is_some() {
        let names: Vec<String> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        let mut pairs = url.query_pairs_mut();
        pairs.clear();
        for name in names {
            pairs.append_pair(if is_token(&name) { HIDDEN } else { &name }, HIDDEN);
        }
    }
    url.into()
}

fn is_token(segment: &str) -> bool {
    let mut runs =
        segment.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_' || sign == '-'));
    runs.any(|run| run.len() >= TOKEN_MIN && run.bytes().any(|sign| sign.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_channel_is_not_shown() {
        for (url, expected) in [
            (
                "https://hooks.slack.com/services/T0/B0/s3cr3t42",
                "https://hooks.slack.com/redacted",
            ),
            (
                "https://acme.webhook.office.com/webhookb2/a@b/c",
                "https://acme.webhook.office.com/redacted",
            ),
            (
                "https://chat.acme.example/hooks/xo3f9k2m7q8r1t5y6u",
                "https://chat.acme.example/hooks/redacted",
            ),
            (
                "https://a.example/told?key=abc&v=1",
                "https://a.example/told?key=redacted&v=redacted",
            ),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn a_plain_url_is_shown_as_it_was_given() {
        for url in [
            "https://a.example",
            "https://a.example/",
            "http://127.0.0.1:9000/told",
            "https://a.example/webhooks/issues-of-production",
        ] {
            assert_eq!(shown(url), url);
        }
    }
}
