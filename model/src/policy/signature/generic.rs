//! The generic `HMAC` type: every option of the engine, as the admin sets it.

use super::{
    Context,
    digest::Digest,
    encoding::{Encoding, KeyForm},
    layout::{Layout, Place},
    signed::{Checked, Proof, Signed},
    stamp::{Stamp, StampPlace, Unit},
    template,
};
use crate::catalog::Verification;

/// How far off a signed timestamp may be unless the admin says otherwise.
const TOLERANCE_S: u32 = 300;

pub(super) const WORDS: &str = "HMAC with algorithm, encoding, place, layout, message and timestamp as configured; \
    without those: HMAC-SHA256 of `{body}`, hex";

/// The options of the type, in `config.auth`.
pub(super) const OPTIONS: &[super::Field] = &[
    super::Field::one_of("algorithm", &["sha256", "sha1", "sha512", "sha384", "md5"]),
    super::Field::one_of("encoding", &["hex", "base64", "base64url"]),
    super::Field::optional("header_key"),
    super::Field::optional("query_key"),
    super::Field::optional("form_key"),
    super::Field::optional("json_key"),
    super::Field::optional("prefix"),
    super::Field::optional("separator"),
    super::Field::optional("signature_element"),
    super::Field::optional("timestamp_element"),
    super::Field::optional("timestamp_header_key"),
    super::Field::one_of("timestamp_unit", &["s", "ms", "rfc3339", "http_date"]),
    super::Field::optional("signed_content"),
    super::Field::one_of("secret_form", &["utf8", "hex", "base64", "whsec"]),
];

/// The scheme that a source's options describe.
fn scheme(auth: &Verification) -> Result<Signed<'_>, String> {
    let at = if let Some(name) = auth.field("query_key") {
        Place::Query(name)
    } else if let Some(name) = auth.field("form_key") {
        Place::Form(name)
    } else if let Some(path) = auth.field("json_key") {
        Place::Json(path)
    } else {
        let named = "header_key: expected the name of a header (or query_key, form_key, json_key)";
        Place::Header(auth.field("header_key").ok_or(named)?)
    };
    let prefix = auth.field("prefix").unwrap_or("");
    let separator = auth.field("separator");
    let layout = match (auth.field("signature_element"), separator) {
        (Some(name), separators) => Layout::Pairs {
            separators: separators.unwrap_or(","),
            name,
            sets: None,
        },
        (None, Some(separators)) => Layout::List {
            separator: separators.chars().next().unwrap_or(','),
            prefix,
        },
        (None, None) if prefix.is_empty() => Layout::Plain,
        (None, None) => Layout::Prefix(prefix),
    };
    let message = auth.field("signed_content").unwrap_or("{body}");
    template::validate(message).map_err(|error| format!("signed_content: {error}"))?;
    let place = auth
        .field("timestamp_element")
        .map(StampPlace::Pair)
        .or(auth.field("timestamp_header_key").map(StampPlace::Header));
    let unit = option(auth, "timestamp_unit", "s", Unit::named)?;
    let stamp = place.map(|at| Stamp::new(at, unit, Some(auth.tolerance_s.unwrap_or(TOLERANCE_S))));
    if message.contains("{timestamp}") != stamp.is_some() {
        // A timestamp that is not signed can be refreshed by anyone.
        return Err("signed_content: expected {timestamp} there together with \
                    timestamp_header_key or timestamp_element"
            .into());
    }
    if !message.contains("{body") && !matches!(at, Place::Json(_) | Place::Form(_)) {
        return Err("signed_content: expected {body} in it".into());
    }
    Ok(Signed {
        at,
        layout,
        encoding: option(auth, "encoding", "hex", Encoding::named)?,
        proof: Proof::Hmac(
            option(auth, "algorithm", "sha256", Digest::named)?,
            option(auth, "secret_form", "utf8", KeyForm::named)?,
        ),
        message,
        stamp,
        once: None,
        requires: &[],
    })
}

fn option<T>(
    auth: &Verification,
    name: &str,
    otherwise: &str,
    named: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let value = auth.field(name).unwrap_or(otherwise);
    named(value).ok_or_else(|| format!("{name}: {value:?} is not known"))
}

/// Says what is wrong with a source's options; the text begins with the option's name.
///
/// # Errors
/// The first option that can't be.
pub fn check_options(auth: &Verification) -> Result<(), String> {
    if auth.scheme != "HMAC" {
        return Ok(());
    }
    scheme(auth).map(|_| ())
}

pub(super) fn check(context: &Context<'_>) -> Checked {
    let unfinished = super::Diagnosis::Unfinished;
    scheme(context.auth).map_err(unfinished)?.check(context)
}
