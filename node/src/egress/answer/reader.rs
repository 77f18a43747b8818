//! Reads what comes back over one connection: bytes in, bytes out, no socket and no clock. What it tells holds one answer
//! for each request, without interim ones and in the one form that the client can't misread.

use super::{
    Broken,
    chunks::Chunks,
    extent::Body,
    framing::{self, Framing},
    head::{HEAD_MAX, Head},
};
use bytes::{Buf, BufMut, BytesMut};

/// Interim answers to one request. A server that is long at work may send one every second or so.
pub(super) const INTERIM_MAX: usize = 256;

const SWITCHING_PROTOCOLS: u16 = 101;
/// What servers say that take nothing now, before they have read what they are asked: RFC 9110, 15.5.9 and 15.6.4, and
/// RFC 6585, 4.
const MAY_BE_EARLY: [u16; 3] = [408, 429, 503];

#[derive(Debug, Default)]
pub(super) struct Reader {
    stage: Stage,
    /// The request was a HEAD.
    to_head: bool,
    /// What is there of a head.
    head: BytesMut,
    interim: usize,
    interim_bytes: usize,
    status: Option<u16>,
    /// Some of it was there before the request.
    early: bool,
    /// Its end may be a silence, too: nothing said that the connection would be closed.
    unannounced: bool,
    /// No other answer may come over this connection.
    spent: bool,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing was asked, or all of the answer is there.
    #[default]
    Rest,
    Head,
    Length(u64),
    Chunks(Chunks),
    UntilClose,
}

/// The meaning of the connection's end for the answer under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was under way, or the answer ended with it.
    Whole,
    /// There is no answer.
    Silent,
    /// In the middle of the body.
    Cut,
}

impl Reader {
    /// Nothing was asked for, or all of the answer is there.
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Rest)
    }

    /// Whether another request may be answered over the same connection.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }

    /// The answer's, once its head is there.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether the answer ends with the connection and did not say so.
    pub(super) fn may_end_in_silence(&self) -> bool {
        matches!(self.stage, Stage::UntilClose) && self.unannounced
    }

    /// Begins to read the answer to a request that goes out; this is the request's beginning.
    pub(super) fn ask(&mut self, request: &[u8]) {
        *self = Self {
            stage: Stage::Head,
            to_head: request.starts_with(b"HEAD "),
            spent: self.spent,
            ..Self::default()
        };
    }

    /// Takes what was there before anything of the request was sent. Whoever has no room for one may say so at once; the yes
    /// of somebody who has not read what it is asked is nobody's.
    ///
    /// # Errors
    /// When it is no answer to a request that is still to be sent.
    pub(super) fn read_early(&mut self, bytes: &[u8], told: &mut BytesMut) -> Result<(), Broken> {
        self.early = true;
        let read = self.read(bytes, told);
        // An interim answer alone says nothing of the one to come.
        self.early = self.status.is_some() || !self.head.is_empty();
        read
    }

    /// Takes what came and tells what of it is the answer's.
    ///
    /// # Errors
    /// When what came is no answer. Nothing that comes behind it is one either.
    pub(super) fn read(&mut self, bytes: &[u8], told: &mut BytesMut) -> Result<(), Broken> {
        let read = match self.stage {
            Stage::Rest if bytes.is_empty() => Ok(()),
            Stage::Rest => Err(Broken::Unasked),
            Stage::Head => self.heads(bytes, told),
            _ => self.body(bytes, told),
        };
        self.spent |= read.is_err();
        read
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) -> End {
        self.spent = true;
        match std::mem::take(&mut self.stage) {
            Stage::Rest | Stage::UntilClose => End::Whole,
            Stage::Head => End::Silent,
            Stage::Length(_) | Stage::Chunks(_) => End::Cut,
        }
    }

    fn heads(&mut self, bytes: &[u8], told: &mut BytesMut) -> Result<(), Broken> {
        self.head.put_slice(bytes);
        // Heads end with lines: in the middle of one there is nothing new to see, but for whether it is HTTP at all.
        if !bytes.contains(&b'\n') && self.head.len() > bytes.len().max(16) {
            return self.bounded();
        }
        loop {
            let Some((head, length)) = Head::read(&self.head)? else {
                return self.bounded();
            };
            if self.interim_bytes + length > HEAD_MAX {
                return Err(Broken::LongHead);
            }
            self.head.advance(length);
            if head.status >= 200 {
                self.begin(&head, told)?;
                let behind = std::mem::take(&mut self.head);
                return self.body(&behind, told);
            }
            self.pass_over(&head, length, told)?;
        }
    }

    fn bounded(&self) -> Result<(), Broken> {
        if self.interim_bytes + self.head.len() > HEAD_MAX {
            return Err(Broken::LongHead);
        }
        Ok(())
    }

    /// An interim answer says that the answer is still to come, and nothing that we would heed.
    fn pass_over(&mut self, head: &Head, length: usize, told: &mut BytesMut) -> Result<(), Broken> {
        if head.status == SWITCHING_PROTOCOLS {
            return Err(Broken::Switched);
        }
        if cfg!(feature = "bug-pooled-interim") {
            head.tell(&Body::Nothing, told);
        }
        self.interim += 1;
        self.interim_bytes += length;
        if self.interim > INTERIM_MAX {
            return Err(Broken::Interim);
        }
        Ok(())
    }

    fn begin(&mut self, head: &Head, told: &mut BytesMut) -> Result<(), Broken> {
        if self.early && !MAY_BE_EARLY.contains(&head.status) {
            return Err(Broken::Unasked);
        }
        let framing = Framing::of(head, self.to_head)?;
        self.spent |= self.early;
        self.status = Some(head.status);
        self.spent |= !framing.persists;
        self.unannounced = framing::lasts(head);
        self.stage = match framing.body {
            Body::Nothing | Body::Length(0) => Stage::Rest,
            Body::Length(length) => Stage::Length(length),
            Body::Chunked => Stage::Chunks(Chunks::default()),
            Body::UntilClose => Stage::UntilClose,
        };
        head.tell(&framing.body, told);
        Ok(())
    }

    fn body(&mut self, bytes: &[u8], told: &mut BytesMut) -> Result<(), Broken> {
        let behind = match &mut self.stage {
            Stage::Rest | Stage::Head => bytes,
            Stage::UntilClose => {
                told.put_slice(bytes);
                &[]
            }
            Stage::Length(left) => {
                let here = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                told.put_slice(&bytes[..here]);
                *left -= here as u64;
                if *left == 0 {
                    self.stage = Stage::Rest;
                }
                &bytes[here..]
            }
            Stage::Chunks(chunks) => {
                let behind = chunks.read(bytes, told)?;
                if chunks.have_ended() {
                    self.stage = Stage::Rest;
                }
                behind
            }
        };
        // What is behind an answer answers nothing.
        self.spent |= !behind.is_empty();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POST: &[u8] = b"POST / HTTP/1.1\r\n\r\n";

    /// What is told of an answer: its head, its body, whether it has ended and whether another one may follow.
    #[derive(Debug, PartialEq)]
    struct Told {
        head: String,
        body: Vec<u8>,
        is_whole: bool,
        is_last: bool,
    }

    /// Reads what comes in these pieces, and then the connection's end.
    fn read<'a>(
        request: &[u8],
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Told, Broken> {
        let (mut reader, mut told) = (Reader::default(), BytesMut::new());
        reader.ask(request);
        for piece in pieces {
            match reader.read(piece, &mut told) {
                // Behind the end: it answers nothing, and the connection is not used again.
                Err(Broken::Unasked) => assert!(reader.is_spent()),
                read => read?,
            }
        }
        let is_last = reader.is_spent();
        let is_whole = reader.end() == End::Whole;
        let end = told.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = told.split_at(end.map_or(told.len(), |end| end + 4));
        let head = String::from_utf8_lossy(head).into_owned();
        let body = if head.contains("transfer-encoding") {
            unchunked(body)
        } else {
            body.to_vec()
        };
        Ok(Told {
            head,
            body,
            is_whole,
            is_last,
        })
    }

    /// As a client would read it.
    fn unchunked(mut body: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(body) {
            let size = usize::try_from(size).expect("small");
            data.extend_from_slice(&body[start..start + size]);
            body = &body[start + size + 2..];
        }
        data
    }

    fn whole(answer: &str) -> Result<Told, Broken> {
        read(POST, [answer.as_bytes()])
    }

    fn told(status: &str, fields: &str, body: &str) -> Told {
        Told {
            head: format!("HTTP/1.{status} \r\n{fields}\r\n"),
            body: body.into(),
            is_whole: true,
            is_last: false,
        }
    }

    /// Ways to answer, and what is told of each.
    fn ways() -> Vec<(String, Told)> {
        let last = |told: Told| Told {
            is_last: true,
            ..told
        };
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let plain = || told("1 200", "content-length: 2\r\n", "ok");
        let chunked = |body| told("1 200", "transfer-encoding: chunked\r\n", body);
        vec![
            (ok.into(), plain()),
            (format!("HTTP/1.1 100 Continue\r\n\r\n{ok}"), plain()),
            (format!("HTTP/1.1 102 Processing\r\nContent-Length: 9\r\n\r\nHTTP/1.1 103 \r\nlink: x\r\n\r\n{ok}"), plain()),
            (format!("{ok}\r\n"), last(plain())),
            (format!("{ok}{ok}"), last(plain())),
            ("HTTP/1.1 204 No Content\r\n\r\n".into(), told("1 204", "", "")),
            ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n".into(), last(told("1 204", "", ""))),
            ("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n".into(), last(told("1 304", "", ""))),
            ("HTTP/1.1 200 OK\r\n\r\nto the end".into(), last(told("0 200", "", "to the end"))),
            ("HTTP/1.0 200 OK\r\n\r\n".into(), last(told("0 200", "", ""))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n".into(),
                chunked("abcde"),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), chunked("")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n".into(),
                last(chunked("a")),
            ),
            ("HTTP/1.1 999 Odd\nx: a\n b\nContent-Length: 0\n\n".into(), told("1 999", "content-length: 0\r\nx: a b\r\n", "")),
        ]
    }

    #[test]
    fn each_way_to_answer_is_told_as_what_it_means() {
        for (answer, expected) in ways() {
            assert_eq!(whole(&answer), Ok(expected), "{answer:?}");
        }
    }

    #[test]
    fn how_the_network_cut_an_answer_changes_nothing() {
        for (answer, expected) in ways() {
            let bytes = answer.as_bytes();
            for at in 0..=bytes.len() {
                let (one, other) = bytes.split_at(at);
                let read = read(POST, [one, other]);
                assert_eq!(read.as_ref(), Ok(&expected), "{answer:?} at {at}");
            }
            assert_eq!(read(POST, bytes.chunks(1)), Ok(expected), "{answer:?}");
        }
    }

    #[test]
    fn what_breaks_off_is_not_whole() {
        for (answer, expected) in ways().into_iter().filter(|(_, told)| !told.is_last) {
            for length in 0..answer.len() {
                let read = read(POST, [&answer.as_bytes()[..length]]).expect("a beginning");
                assert!(!read.is_whole, "{answer:?} up to {length}");
                assert!(
                    expected.body.starts_with(&read.body),
                    "{answer:?} up to {length}"
                );
            }
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let read = read(b"HEAD / HTTP/1.1\r\n\r\n", [answer.as_slice()]);
        assert_eq!(read, Ok(told("1 200", "", "")));
    }

    #[test]
    fn what_is_no_answer_is_refused_and_the_connection_with_it() {
        for (answer, why) in [
            (
                "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n".to_owned(),
                Broken::Switched,
            ),
            (
                "HTTP/1.1 100 \r\n\r\n".repeat(INTERIM_MAX + 1),
                Broken::Interim,
            ),
            (
                format!("HTTP/1.1 103 \r\nx: {}\r\n\r\n", "x".repeat(9000)).repeat(20),
                Broken::LongHead,
            ),
            (
                format!("HTTP/1.1 200 \r\nx: {}", "x".repeat(HEAD_MAX)),
                Broken::LongHead,
            ),
            ("SSH-2.0".into(), Broken::Tongue),
            (
                "HTTP/1.1 200 \r\nContent-Length: 1, 2\r\n\r\n".into(),
                Broken::Length,
            ),
        ] {
            let (mut reader, mut told) = (Reader::default(), BytesMut::new());
            reader.ask(POST);
            assert_eq!(reader.read(answer.as_bytes(), &mut told), Err(why));
            assert!(reader.is_spent() && told.is_empty());
        }
        let mut reader = Reader::default();
        let unasked = reader.read(b"HTTP/1.1 408 Late\r\n\r\n", &mut BytesMut::new());
        assert_eq!(unasked, Err(Broken::Unasked));
        assert!(reader.is_spent());
    }

    #[test]
    fn what_was_there_before_the_request_says_no_for_now_or_is_no_answer() {
        let answer = |status: u16| format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
        for status in [200, 204, 302, 400, 404, 410, 500] {
            let early = answer(status);
            for at in 1..=early.len() {
                let (mut reader, mut told) = (Reader::default(), BytesMut::new());
                reader.ask(POST);
                let (before, behind) = early.as_bytes().split_at(at);
                let read = reader.read_early(before, &mut told);
                let read = read.and_then(|()| reader.read(behind, &mut told));
                assert_eq!(read, Err(Broken::Unasked), "{status}");
                assert!(reader.is_spent() && told.is_empty());
            }
        }
        for status in [408, 429, 503] {
            let (mut reader, mut told) = (Reader::default(), BytesMut::new());
            reader.ask(POST);
            let read = reader.read_early(answer(status).as_bytes(), &mut told);
            assert_eq!((read, reader.status()), (Ok(()), Some(status)));
            assert!(reader.is_spent(), "nothing more goes over it");
        }
        let (mut reader, mut told) = (Reader::default(), BytesMut::new());
        reader.ask(POST);
        let interim = reader.read_early(b"HTTP/1.1 100 Continue\r\n\r\n", &mut told);
        let read = reader.read(answer(200).as_bytes(), &mut told);
        assert_eq!((interim, read), (Ok(()), Ok(())));
        assert!(reader.status() == Some(200) && !reader.is_spent());
    }

    #[test]
    fn each_request_gets_its_own_answer() {
        let (mut reader, mut told) = (Reader::default(), BytesMut::new());
        for status in [200, 500, 204] {
            reader.ask(POST);
            reader
                .read(b"HTTP/1.1 103 \r\n\r\n", &mut told)
                .expect("interim");
            assert_eq!((reader.status(), told.len()), (None, 0));
            let answer = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
            reader
                .read(answer.as_bytes(), &mut told)
                .expect("an answer");
            assert_eq!(reader.status(), Some(status));
            assert!(reader.is_at_rest() && !reader.is_spent());
            told.clear();
        }
    }

    proptest! {
        /// Whatever comes, and however it is cut: never a panic, always the same, and nothing behind the end is told.
        #[test]
        fn noise_in_any_pieces_is_read_the_same(
            way in 0..14_usize,
            noise in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..4),
            size in 1..40_usize,
        ) {
            let (answer, _) = ways().swap_remove(way);
            let mut bytes = answer.into_bytes();
            for (place, byte) in noise {
                let place = usize::from(place) % bytes.len();
                bytes[place] = byte;
            }
            let (once, pieces) = (read(POST, [bytes.as_slice()]), read(POST, bytes.chunks(size)));
            match (once, pieces) {
                (Ok(once), Ok(pieces)) => prop_assert_eq!(once, pieces),
                // What is wrong in a line is seen when the line is there.
                (Err(_), Ok(told)) | (Ok(told), Err(_)) => prop_assert!(!told.is_whole),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
