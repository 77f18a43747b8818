//! Twilio: the URL and the sorted form, or the URL alone and the digest of the body in its query.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    digest::Digest,
    encoding::Encoding,
    proven::Proven,
    signed::{Checked, try_secrets},
    template::sorted_form,
};

const SIGNATURE: &str = "x-twilio-signature";
const BODY_DIGEST: &str = "bodySHA256";

pub(in super::super) const WORDS: &str = "HMAC-SHA1 of `{url}{form}`, base64 in header x-twilio-signature; for other \
    bodies query field bodySHA256 is their hex SHA256";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let claimed = Encoding::Base64.decode(facts.header(SIGNATURE)?);
    let malformed = || Diagnosis::malformed(format!("header {SIGNATURE}"));
    let claimed = [claimed.ok_or_else(malformed)?];
    let form = if facts.is_form() {
        sorted_form(facts)?
    } else {
        String::new()
    };
    let mut found = None;
    for url in with_and_without_port(facts.url) {
        let place = try_secrets(context, &claimed, |secret| {
            Ok(Digest::Sha1.hmac(secret.as_bytes()).map(|mut sum| {
                sum.update(url.as_bytes());
                sum.update(form.as_bytes());
                sum.finish()
            }))
        })?;
        found = found.or(place);
    }
    let place = found.ok_or(Diagnosis::Mismatch)?;
    if !facts.is_form() && !facts.body.is_empty() {
        let told = facts.url.split_once('?').map_or("", |(_, query)| query);
        let mut told = form_urlencoded::parse(told.as_bytes());
        let digest = told.find(|(name, _)| name == BODY_DIGEST);
        let missing = || Diagnosis::missing(format!("query field {BODY_DIGEST}"));
        let digest = hex::decode(digest.ok_or_else(missing)?.1.as_bytes());
        let mut sum = Digest::Sha256.hash();
        sum.update(facts.body);
        if !sum.finish().is(&digest.unwrap_or_default()) {
            return Err(Diagnosis::BodyChanged("another body".into()).into());
        }
    }
    Ok(Proven::by(Some(place)))
}

/// Twilio leaves the port out or writes it, whatever the registered URL does.
fn with_and_without_port(url: &str) -> [String; 2] {
    let told = url.to_owned();
    let Some((scheme, rest)) = url.split_once("://") else {
        return [told.clone(), told];
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, behind) = rest.split_at(end);
    let other = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) => bare.to_owned(),
        _ if scheme == "http" => format!("{host}:80"),
        _ => format!("{host}:443"),
    };
    [told, format!("{scheme}://{other}{behind}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_url_are_tried() {
        for (url, other) in [
            ("https://a.example/x?y=1", "https://a.example:443/x?y=1"),
            ("http://a.example/x", "http://a.example:80/x"),
            ("https://a.example:1234/x", "https://a.example/x"),
            ("https://a.example", "https://a.example:443"),
        ] {
            assert_eq!(
                with_and_without_port(url),
                [url.to_owned(), other.to_owned()]
            );
        }
    }
}
