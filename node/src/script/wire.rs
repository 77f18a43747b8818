//! The protocol between a node and an engine's process, over their socket: frames of a head, a code and a body.

use super::{
    call::{Payload, Request},
    confinement::Lack,
    execution::ConsoleLine,
    failure::ScriptFailure,
    limits::Limits,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::Arc,
};

/// A run, or a check when there is no request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) limits: Limits,
    pub(super) env: Arc<BTreeMap<String, String>>,
    pub(super) request: Option<Request>,
    pub(super) context: Map<String, Value>,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) seed: u64,
}

/// The report of a run, from the engine's process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) failure: Option<ScriptFailure>,
    /// The JSON of what the handler returned, as QuickJS wrote it: the node looks at it itself. Empty after a check.
    #[serde(skip)]
    pub(super) returned: String,
    pub(super) logs: Vec<ConsoleLine>,
    pub(super) took_us: u64,
    /// The process ends after this.
    pub(super) is_last: bool,
    /// What of the process's confinement is not in force.
    pub(super) lacks: Vec<Lack>,
}

impl Report {
    /// Nothing was run: the system does not confine the process.
    pub(super) fn unconfined(lacks: Vec<Lack>) -> Self {
        Self {
            failure: Some(ScriptFailure::Engine),
            returned: String::new(),
            logs: Vec::new(),
            took_us: 0,
            is_last: true,
            lacks,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Head<T> {
    body: Kind,
    it: T,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Empty,
    Json,
    Text,
}

/// Whatever the other side says, no part of a frame may be larger: neither its head,
const HEAD_MAX: usize = 8 * 1024 * 1024;
/// nor the code or the result (bodies have at most 32 MiB, results twice that),
const TEXT_MAX: usize = 72 * 1024 * 1024;
/// nor the body.
const BODY_MAX: usize = 40 * 1024 * 1024;
const PARTS_MAX: [usize; 3] = [HEAD_MAX, TEXT_MAX, BODY_MAX];

/// Sends a job with its code.
pub(super) fn send_job(to: &mut impl Write, job: &Job, code: &str) -> io::Result<()> {
    let none = Payload::Empty;
    let body = job.request.as_ref().map_or(&none, |it| &it.body);
    send(to, job, code, body)
}

/// Receives a job and its code. None: the other side has gone in between jobs.
pub(super) fn receive_job(from: &mut impl Read) -> io::Result<Option<(Job, String)>> {
    let Some((mut job, code, body)) = receive::<Job>(from)? else {
        return Ok(None);
    };
    if let Some(request) = &mut job.request {
        request.body = body;
    }
    Ok(Some((job, code)))
}

/// Sends a report.
pub(super) fn send_report(to: &mut impl Write, report: &Report) -> io::Result<()> {
    send(to, report, &report.returned, &Payload::Empty)
}

/// Receives a report.
pub(super) fn receive_report(from: &mut impl Read) -> io::Result<Report> {
    let (report, returned, _) = receive::<Report>(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(Report { returned, ..report })
}

fn send(to: &mut impl Write, it: &impl Serialize, text: &str, body: &Payload) -> io::Result<()> {
    let kind = match body {
        Payload::Empty => Kind::Empty,
        Payload::Json(_) => Kind::Json,
        Payload::Text(_) => Kind::Text,
    };
    let head = serde_json::to_vec(&Head { body: kind, it })?;
    let parts = [&head, text.as_bytes(), body.bytes()];
    let mut start = Vec::with_capacity(12 + head.len());
    for (part, most) in parts.iter().zip(PARTS_MAX) {
        if part.len() > most {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        start.extend((part.len() as u32).to_le_bytes());
    }
    start.extend(&head);
    to.write_all(&start)?;
    to.write_all(text.as_bytes())?;
    to.write_all(body.bytes())
}

fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, String, Payload)>> {
    let mut lengths = [0; 12];
    match from.read(&mut lengths)? {
        0 => return Ok(None),
        n => from.read_exact(&mut lengths[n..])?,
    }
    let mut parts = Vec::with_capacity(3);
    for (length, most) in lengths.chunks_exact(4).zip(PARTS_MAX) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        if length > most {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut part = Vec::new();
        // Grows as the bytes come: a length alone allocates nothing.
        from.by_ref().take(length as u64).read_to_end(&mut part)?;
        if part.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        parts.push(part);
    }
    let [head, text, body] = <[Vec<u8>; 3]>::try_from(parts).expect("three parts");
    let head: Head<T> = serde_json::from_slice(&head)?;
    let text = String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData)?;
    let body = match head.body {
        Kind::Empty => Payload::Empty,
        Kind::Json => Payload::Json(Bytes::from(body)),
        Kind::Text => Payload::Text(Bytes::from(body)),
    };
    Ok(Some((head.it, text, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            limits: Limits::of(&crate::config::Config::default()),
            env: Arc::new(BTreeMap::from([("A".into(), "b".into())])),
            request: Some(Request {
                method: "POST".into(),
                path: "/x".into(),
                query: String::new(),
                parsed_query: Value::Null,
                headers: Map::new(),
                body: Payload::Empty,
            }),
            context: Map::new(),
            at_ms: 7,
            seed: u64::MAX,
        }
    }

    fn frame() -> Vec<u8> {
        let mut job = job();
        job.request.as_mut().expect("a run").body = Payload::Json(Bytes::from_static(b"{}"));
        let mut frame = Vec::new();
        send_job(&mut frame, &job, "code").expect("memory takes it");
        frame
    }

    #[test]
    fn jobs_arrive_as_they_were_sent() {
        let sent = frame();
        let (job, code) = receive_job(&mut sent.as_slice())
            .expect("whole")
            .expect("a job");
        assert_eq!((code.as_str(), job.seed, job.at_ms), ("code", u64::MAX, 7));
        let body = job.request.expect("a run").body;
        assert_eq!(body, Payload::Json(Bytes::from_static(b"{}")));
    }

    #[test]
    fn reports_arrive_as_they_were_sent() {
        let report = Report {
            failure: Some(ScriptFailure::Promise),
            returned: "{\"é\":1}".into(),
            logs: Vec::new(),
            took_us: 9,
            is_last: true,
            lacks: Vec::new(),
        };
        let mut sent = Vec::new();
        send_report(&mut sent, &report).expect("memory takes it");
        let read = receive_report(&mut sent.as_slice()).expect("whole");
        assert_eq!(
            (read.failure, read.returned, read.took_us, read.is_last),
            (report.failure, report.returned, 9, true)
        );
    }

    #[test]
    fn a_broken_frame_is_an_error_wherever_it_breaks() {
        let sent = frame();
        assert!(receive_job(&mut [].as_slice()).expect("gone").is_none());
        for length in 1..sent.len() {
            assert!(receive_job(&mut &sent[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_length_alone_allocates_nothing() {
        for length in [u32::MAX, HEAD_MAX as u32] {
            let mut sent = length.to_le_bytes().repeat(3);
            sent.extend([0; 10]);
            assert!(receive_report(&mut sent.as_slice()).is_err());
        }
    }

    #[test]
    fn whatever_comes_is_an_answer_or_an_error() {
        let sent = frame();
        for at in 0..sent.len() {
            let mut sent = sent.clone();
            sent[at] ^= 0x41;
            // What it must not do is panic.
            let _ = receive_job(&mut sent.as_slice());
            let _ = receive_report(&mut sent.as_slice());
        }
    }
}
