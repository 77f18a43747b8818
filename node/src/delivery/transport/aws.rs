//! AWS Signature Version 4: the headers that prove who calls.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use model::time::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// Who signs, and for what.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// What is signed. Of the headers only those that nobody on the way changes.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

/// Headers that a signature brings along: a sender's own of these names do not go on.
pub(super) const BRINGS: [&str; 4] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// The headers to add. None: method, URL or headers are of a form that can't be signed.
pub(super) fn headers(
    signer: &Signer<'_>,
    signed: &Signed<'_>,
    now: Timestamp,
) -> Option<Vec<(String, Bytes)>> {
    let Signer {
        access_key_id,
        secret_access_key,
        region,
        service,
    } = *signer;
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    // S3 takes paths as they are; all others expect them encoded once more.
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let identity = Credentials::new(access_key_id, secret_access_key, None, None, "catalog").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(UNIX_EPOCH + Duration::from_millis(now.0))
        .settings(settings)
        .build()
        .ok()?;
    let request = SignableRequest::new(
        signed.method,
        signed.url,
        signed.headers.iter().copied(),
        SignableBody::Bytes(signed.body),
    );
    let (instructions, _) = sign(request.ok()?, &params.into()).ok()?.into_parts();
    let added = instructions.headers();
    Some(
        added
            .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    /// 2015-08-30T12:36:00Z.
    const NOW: Timestamp = Timestamp(1_440_938_160_000);
    const BODY: &[u8] = b"{\"a\":1}";

    fn added(service: &str, url: &str) -> Vec<(String, String)> {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: SECRET,
            region: "us-east-1",
            service,
        };
        let signed = Signed {
            method: "POST",
            url,
            headers: vec![("host", "a.example"), ("content-type", "application/json")],
            body: BODY,
        };
        let added = headers(&signer, &signed, NOW).expect("signed");
        let text = |value: Bytes| String::from_utf8(value.to_vec()).expect("text");
        added
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect()
    }

    /// The signature as AWS documents it, over a canonical path and query that the test writes out.
    fn expected(service: &str, path: &str, query: &str) -> String {
        let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let names = "content-type;host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "POST\n{path}\n{query}\ncontent-type:application/json\nhost:a.example\n\
             x-amz-content-sha256:{body}\nx-amz-date:20150830T123600Z\n\n{names}\n{body}",
            body = hash(BODY),
        );
        let scope = format!("20150830/us-east-1/{service}/aws4_request");
        let text = format!(
            "AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{}",
            hash(canonical.as_bytes())
        );
        let mac = |key: &[u8], part: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            mac.chain_update(part).finalize().into_bytes().to_vec()
        };
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let signature = hex::encode(mac(&key, &text));
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }

    #[test]
    fn a_request_is_signed_as_aws_documents_it() {
        for (service, url, path, query) in [
            ("lambda", "https://a.example", "/", ""),
            (
                "lambda",
                "https://a.example/in/x?b=2&a=1",
                "/in/x",
                "a=1&b=2",
            ),
            // What is encoded is encoded once more, but not for S3.
            ("lambda", "https://a.example/a%20b", "/a%2520b", ""),
            ("s3", "https://a.example/a%20b", "/a%20b", ""),
            ("s3", "https://a.example/a//b?x", "/a//b", "x="),
        ] {
            let added = added(service, url);
            let of = |name: &str| {
                added
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, v)| v.as_str())
            };
            let wanted = expected(service, path, query);
            assert_eq!(
                of("authorization"),
                Some(wanted.as_str()),
                "{service} {url}"
            );
            assert_eq!(of("x-amz-date"), Some("20150830T123600Z"));
            for (name, _) in &added {
                assert!(BRINGS.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn what_can_not_be_signed_is_told() {
        let signer = Signer {
            access_key_id: "a",
            secret_access_key: "b",
            region: "c",
            service: "d",
        };
        let signed = Signed {
            method: "POST",
            url: "not a url",
            headers: Vec::new(),
            body: b"",
        };
        assert_eq!(headers(&signer, &signed, NOW), None);
    }
}
