//! Input of a destination's signing secrets and their rotation.

use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::{
    catalog::{Destination, LiveSecret, RequestTemplate, Secret},
    policy::signing::Version,
    time::Timestamp,
};

const MAX_SECRET: usize = 256;
/// Earlier secrets of one kind that may be alive beside the newest.
const EARLIER_MAX: usize = RequestTemplate::OTHER_SECRETS_MAX / 2;
const GRACE_S: u64 = 24 * 3600;
const GRACE_MAX_S: u64 = 30 * 24 * 3600;

/// The newest `v1` secret, and all others.
#[derive(Debug)]
pub struct Signing {
    pub secret: Secret,
    pub others: Vec<LiveSecret>,
}

/// The secrets after a body was applied. `drawn` are random bytes for a new one.
pub fn read(
    config: &Fields<'_>,
    kept: Option<&RequestTemplate>,
    drawn: &[u8; 32],
) -> Result<Signing, Problem> {
    let mut signing = match kept {
        Some(kept) => Signing {
            secret: kept.signing_secret.clone(),
            others: kept.other_secrets.clone(),
        },
        None => Signing {
            secret: Version::V1.fresh(drawn),
            others: Vec::new(),
        },
    };
    if let Some(brought) = brought(config, kept)?
        && brought != signing.secret
    {
        signing.secret = brought;
        // Who sets a secret outright has told the receiver already.
        signing
            .others
            .retain(|other| version(other) == Version::V1a);
    }
    match config.flag("ed25519_signature")? {
        Given::Absent => {}
        Given::Value(true) => {
            if !signing
                .others
                .iter()
                .any(|other| version(other) == Version::V1a)
            {
                let fresh = Version::V1a.fresh(&half(drawn));
                signing.others.push(LiveSecret::new(fresh));
            }
        }
        Given::Value(false) | Given::Null => {
            signing.others.retain(|other| version(other) == Version::V1);
        }
    }
    Ok(signing)
}

/// A secret that the operator brings: `config.auth.signing_secret`, where the signature is all that the destination asks
/// for. With `CUSTOM_SIGNATURE` the field means another one.
fn brought(config: &Fields<'_>, kept: Option<&RequestTemplate>) -> Result<Option<Secret>, Problem> {
    let kept = kept.map(|kept| kept.auth.name());
    let kind = config.text("auth_type", 64)?.or_kept(kept);
    let is_signature = kind.is_none_or(|kind| kind == "HOOKDECK_SIGNATURE");
    let Some(auth) = config.object("auth")?.value().filter(|_| is_signature) else {
        return Ok(None);
    };
    let Some(secret) = auth.text("signing_secret", MAX_SECRET)?.value() else {
        return Ok(None);
    };
    match Version::V1.check(secret) {
        Ok(()) => Ok(Some(Secret::new(secret.to_owned()))),
        Err(expected) => Err(auth.invalid("signing_secret", expected)),
    }
}

/// A new secret; the earlier ones go on signing beside it until a grace has passed.
pub fn rotate(
    fields: &Fields<'_>,
    kept: &Destination,
    drawn: &[u8; 32],
    now: Timestamp,
) -> Result<Destination, Problem> {
    let (kind, fresh) = match fields.text("signature", 8)? {
        Given::Absent | Given::Null | Given::Value("v1") => (Version::V1, Version::V1.fresh(drawn)),
        Given::Value("v1a") => (Version::V1a, Version::V1a.fresh(&half(drawn))),
        Given::Value(_) => return Err(fields.invalid("signature", "expected v1 or v1a")),
    };
    let secret = match fields.text("secret", MAX_SECRET)?.value() {
        None => fresh,
        Some(secret) => {
            let checked = kind.check(secret);
            checked.map_err(|expected| fields.invalid("secret", expected))?;
            Secret::new(secret.to_owned())
        }
    };
    let grace_s = fields.whole("grace_s", 0, GRACE_MAX_S)?.value();
    let end = now.plus_ms(grace_s.unwrap_or(GRACE_S) * 1000);
    let mut destination = kept.clone();
    let Some(request) = destination.kind.request_mut() else {
        let name = kept.kind.name();
        return Err(Problem::unprocessable(format!(
            "deliveries to a destination of the type {name} are not signed"
        )));
    };
    let others = &mut request.other_secrets;
    if kind == Version::V1 {
        others.insert(0, LiveSecret::new(request.signing_secret.clone()));
    } else if !others.iter().any(|other| version(other) == kind) {
        return Err(fields.invalid(
            "signature",
            "the destination has no v1a signature; set config.ed25519_signature first",
        ));
    }
    for other in others.iter_mut().filter(|other| version(other) == kind) {
        other.expires_at = Some(other.expires_at.map_or(end, |own| own.min(end)));
    }
    others.retain(|other| other.is_live(now) && other.secret != secret);
    let earlier = others.iter().filter(|other| version(other) == kind).count();
    if earlier > EARLIER_MAX {
        return Err(Problem::unprocessable(format!(
            "{earlier} earlier secrets sign already; wait for one to expire, or rotate with a shorter grace_s"
        )));
    }
    match kind {
        Version::V1 => request.signing_secret = secret,
        Version::V1a => others.push(LiveSecret::new(secret)),
    }
    destination.updated_at = now;
    Ok(destination)
}

fn version(live: &LiveSecret) -> Version {
    Version::of(live.secret.reveal())
}

/// Other bytes out of the same draw, so that one key tells nothing of the other.
fn half(drawn: &[u8; 32]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::new()
        .chain_update(b"v1a")
        .chain_update(drawn)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{body::Body, input::destination};
    use model::{ids::DestinationId, policy::egress::Reach};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn over(kept: Option<&Destination>, config: Value) -> Result<Destination, Problem> {
        let fresh = destination::Fresh {
            id: DestinationId(1),
            key: [7; 32],
            reach: Reach::default(),
            try_tls: |_| Ok(()),
        };
        let mut config = config;
        config["url"] = json!("https://a.example/");
        let body = Body::of(json!({"name": "d", "config": config}));
        body.read(|fields| destination::read(fields, kept, &fresh, NOW))
    }

    fn rotated(
        kept: &Destination,
        body: Value,
        seed: u8,
        at: Timestamp,
    ) -> Result<Destination, Problem> {
        rotate(&Body::of(body).fields(), kept, &[seed; 32], at)
    }

    fn live(destination: &Destination, at: Timestamp) -> Vec<String> {
        let secrets = request(destination).signing_secrets(at);
        secrets.map(str::to_owned).collect()
    }

    fn request(destination: &Destination) -> &RequestTemplate {
        destination.kind.request().expect("HTTP is spoken")
    }

    #[test]
    fn a_rotation_overlaps_and_ends() {
        let first = over(None, json!({})).expect("a destination");
        let second = rotated(&first, json!({"grace_s": 60}), 8, NOW).expect("rotated");
        let (old, new) = (
            request(&first).signing_secret.reveal(),
            request(&second).signing_secret.reveal(),
        );
        assert_ne!(old, new);
        assert_eq!(live(&second, NOW), [new, old]);
        assert_eq!(live(&second, NOW.plus_ms(60_000)), [new]);
        let third = rotated(&second, json!({"grace_s": 0}), 9, NOW.plus_ms(1)).expect("rotated");
        assert_eq!(
            live(&third, NOW.plus_ms(1)),
            [request(&third).signing_secret.reveal()]
        );
        assert_eq!(request(&third).other_secrets, []);
    }

    #[test]
    fn only_so_many_secrets_sign_at_once() {
        let mut kept = over(None, json!({})).expect("a destination");
        for seed in 8..10 {
            kept = rotated(&kept, json!({}), seed, NOW).expect("rotated");
        }
        assert_eq!(live(&kept, NOW).len(), 3);
        let error = rotated(&kept, json!({}), 11, NOW).expect_err("too many");
        assert!(error.message().contains("earlier secrets"), "{error}");
    }

    #[test]
    fn the_ed25519_signature_comes_and_goes_and_rotates_by_itself() {
        let plain = over(None, json!({})).expect("a destination");
        let missing = rotated(&plain, json!({"signature": "v1a"}), 8, NOW).expect_err("none");
        assert!(missing.message().starts_with("signature: "), "{missing}");
        let both = over(Some(&plain), json!({"ed25519_signature": true})).expect("both");
        assert_eq!(
            over(Some(&both), json!({"ed25519_signature": true})),
            Ok(both.clone())
        );
        let private = request(&both).other_secrets[0].secret.reveal().to_owned();
        let next = rotated(&both, json!({"signature": "v1a"}), 8, NOW).expect("rotated");
        let secret = |of| &request(of).signing_secret;
        assert_eq!(secret(&next), secret(&both));
        assert_eq!(live(&next, NOW).len(), 3);
        let later = live(&next, NOW.plus_ms(GRACE_S * 1000));
        assert!(later.len() == 2 && !later.contains(&private));
        let none = over(Some(&next), json!({"ed25519_signature": false})).expect("v1 alone");
        assert_eq!(request(&none).other_secrets, []);
    }

    #[test]
    fn a_secret_of_the_wrong_form_is_refused_by_its_field() {
        let kept = over(None, json!({})).expect("a destination");
        for (body, field) in [
            (json!({"secret": "whsec_AAAA"}), "secret"),
            (
                json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "signature": "v1a"}),
                "secret",
            ),
            (json!({"signature": "v2"}), "signature"),
            (json!({"grace_s": -1}), "grace_s"),
        ] {
            let error = rotated(&kept, body, 8, NOW).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
