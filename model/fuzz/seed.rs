//! A request and its source as one text that a fuzzer can change piece by piece: the type, behind `=` the secrets, behind
//! `?` the other fields of `config.auth` as a form, method and URL, the headers, an empty line, the body, and behind a marker the document
//! that any URL publishes.

use bytes::Bytes;
use model::{
    catalog::{LiveSecret, Secret, Source, Verification},
    ids::SourceId,
    time::Timestamp,
    traffic::{Origin, RequestRecord},
};

const DOCUMENT: &[u8] = b"\n--document--\n";

pub struct Seed {
    pub verification: Verification,
    pub record: RequestRecord,
    pub url: String,
    pub body: Bytes,
    pub document: Bytes,
}

impl Seed {
    pub fn read(input: &[u8]) -> Option<Self> {
        let (input, document) = halves(input, DOCUMENT).unwrap_or((input, b""));
        let (head, body) = halves(input, b"\n\n")?;
        let mut lines = std::str::from_utf8(head).ok()?.split('\n');
        let mut verification = Verification::of(lines.next()?);
        let secrets = lines
            .next()?
            .strip_prefix('=')?
            .split('\t')
            .filter(|secret| !secret.is_empty());
        verification.secrets = secrets
            .map(|secret| LiveSecret::new(Secret::new(secret.replace('\r', "\n"))))
            .collect();
        for (name, value) in form_urlencoded::parse(lines.next()?.strip_prefix('?')?.as_bytes()) {
            verification
                .fields
                .insert(name.into_owned(), Secret::new(value.into_owned()));
        }
        let (method, url) = lines.next()?.split_once(' ')?;
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((
                name.to_ascii_lowercase(),
                Bytes::copy_from_slice(value.as_bytes()),
            ))
        };
        Some(Self {
            verification,
            record: RequestRecord {
                source_id: SourceId(1),
                received_at: Timestamp(0),
                method: method.to_owned(),
                path: String::new(),
                query: url
                    .split_once('?')
                    .map_or("", |(_, query)| query)
                    .to_owned(),
                headers: lines.filter_map(header).collect(),
                origin: Origin::Unproven,
            },
            url: url.to_owned(),
            body: Bytes::copy_from_slice(body),
            document: Bytes::copy_from_slice(document),
        })
    }

    pub fn source(&self) -> Source {
        Source {
            id: SourceId(1),
            name: "seed".into(),
            description: None,
            verification: self.verification.clone(),
            allowed_http_methods: Vec::new(),
            custom_response: None,
            deduplicate: None,
            ordering_key: Vec::new(),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    /// The same as text; unused where only the fuzzer writes.
    #[allow(dead_code)]
    pub fn write(&self) -> Vec<u8> {
        let fields = self
            .verification
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.reveal()));
        let fields: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let secrets: Vec<_> = self
            .verification
            .secrets
            .iter()
            .map(|live| live.secret.reveal().replace('\n', "\r"))
            .collect();
        let mut text = format!(
            "{}\n={}\n?{fields}\n{} {}",
            self.verification.scheme,
            secrets.join("\t"),
            self.record.method,
            self.url
        )
        .into_bytes();
        for (name, value) in &self.record.headers {
            text.extend_from_slice(format!("\n{name}: ").as_bytes());
            text.extend_from_slice(value);
        }
        text.extend_from_slice(b"\n\n");
        text.extend_from_slice(&self.body);
        if !self.document.is_empty() {
            text.extend_from_slice(DOCUMENT);
            text.extend_from_slice(&self.document);
        }
        text
    }
}

fn halves<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}
