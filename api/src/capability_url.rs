//! URLs that are worth as much as a secret: whoever knows one may write where it leads. Which part of it is the secret only
//! its maker knows, so no part is shown but where it leads.

use url::{Position, Url};

/// The placeholder for the hidden part of a URL. No URL that was checked holds it.
pub(crate) const HIDDEN: char = '…';
/// Where the first part of the host is the secret.
const SECRET_HOSTS: [&str; 5] = [
    "lambda-url",
    "ngrok-free.app",
    "pipedream.net",
    "requestcatcher.com",
    "webhook.site",
];

/// The URL without what may be a secret in it: its scheme and its host.
pub(crate) fn shown(text: &str) -> String {
    let Ok(url) = Url::parse(text) else {
        return HIDDEN.to_string();
    };
    let host = url.host_str().unwrap_or_default();
    let behind = host.split_once('.').map_or("", |(_, behind)| behind);
    let is_secret = SECRET_HOSTS.iter().any(|known| match *known {
        "lambda-url" => behind.starts_with("lambda-url.") && behind.ends_with(".on.aws"),
        known => behind == known || behind.ends_with(&format!(".{known}")),
    });
    let host = match is_secret {
        true => format!("{HIDDEN}.{behind}"),
        false => host.to_owned(),
    };
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let rest = match &url[Position::BeforePath..] {
        plain @ ("" | "/") => plain.to_owned(),
        _ => format!("/{HIDDEN}"),
    };
    format!("{}://{host}{port}{rest}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_where_it_leads_is_shown() {
        for (url, expected) in [
            (
                "https://hooks.slack.com/services/T0/B0/s3cr3t42",
                "https://hooks.slack.com/…",
            ),
            ("https://ntfy.sh/mytopic-a8Zk3", "https://ntfy.sh/…"),
            (
                "https://maker.ifttt.com/trigger/x/with/key/abcdefghijklmn",
                "https://maker.ifttt.com/…",
            ),
            (
                "https://chat.example:8443/hooks/5f3a/abcDEF123",
                "https://chat.example:8443/…",
            ),
            (
                "https://outlook.office.com/webhook/1",
                "https://outlook.office.com/…",
            ),
            ("https://a.example/?key=abc", "https://a.example/…"),
            ("https://a.example/#abc", "https://a.example/…"),
            (
                "https://eo1abc2def3.m.pipedream.net",
                "https://….m.pipedream.net/",
            ),
            (
                "https://abc.lambda-url.us-east-1.on.aws/x",
                "https://….lambda-url.us-east-1.on.aws/…",
            ),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn a_host_alone_is_shown_as_it_was_given() {
        for url in ["https://a.example/", "http://127.0.0.1:9000/"] {
            assert_eq!(shown(url), url);
        }
    }
}
