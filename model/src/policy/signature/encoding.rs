//! Encodings of signatures as text (RFC 4648), and of secrets as keys.

use super::digest::Digest;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// The text encoding of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Either case.
    Hex,
    /// With padding, canonical only: text that differs in unused bits is refused.
    Base64,
    /// With or without padding.
    Base64url,
    /// Base64 of the lower-case hex text.
    Base64OfHex,
}

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Encoding {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            "base64url" => Some(Self::Base64url),
            _ => None,
        }
    }

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64url => "base64url",
            Self::Base64OfHex => "base64 of hex",
        }
    }

    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Hex => hex::decode(text).ok()?,
            Self::Base64 => general_purpose::STANDARD.decode(text).ok()?,
            Self::Base64url => URL_SAFE.decode(text).ok()?,
            Self::Base64OfHex => hex::decode(general_purpose::STANDARD.decode(text).ok()?).ok()?,
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => general_purpose::STANDARD.encode(bytes),
            Self::Base64url => general_purpose::URL_SAFE_NO_PAD.encode(bytes),
            Self::Base64OfHex => general_purpose::STANDARD.encode(hex::encode(bytes)),
        }
    }
}

pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

/// Base64 as people paste it: padding may be missing.
pub(super) fn base64_pasted(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text.trim()).ok()
}

/// The encoding of a key in a pasted secret: what of it is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// The text itself, also where it looks encoded.
    Utf8,
    Hex,
    /// Padding may be missing.
    Base64,
    /// `whsec_` and base64 (Standard Webhooks); the prefix may be missing.
    Whsec,
    /// `whsec_` and base64, or the text itself where there is no such prefix (OpenAI).
    WhsecOrText,
    /// The SHA-1 of the text (Braintree).
    Sha1,
    /// The text in Unicode's NFKD form (EasyPost).
    Nfkd,
}

impl KeyForm {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "utf8" => Some(Self::Utf8),
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            "whsec" => Some(Self::Whsec),
            _ => None,
        }
    }

    /// The key form's name as documents write it; empty for the plain text.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Utf8 => "",
            Self::Hex => "key is the hex-decoded secret",
            Self::Base64 => "key is the base64-decoded secret",
            Self::Whsec => "key is the base64 behind `whsec_`",
            Self::WhsecOrText => {
                "key is the base64 behind `whsec_`, or the text without that prefix"
            }
            Self::Sha1 => "key is the SHA-1 of the secret",
            Self::Nfkd => "key is the NFKD form of the secret",
        }
    }

    /// The key; none when the secret is not of this form.
    #[must_use]
    pub fn key(self, secret: &str) -> Option<Cow<'_, [u8]>> {
        let key: Cow<'_, [u8]> = match self {
            Self::Utf8 => secret.as_bytes().into(),
            Self::Hex => hex::decode(secret.trim()).ok()?.into(),
            Self::Base64 => base64_pasted(secret)?.into(),
            Self::Whsec => {
                let secret = secret.trim();
                base64_pasted(secret.strip_prefix("whsec_").unwrap_or(secret))?.into()
            }
            Self::WhsecOrText => match secret.trim().strip_prefix("whsec_") {
                Some(encoded) => base64_pasted(encoded)?.into(),
                None => secret.as_bytes().into(),
            },
            Self::Sha1 => Digest::Sha1.of(secret.as_bytes()).into(),
            Self::Nfkd => secret.nfkd().collect::<String>().into_bytes().into(),
        };
        (!key.is_empty()).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_base64_decodes() {
        assert_eq!(Encoding::Base64.decode("AA=="), Some(vec![0]));
        for odd in ["AB==", "AA", "AA=", "A A==", "", "===="] {
            assert_eq!(Encoding::Base64.decode(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn url_safe_text_may_lack_its_padding() {
        assert_eq!(Encoding::Base64url.decode("-_8"), Some(vec![251, 255]));
        assert_eq!(Encoding::Base64url.decode("-_8="), Some(vec![251, 255]));
        assert_eq!(Encoding::Base64url.decode("+/8="), None);
    }

    #[test]
    fn what_looks_encoded_is_text_unless_the_form_says_otherwise() {
        let secret = "whsec_AAAA";
        assert_eq!(
            KeyForm::Utf8.key(secret).as_deref(),
            Some(secret.as_bytes())
        );
        assert_eq!(KeyForm::Whsec.key(secret).as_deref(), Some(&[0, 0, 0][..]));
        assert_eq!(KeyForm::Whsec.key("AAAA").as_deref(), Some(&[0, 0, 0][..]));
        assert_eq!(KeyForm::Hex.key("zz"), None);
        assert_eq!(KeyForm::Utf8.key(""), None);
    }
}
