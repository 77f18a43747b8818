//! Amazon SNS: the body names the certificate of the key that signed some of its fields.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    encoding::Encoding,
    keys::{Access, KeyRequest},
    layout::Group,
    proven::Proven,
    provider::ALLOW_ANY_TOPIC,
    public_key::{Algorithm, PublicKey},
    signed::Checked,
    stamp::{Stamp, StampPlace, Unit},
};

pub(in super::super) const WORDS: &str = "RSA with SHA1 or SHA256 of named fields of the body, base64 in JSON field \
    Signature, key in the certificate at SigningCertURL, which must be one of Amazon's";

const NOTIFICATION: &[&str] = &[
    "Message",
    "MessageId",
    "Subject",
    "Timestamp",
    "TopicArn",
    "Type",
];
const CONFIRMATION: &[&str] = &[
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

/// How old a message may be that is tried again: some hours by Amazon's policies, and three days for a token that
/// confirms a subscription.
const STAMP: Stamp<'static> = Stamp {
    at: StampPlace::Json("Timestamp"),
    unit: Unit::Rfc3339,
    past_s: Some(3 * 24 * 3600),
    ahead_s: Some(3600),
};

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let topic = topic(context)?;
    let unexpected = |path: &str| Diagnosis::Unexpected(format!("JSON field {path}"));
    let algorithm = match facts.json_required("SignatureVersion")?.as_str() {
        "1" => Algorithm::RsaSha1,
        "2" => Algorithm::RsaSha256,
        _ => return Err(unexpected("SignatureVersion").into()),
    };
    let message = message(context)?;
    let signature = Encoding::Base64.decode(&facts.json_required("Signature")?);
    let signature = signature.ok_or_else(|| Diagnosis::malformed("JSON field Signature"))?;
    // Lambda event records spell it otherwise.
    let url = facts
        .json("SigningCertURL")
        .or_else(|| facts.json("SigningCertUrl"));
    let url = url.ok_or_else(|| Diagnosis::missing("JSON field SigningCertURL"))?;
    if !is_aws(&url) || !url.ends_with(".pem") || url.contains('?') {
        return Err(unexpected("SigningCertURL").into());
    }
    if topic.is_some() && facts.json("TopicArn").as_deref() != topic {
        return Err(unexpected("TopicArn").into());
    }
    let request = KeyRequest {
        url,
        access: Access::Public,
    };
    let document = context.document(&request)?;
    let key = PublicKey::of_certificate(&document, Some(facts.now));
    let key = key.ok_or_else(|| Diagnosis::malformed("certificate, or it is out of date"))?;
    if !algorithm.verify(&key, message.as_bytes(), &signature) {
        return Err(Diagnosis::Mismatch.into());
    }
    let sent_at = STAMP.text(facts, &Group::default())?;
    STAMP.check(&sent_at, facts)?;
    let id = facts.json_required("MessageId")?;
    Ok(Proven::default().once(id.into_bytes(), STAMP.window_s()))
}

/// The topic whose messages are taken; none where the admin takes those of any. Anybody with an account at Amazon has
/// a topic, and its messages are signed as rightly as all others.
fn topic<'c>(context: &Context<'c>) -> Result<Option<&'c str>, Diagnosis> {
    let topic = context.auth.field("topic_arn");
    if topic.is_some() || context.auth.is_set(ALLOW_ANY_TOPIC.name) {
        return Ok(topic);
    }
    // The admin is shown which topic asks, and takes it or doesn't. It can't come as an event.
    let facts = context.facts;
    let asks = facts.record.method == "POST"
        && facts.json("Type").as_deref() == Some("SubscriptionConfirmation");
    if asks {
        return Ok(None);
    }
    Err(Diagnosis::Unfinished(
        "config.auth.topic_arn is missing: anybody with an account at Amazon could post".into(),
    ))
}

fn message(context: &Context<'_>) -> Result<String, Diagnosis> {
    let facts = context.facts;
    let fields = match facts.json_required("Type")?.as_str() {
        "Notification" => NOTIFICATION,
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => CONFIRMATION,
        _ => return Err(Diagnosis::Unexpected("JSON field Type".into())),
    };
    let mut message = String::new();
    for name in fields {
        let value = match *name {
            "Subject" => match facts.json(name) {
                Some(subject) => subject,
                None => continue,
            },
            name => facts.json_required(name)?,
        };
        message.push_str(name);
        message.push('\n');
        message.push_str(&value);
        message.push('\n');
    }
    Ok(message)
}

/// Whether a URL is https on `sns.<region>.amazonaws.com`, and nothing that only looks so.
pub(in super::super) fn is_aws(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://sns.") else {
        return false;
    };
    let Some((host, _)) = rest.split_once('/') else {
        return false;
    };
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_suffix(".amazonaws.com");
    region.is_some_and(|region| {
        region.len() >= 3
            && region
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }) && url.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regional_host_of_sns_is_amazon() {
        for right in [
            "https://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
        ] {
            assert!(is_aws(right), "{right}");
        }
        for wrong in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com:8443/x.pem",
            "https://sns.s3.evil.amazonaws.com/x.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com",
        ] {
            assert!(!is_aws(wrong), "{wrong}");
        }
    }
}
