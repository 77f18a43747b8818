//! Tries a destination's certificates as a delivery would.

use crate::egress::tls;
use api::input::destination_tls::Unusable;
use model::catalog::Tls;

/// Whether deliveries could be made with these certificates.
pub(super) fn usable(read: &Tls) -> Result<(), Unusable> {
    match tls::of(read) {
        Ok(_) => Ok(()),
        Err(unusable) => Err(Unusable {
            field: unusable.field,
            expected: unusable.expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        body::Body,
        input::{destination::Fresh, destination_tls},
        problem::Problem,
    };
    use model::{ids::DestinationId, policy::egress::Reach, time::Timestamp};
    use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn over(kept: Option<&Tls>, body: Value) -> Result<Tls, Problem> {
        let fresh = Fresh {
            id: DestinationId(1),
            key: [0; 32],
            reach: Reach::default(),
            try_tls: usable,
        };
        Body::of(body).read(|fields| destination_tls::read(fields, kept, &fresh, NOW))
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
