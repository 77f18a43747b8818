//! The form of challenges that are answered with the secret. No handshake signs anything else, and no MAC over such a
//! text proves an event, of whatever type: so an answer can never be passed off as a signature.

use super::digest::Digest;

/// The forms of challenges that some handshake answers with a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Letters and digits of base64, standard or URL-safe, padded or not: no JSON, no form, no token with dots, no
    /// plain words. It doesn't begin as a timestamp does that is signed in front of something else, and it is shorter
    /// than the hex digests and the tokens with a timestamp before them that senders sign.
    Token,
    Uuid,
    /// 20 to 32 lower-case hex digits.
    Hex,
}

/// The shortest [`Shape::Token`] and the longest challenge of any shape.
const TOKEN_MIN: usize = 8;
const LONGEST: usize = 56;
/// Digits of a Unix time in seconds.
const TIME_DIGITS: usize = 10;

impl Shape {
    pub(super) fn fits(self, text: &[u8]) -> bool {
        match self {
            Self::Token => {
                let padding = text.iter().rev().take_while(|b| **b == b'=').count();
                let letters = &text[..text.len() - padding.min(text.len())];
                let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
                let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_+/".contains(b);
                let is_random = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase();
                (TOKEN_MIN..=LONGEST).contains(&text.len())
                    && padding <= 2
                    && digits < TIME_DIGITS
                    && letters.iter().all(plain)
                    && letters.iter().any(is_random)
            }
            Self::Uuid => {
                text.len() == 36
                    && text.iter().enumerate().all(|(at, b)| match at {
                        8 | 13 | 18 | 23 => *b == b'-',
                        _ => b.is_ascii_hexdigit(),
                    })
            }
            Self::Hex => {
                let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
                (20..=32).contains(&text.len()) && text.iter().all(digit)
            }
        }
    }

    /// The shapes that are answered with an HMAC over this digest.
    fn answered_with(digest: Digest) -> &'static [Self] {
        match digest {
            Digest::Sha256 => &[Self::Token, Self::Uuid],
            Digest::Sha1 => &[Self::Hex],
            _ => &[],
        }
    }
}

/// Watches a message go by: whether it could be a challenge as a whole.
pub(super) struct Challengeable {
    shapes: &'static [Shape],
    /// The message, as long as it is no longer than a challenge.
    head: Vec<u8>,
    is_longer: bool,
}

impl Challengeable {
    pub(super) fn new(digest: Digest) -> Self {
        Self {
            shapes: Shape::answered_with(digest),
            head: Vec::new(),
            is_longer: false,
        }
    }

    /// A watch that takes nothing for a challenge: of a digest without a key, which no handshake answers with.
    pub(super) fn never() -> Self {
        Self {
            shapes: &[],
            head: Vec::new(),
            is_longer: true,
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.is_longer |= self.head.len() + piece.len() > LONGEST;
        if !self.is_longer {
            self.head.extend_from_slice(piece);
        }
    }

    pub(super) fn fits(&self) -> bool {
        !self.is_longer && self.shapes.iter().any(|shape| shape.fits(&self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_senders_ask_with_is_a_challenge_and_what_they_sign_is_not() {
        for challenge in [
            "3CpS1wYFRZ_2vPRfXlsGmQ==",
            "qgg8vlvZRS6UYooatFL8Aw",
            "MDIxNDk3ZjMtOTZmNS00ZGEyLTg1YmQtYzM0YzhiMTQzODM3",
            "8a4b2c1e-7d3f-4a5b-9c8d-1e2f3a4b5c6d",
            "challenge-1",
        ] {
            assert!(Shape::Token.fits(challenge.as_bytes()), "{challenge}");
        }
        let digest = "9".repeat(64);
        for message in [
            "",
            "{}",
            "a=b",
            "payload=eyJhIjoxfQ&x=y",
            "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9",
            "1529006854a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
            "1669926463signature_request_sent",
            "1764515000",
            &digest,
            "========",
            "bodybodybodybody",
        ] {
            assert!(!Shape::Token.fits(message.as_bytes()), "{message}");
        }
    }

    #[test]
    fn a_message_in_pieces_is_one_message() {
        let fits = |pieces: &[&str]| {
            let mut message = Challengeable::new(Digest::Sha256);
            pieces
                .iter()
                .for_each(|piece| message.update(piece.as_bytes()));
            message.fits()
        };
        assert!(fits(&["chall", "", "enge-1"]));
        assert!(!fits(&["chall", ":", "enge-1"]));
        assert!(!fits(&["challenge", &"x".repeat(LONGEST), "challenge"]));
    }
}
