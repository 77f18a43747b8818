//! A destination's certificates, as clients name them. They are tried when they are given: a delivery must not be the
//! first to find that a key is another certificate's.

use super::destination::Fresh;
use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::{
    catalog::{Secret, Tls},
    policy::certificate,
    time::Timestamp,
};

const MAX_CERTIFICATES: usize = 64 * 1024;
const MAX_KEY: usize = 16 * 1024;

/// An error about certificates that were tried: the field, and what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub field: &'static str,
    pub expected: String,
}

/// The certificates after a body was applied to the kept ones.
pub fn read(
    config: &Fields<'_>,
    kept: Option<&Tls>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Tls, Problem> {
    let plain = Tls::default();
    let kept = kept.unwrap_or(&plain);
    let pem = |key: &str, kept: &Option<String>| -> Result<Option<String>, Problem> {
        let given = config.text(key, MAX_CERTIFICATES)?.map(str::to_owned);
        Ok(given.or_kept(kept.clone()))
    };
    let client_certificate = pem("client_certificate", &kept.client_certificate)?;
    let key = config.text("client_key", MAX_KEY)?;
    let client_key = match (&client_certificate, key) {
        // The key goes with its certificate.
        (None, Given::Absent) => None,
        (_, key) => key
            .map(|key| Secret::new(key.to_owned()))
            .or_kept(kept.client_key.clone()),
    };
    let read = Tls {
        ca_certificates: pem("ca_certificates", &kept.ca_certificates)?,
        client_certificate,
        client_key,
    };
    if read != *kept {
        check(config, &read, fresh, now)?;
    }
    Ok(read)
}

fn check(config: &Fields<'_>, read: &Tls, fresh: &Fresh, now: Timestamp) -> Result<(), Problem> {
    (fresh.try_tls)(read).map_err(|unusable| config.invalid(unusable.field, unusable.expected))?;
    let ends_at = read.client_certificate.as_deref().map(certificate::ends_at);
    match ends_at {
        Some(Some(ends_at)) if ends_at <= now => Err(config.invalid(
            "client_certificate",
            "expected a certificate that has not expired",
        )),
        _ => Ok(()),
    }
}
