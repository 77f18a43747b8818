//! The framing of a response, which tells where it ends: RFC 9112, section 6.3, in its order.

use super::{Broken, extent::Body, head::Head};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: Body,
    /// Whether another answer may come behind this one.
    pub(super) persists: bool,
}

const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;

impl Framing {
    /// # Errors
    /// When it tells several lengths, or one that is none.
    pub(super) fn of(head: &Head, to_head: bool) -> Result<Self, Broken> {
        let codings = codings(head);
        let length = length(head);
        let lasting = lasts(head);
        if to_head {
            // It tells what an answer to GET would have been.
            let (body, persists) = (Body::Nothing, lasting && length.is_ok());
            return Ok(Self { body, persists });
        }
        if matches!(head.status, NO_CONTENT | NOT_MODIFIED) {
            // Who tells a length may send that much, too: what comes then is nobody's answer.
            let silent = codings.is_empty() && matches!(length, Ok(None | Some(0)));
            let (body, persists) = (Body::Nothing, lasting && silent);
            return Ok(Self { body, persists });
        }
        if let Some(last) = codings.last() {
            let chunked = last == b"chunked";
            // What is told twice, or was unknown to its version, is not trusted further than this answer.
            let plain = codings.len() == 1 && matches!(length, Ok(None)) && !head.is_http10;
            return Ok(Self {
                body: if chunked {
                    Body::Chunked
                } else {
                    Body::UntilClose
                },
                persists: chunked && plain && lasting,
            });
        }
        Ok(match length? {
            Some(length) => Self {
                body: Body::Length(length),
                persists: lasting,
            },
            None => Self {
                body: Body::UntilClose,
                persists: false,
            },
        })
    }
}

/// What was done to the body for its way, in order and in lower case.
fn codings(head: &Head) -> Vec<Vec<u8>> {
    let named = head.elements("transfer-encoding").map(|coding| {
        let name = coding.split(|byte| *byte == b';').next().unwrap_or(coding);
        name.trim_ascii().to_ascii_lowercase()
    });
    named
        .filter(|name| !name.is_empty() && name != b"identity")
        .collect()
}

fn length(head: &Head) -> Result<Option<u64>, Broken> {
    let mut told = None;
    for element in head.elements("content-length") {
        let digits = std::str::from_utf8(element).map_err(|_| Broken::Length)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Broken::Length);
        }
        let length = digits.parse().map_err(|_| Broken::Length)?;
        if told.is_some_and(|told| told != length) {
            return Err(Broken::Length);
        }
        told = Some(length);
    }
    Ok(told)
}

/// Whether the connection is to stay open behind the answer.
pub(super) fn lasts(head: &Head) -> bool {
    let says = |word: &[u8]| {
        let mut options = head.elements("connection");
        options.any(|option| option.eq_ignore_ascii_case(word))
    };
    !says(b"close") && (!head.is_http10 || says(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, to_head: bool) -> Result<(Body, bool), Broken> {
        let text = format!("{text}\r\n\r\n");
        let (head, _) = Head::read(text.as_bytes())
            .expect("of form")
            .expect("whole");
        Framing::of(&head, to_head).map(|framing| (framing.body, framing.persists))
    }

    #[test]
    fn an_answer_ends_where_the_rfc_says() {
        use Body::{Chunked, Length, Nothing, UntilClose};
        const CL: &str = "Content-Length: 5";
        const TE: &str = "Transfer-Encoding: chunked";
        for (head, body, persists) in [
            (format!("1 200\r\n{CL}"), Length(5), true),
            (format!("1 200\r\n{CL}\r\n{CL}"), Length(5), true),
            ("1 200\r\nContent-Length: 5, 5".into(), Length(5), true),
            ("1 200\r\nContent-Length: 05".into(), Length(5), true),
            ("1 200\r\nContent-Length: 0".into(), Length(0), true),
            (
                format!("1 200\r\n{CL}\r\nConnection: x, Close"),
                Length(5),
                false,
            ),
            (format!("0 200\r\n{CL}"), Length(5), false),
            (
                format!("0 200\r\n{CL}\r\nConnection: Keep-Alive"),
                Length(5),
                true,
            ),
            (format!("1 200\r\n{TE}"), Chunked, true),
            ("1 200\r\nTransfer-Encoding: CHUNKED".into(), Chunked, true),
            (format!("1 200\r\n{TE}\r\n{CL}"), Chunked, false),
            (
                format!("1 200\r\n{TE}\r\nContent-Length: x"),
                Chunked,
                false,
            ),
            (format!("1 200\r\n{TE}\r\n{TE}"), Chunked, false),
            (
                format!("0 200\r\n{TE}\r\nConnection: keep-alive"),
                Chunked,
                false,
            ),
            (
                "1 200\r\nTransfer-Encoding: gzip, chunked".into(),
                Chunked,
                false,
            ),
            (
                format!("1 200\r\nTransfer-Encoding: gzip\r\n{TE}"),
                Chunked,
                false,
            ),
            ("1 200\r\nTransfer-Encoding: gzip".into(), UntilClose, false),
            (format!("1 200\r\n{TE}, gzip\r\n{CL}"), UntilClose, false),
            (
                format!("1 200\r\nTransfer-Encoding: identity\r\n{CL}"),
                Length(5),
                true,
            ),
            ("1 200".into(), UntilClose, false),
            ("1 205".into(), UntilClose, false),
            ("0 200\r\nConnection: keep-alive".into(), UntilClose, false),
            ("1 204".into(), Nothing, true),
            ("1 304".into(), Nothing, true),
            ("1 204\r\nContent-Length: 0".into(), Nothing, true),
            (format!("1 204\r\n{CL}"), Nothing, false),
            (format!("1 304\r\n{TE}"), Nothing, false),
            ("1 204\r\nContent-Length: 1, 2".into(), Nothing, false),
        ] {
            assert_eq!(
                of(&format!("HTTP/1.{head}"), false),
                Ok((body, persists)),
                "{head}"
            );
        }
        assert_eq!(
            of(&format!("HTTP/1.1 200\r\n{CL}"), true),
            Ok((Nothing, true))
        );
        assert_eq!(
            of(&format!("HTTP/1.1 200\r\n{TE}"), true),
            Ok((Nothing, true))
        );
        assert_eq!(of("HTTP/1.1 200", true), Ok((Nothing, true)));
    }

    #[test]
    fn several_lengths_and_what_is_no_length_are_refused() {
        for told in [
            "5, 6",
            "5\r\nContent-Length: 6",
            "-1",
            "+5",
            "0x5",
            "5,",
            "",
            "5 5",
            "99999999999999999999",
        ] {
            let head = format!("HTTP/1.1 200\r\nContent-Length: {told}");
            assert_eq!(of(&head, false), Err(Broken::Length), "{told:?}");
        }
    }
}
