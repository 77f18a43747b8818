//! A destination's certificates, as clients name them. They are tried when they are given: a delivery must not be the
//! first to find that a key is another certificate's.

use super::{
    api_error::ApiError,
    body::{Fields, Given},
};
use crate::egress::tls;
use model::{
    catalog::{Secret, Tls},
    policy::certificate,
    time::Timestamp,
};

const MAX_CERTIFICATES: usize = 64 * 1024;
const MAX_KEY: usize = 16 * 1024;

/// The certificates after a body was applied to the kept ones.
pub(super) fn read(
    config: &Fields<'_>,
    kept: Option<&Tls>,
    now: Timestamp,
) -> Result<Tls, ApiError> {
    let plain = Tls::default();
    let kept = kept.unwrap_or(&plain);
    let pem = |key: &str, kept: &Option<String>| -> Result<Option<String>, ApiError> {
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
        check(config, &read, now)?;
    }
    Ok(read)
}

fn check(config: &Fields<'_>, read: &Tls, now: Timestamp) -> Result<(), ApiError> {
    tls::of(read).map_err(|unusable| config.invalid(unusable.field, unusable.expected))?;
    let ends_at = read.client_certificate.as_deref().map(certificate::ends_at);
    match ends_at {
        Some(Some(ends_at)) if ends_at <= now => Err(config.invalid(
            "client_certificate",
            "expected a certificate that has not expired",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::body::Body;
    use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn over(kept: Option<&Tls>, body: Value) -> Result<Tls, ApiError> {
        Body::of(body).read(|fields| read(fields, kept, NOW))
    }

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["client".to_owned()]).expect("a certificate");
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_comes_with_its_key_and_goes_with_it() {
        let (certificate, key) = pair();
        let both = json!({"client_certificate": certificate, "client_key": key});
        let kept = over(None, both).expect("they belong together");
        // Clients that read the destination back send no key.
        let again = over(Some(&kept), json!({"client_certificate": certificate}));
        assert_eq!(again, Ok(kept.clone()));
        let gone = over(Some(&kept), json!({"client_certificate": null}));
        assert_eq!(gone, Ok(Tls::default()));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_field() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        let mut params = CertificateParams::new(["client".to_owned()]).expect("params");
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let expired_key = KeyPair::generate().expect("a key");
        let expired = params
            .self_signed(&expired_key)
            .expect("a certificate")
            .pem();
        for (body, field) in [
            (json!({"client_certificate": certificate}), "client_key"),
            (json!({"client_key": key}), "client_certificate"),
            (
                json!({"client_certificate": certificate, "client_key": other}),
                "client_key",
            ),
            (
                json!({"client_certificate": certificate, "client_key": "x"}),
                "client_key",
            ),
            (
                json!({"client_certificate": "x", "client_key": key}),
                "client_certificate",
            ),
            (
                json!({"client_certificate": expired, "client_key": expired_key.serialize_pem()}),
                "client_certificate",
            ),
            (json!({"ca_certificates": "x"}), "ca_certificates"),
            (json!({"ca_certificates": key}), "ca_certificates"),
        ] {
            let error = over(None, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{field}: {error}"
            );
            assert!(!error.message().contains("PRIVATE"), "{error}");
        }
    }
}
