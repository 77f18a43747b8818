//! Layouts of a source that earlier versions wrote.

use super::{LiveSecret, Secret, Verification};
use serde::{Deserialize, Deserializer};

/// How a source of the first version verified: three types and no more.
#[derive(Deserialize)]
#[serde(tag = "scheme", rename_all = "SCREAMING_SNAKE_CASE")]
enum FirstType {
    Webhook,
    Github {
        secret: Secret,
    },
    Hmac {
        digest: String,
        encoding: String,
        header: String,
        secret: Secret,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Any {
    Current(Verification),
    First(FirstType),
}

/// Reads today's layout or an earlier one.
pub(super) fn verification<'de, D: Deserializer<'de>>(from: D) -> Result<Verification, D::Error> {
    Ok(match Any::deserialize(from)? {
        Any::Current(current) => current,
        Any::First(FirstType::Webhook) => Verification::none(),
        Any::First(FirstType::Github { secret }) => Verification {
            secrets: vec![LiveSecret::new(secret)],
            ..Verification::of("GITHUB")
        },
        Any::First(FirstType::Hmac {
            digest,
            encoding,
            header,
            secret,
        }) => {
            let options = [
                ("algorithm", digest),
                ("encoding", encoding),
                ("header_key", header),
            ];
            let fields = options.map(|(name, value)| (name.to_owned(), Secret::new(value)));
            Verification {
                secrets: vec![LiveSecret::new(secret)],
                fields: fields.into(),
                ..Verification::of("HMAC")
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Source;

    fn read(verification: &str) -> Source {
        let json = format!(
            r#"{{"id":"src_00000000000000000000000001","name":"n","description":null,{verification},
                "allowed_http_methods":[],"custom_response":null,"disabled_at":null,
                "created_at":0,"updated_at":0}}"#
        );
        serde_json::from_str(&json).expect("readable")
    }

    #[test]
    fn the_first_layout_is_still_read() {
        let open = read(r#""type":{"scheme":"WEBHOOK"}"#).verification;
        assert_eq!(
            (open.source_type.as_str(), open.secrets.len()),
            ("WEBHOOK", 0)
        );
        let github = read(r#""type":{"scheme":"GITHUB","secret":"s"}"#).verification;
        assert_eq!(github.secrets[0].secret.reveal(), "s");
        let hmac = r#""type":{"scheme":"HMAC","digest":"sha512","encoding":"hex","header":"x","secret":"s"}"#;
        assert_eq!(read(hmac).verification.field("algorithm"), Some("sha512"));
    }
}
