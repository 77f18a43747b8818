//! URLs that admins write down: of destinations, servers of tokens and channels.

use http::Uri;
use model::policy::{destination_url, egress::Reach};
use url::{Host, Url};

/// A URL as it is kept. A host in another script is kept as the name that it stands for; where a name leads is judged at
/// every connect.
pub(crate) fn checked_url(text: &str, reach: &Reach) -> Result<String, String> {
    let unreadable =
        |error: &dyn std::fmt::Display| format!("expected an http or https URL: {error}");
    let parsed = Url::parse(text).map_err(|error| unreadable(&error))?;
    let text = match parsed.host() {
        Some(Host::Domain(_)) if !text.is_ascii() => parsed.as_str(),
        _ => text,
    };
    destination_url::check(text, reach)?;
    text.parse::<Uri>().map_err(|error| unreadable(&error))?;
    Ok(text.to_owned())
}
