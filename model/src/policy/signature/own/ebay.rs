//! eBay: the header is base64 of a JSON object that names the key and holds the signature; the key is fetched with the
//! application's own credentials.

use super::super::{
    Context,
    diagnosis::Diagnosis,
    encoding::{Encoding, base64_pasted},
    facts::json_text,
    keys::{Access, KeyRequest},
    proven::Proven,
    public_key::{Algorithm, PublicKey},
    signed::Checked,
};
use crate::catalog::Secret;

const HEADER: &str = "x-ebay-signature";

pub(in super::super) const WORDS: &str = "ECDSA P-256 with SHA1 of `{body}`, base64 of DER in the base64 of JSON in \
    header x-ebay-signature, key by its id from eBay's notification API";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let malformed = || Diagnosis::malformed(format!("header {HEADER}"));
    let packed = base64_pasted(context.facts.header(HEADER)?).ok_or_else(malformed)?;
    let header = std::str::from_utf8(&packed).map_err(|_| malformed())?;
    let key_id = json_text(header, "kid").ok_or_else(malformed)?;
    let signature = json_text(header, "signature").and_then(|text| Encoding::Base64.decode(&text));
    let signature = signature.ok_or_else(malformed)?;
    // The id becomes a part of a URL.
    if !is_uuid(&key_id) {
        return Err(malformed().into());
    }
    let document = context.document(&request(context, &key_id)?)?;
    let document =
        std::str::from_utf8(&document).map_err(|_| Diagnosis::malformed("published key"))?;
    let key = json_text(document, "key").and_then(|pem| PublicKey::pasted(&pem));
    let key = key.ok_or_else(|| Diagnosis::malformed("published key"))?;
    if Algorithm::EcdsaP256Sha1.verify(&key, context.facts.body, &signature) {
        Ok(Proven::default())
    } else {
        Err(Diagnosis::Mismatch.into())
    }
}

fn request(context: &Context<'_>, key_id: &str) -> Result<KeyRequest, Diagnosis> {
    let field = |name: &str| {
        let unfinished = || Diagnosis::Unfinished(format!("config.auth.{name} is missing"));
        context.auth.field(name).ok_or_else(unfinished)
    };
    let host = match context.auth.field("environment") {
        Some("SANDBOX") => "https://api.sandbox.ebay.com",
        _ => "https://api.ebay.com",
    };
    Ok(KeyRequest {
        url: format!("{host}/commerce/notification/v1/public_key/{key_id}"),
        access: Access::ClientCredentials {
            token_url: format!("{host}/identity/v1/oauth2/token"),
            client_id: Secret::new(field("client_id")?.to_owned()),
            client_secret: Secret::new(
                context
                    .auth
                    .live(context.facts.now)
                    .last()
                    .ok_or(Diagnosis::NoSecret)?
                    .1
                    .to_owned(),
            ),
            scope: "https://api.ebay.com/oauth/api_scope".into(),
        },
    })
}

/// Whether a text is a UUID and so safe inside a path.
pub(in super::super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
