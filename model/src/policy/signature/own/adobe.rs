//! Adobe I/O Events: two signatures, each with a key of its own on Adobe's host; one of them is enough.

use super::super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    encoding::Encoding,
    keys::{Access, KeyRequest},
    proven::Proven,
    public_key::{Algorithm, PublicKey},
    signed::Checked,
};

const HOST: &str = "https://static.adobeioevents.com";

pub(in super::super) const WORDS: &str = "RSA with SHA256 of `{body}`, base64 in header x-adobe-digital-signature-1 or \
    -2, key at the path in header x-adobe-public-key1-path or 2 on Adobe's host; JSON field recipient_client_id equals \
    the configured client_id";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let facts = context.facts;
    let unfinished = || Diagnosis::Unfinished("config.auth.client_id is missing".into());
    let expected = context.auth.field("client_id").ok_or_else(unfinished)?;
    // Before the body is read for it.
    if !["1", "2"]
        .iter()
        .any(|number| facts.has_header(&format!("x-adobe-digital-signature-{number}")))
    {
        return Err(Diagnosis::missing("header x-adobe-digital-signature-1").into());
    }
    if facts.json_required("recipient_client_id")? != expected {
        return Err(Diagnosis::Unexpected("JSON field recipient_client_id".into()).into());
    }
    let mut refusal = Refusal::from(Diagnosis::Mismatch);
    for number in [1, 2] {
        match check_one(context, number) {
            Ok(()) => return Ok(Proven::default()),
            Err(Refusal::NeedsKey(request)) => return Err(Refusal::NeedsKey(request)),
            Err(error) if number == 1 => refusal = error,
            Err(_) => {}
        }
    }
    Err(refusal)
}

fn check_one(context: &Context<'_>, number: u8) -> Result<(), Refusal> {
    let facts = context.facts;
    let name = format!("x-adobe-digital-signature-{number}");
    let signature = Encoding::Base64.decode(facts.header(&name)?);
    let signature = signature.ok_or_else(|| Diagnosis::malformed(format!("header {name}")))?;
    let name = format!("x-adobe-public-key{number}-path");
    let path = facts.header(&name)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    let safe = path.starts_with('/') && !path.starts_with("//") && !path.contains("..");
    if !safe || !path.ends_with(".pem") || !path.bytes().all(plain) {
        return Err(Diagnosis::malformed(format!("header {name}")).into());
    }
    let request = KeyRequest {
        url: format!("{HOST}{path}"),
        access: Access::Public,
    };
    let document = context.document(&request)?;
    let key = PublicKey::of_pem(&document);
    let key = key.ok_or_else(|| Diagnosis::malformed("published key"))?;
    if Algorithm::RsaSha256.verify(&key, facts.body, &signature) {
        Ok(())
    } else {
        Err(Diagnosis::Mismatch.into())
    }
}
