//! The signed message as a template: literal text with parts in braces, such as `v0:{timestamp}:{body}`.

use super::{
    diagnosis::Diagnosis,
    digest::Digest,
    facts::{Facts, Field},
    layout::Group,
};

/// The variables of a template: everything that it can draw from.
pub(super) struct Sources<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// The part of the signature's value that the candidates stand in.
    pub(super) group: &'a Group<'a>,
    /// The signed timestamp, verbatim.
    pub(super) timestamp: Option<&'a str>,
    pub(super) secret: &'a str,
    pub(super) fields: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// The names that a template may use; those that end in a colon take an argument.
pub const PARTS: &[(&str, &str)] = &[
    ("timestamp", "the signed timestamp as it stands there"),
    ("body", "the raw body"),
    ("secret", "the secret"),
    ("method", "the method in capitals"),
    ("url", "the URL that the sender was told"),
    ("base_url", "that URL without its query"),
    ("path", "that URL's path and query"),
    ("query", "the query as received"),
    ("form", "each form field's name and value, sorted by name"),
    ("body_sha256", "the hex SHA-256 of the body"),
    ("body_crc32", "the CRC-32 of the body, decimal"),
    ("header:", "a header"),
    ("form:", "a field of the form"),
    ("pair:", "another element of the signature's value"),
    ("json:", "a value of the JSON body"),
    ("json?:", "the same, empty when it is missing"),
    ("field:", "a field of the source's `config.auth`"),
];

/// Says what is wrong with a template.
///
/// # Errors
/// The part that no one knows, or that a brace is missing.
pub fn validate(template: &str) -> Result<(), String> {
    let mut rest = template;
    while let Some((_, behind)) = rest.split_once('{') {
        let Some((part, after)) = behind.split_once('}') else {
            return Err("a brace is not closed".into());
        };
        let known = PARTS.iter().any(|(name, _)| {
            if name.ends_with(':') {
                part.strip_prefix(name)
                    .is_some_and(|argument| !argument.is_empty())
            } else {
                part == *name
            }
        });
        if !known {
            return Err(format!("{{{part}}} is not a known part"));
        }
        rest = after;
    }
    Ok(())
}

/// Feeds the message to a sink, piece by piece.
pub(super) fn render(
    template: &str,
    sources: &Sources<'_>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), Diagnosis> {
    let mut rest = template;
    while let Some((literal, behind)) = rest.split_once('{') {
        sink(literal.as_bytes());
        let (part, after) = behind.split_once('}').unwrap_or((behind, ""));
        render_part(part, sources, sink)?;
        rest = after;
    }
    sink(rest.as_bytes());
    Ok(())
}

fn render_part(
    part: &str,
    sources: &Sources<'_>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), Diagnosis> {
    let facts = sources.facts;
    match part.split_once(':').unwrap_or((part, "")) {
        ("body", _) => sink(facts.body),
        ("timestamp", _) => {
            let timestamp = sources.timestamp;
            sink(
                timestamp
                    .ok_or_else(|| Diagnosis::missing("timestamp"))?
                    .as_bytes(),
            );
        }
        ("secret", _) => sink(sources.secret.as_bytes()),
        ("method", _) => sink(facts.record.method.as_bytes()),
        ("url", _) => sink(facts.url.as_bytes()),
        ("base_url", _) => sink(base_url(facts.url).as_bytes()),
        ("path", _) => sink(path_and_query(facts.url).as_bytes()),
        ("query", _) => sink(facts.record.query.as_bytes()),
        ("form", name) if !name.is_empty() => sink(facts.form_field(name)?.as_bytes()),
        ("form", _) => {
            if facts.is_form() {
                sink(sorted_form(facts)?.as_bytes());
            }
        }
        ("body_sha256", _) => sink(hex::encode(Digest::Sha256.of(facts.body)).as_bytes()),
        ("body_crc32", _) => sink(crc32fast::hash(facts.body).to_string().as_bytes()),
        ("header", name) => sink(facts.header(name)?.as_bytes()),
        ("pair", name) => {
            let value = sources.group.pair(name)?;
            let missing = || Diagnosis::missing(format!("element {name} of the signature"));
            sink(value.ok_or_else(missing)?.as_bytes());
        }
        ("json", path) => sink(facts.json_required(path)?.as_bytes()),
        ("json?", path) => sink(facts.json(path).unwrap_or_default().as_bytes()),
        ("field", name) => {
            let missing = || Diagnosis::Unfinished(format!("config.auth.{name} is missing"));
            sink((sources.fields)(name).ok_or_else(missing)?.as_bytes());
        }
        _ => {
            return Err(Diagnosis::Unfinished(format!(
                "{{{part}}} is not a known part"
            )));
        }
    }
    Ok(())
}

/// Each field's name and value behind each other, sorted by name; equal values of a name stand there once.
pub(super) fn sorted_form(facts: &Facts<'_>) -> Result<String, Diagnosis> {
    let mut fields = facts.sorted_form()?;
    fields.dedup();
    Ok(joined(&fields, facts.body.len()))
}

/// Each field's name and value behind each other, which take about so many bytes.
pub(super) fn joined(fields: &[Field<'_>], bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

pub(super) fn base_url(url: &str) -> &str {
    url.split_once('?').map_or(url, |(base, _)| base)
}

/// The path and query of a URL; a slash when there is neither.
pub(super) fn path_and_query(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.find(['/', '?']).map_or("/", |at| &behind[at..])
}

#[cfg(test)]
mod tests {
    use super::{
        super::facts::tests::{facts, record},
        *,
    };

    fn rendered(
        template: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<String, Diagnosis> {
        let record = record("POST", headers);
        let facts = facts(&record, body);
        let group = Group::default();
        let sources = Sources {
            facts: &facts,
            group: &group,
            timestamp: Some("17"),
            secret: "s",
            fields: &|name| (name == "known").then_some("f"),
        };
        let mut text = Vec::new();
        render(template, &sources, &mut |piece| {
            text.extend_from_slice(piece)
        })?;
        Ok(String::from_utf8(text).expect("text"))
    }

    #[test]
    fn a_message_is_put_together_from_its_parts() {
        let headers = [
            ("x-id", "7"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        for (template, expected) in [
            ("v0:{timestamp}:{body}", "v0:17:b=2&a=+x&a=1"),
            ("{header:x-id}{secret}{field:known}", "7sf"),
            ("{form}", "a xa1b2"),
            (
                "{method} {url} {base_url} {path}",
                "POST https://events.example.com/src https://events.example.com/src /src",
            ),
            ("plain", "plain"),
        ] {
            let body = b"b=2&a=+x&a=1";
            assert_eq!(
                rendered(template, &headers, body).as_deref(),
                Ok(expected),
                "{template}"
            );
        }
    }

    #[test]
    fn a_part_that_the_request_lacks_is_named() {
        assert_eq!(
            rendered("{header:x-id}", &[], b""),
            Err(Diagnosis::missing("header x-id"))
        );
        assert_eq!(
            rendered("{json:a}", &[], b"[]"),
            Err(Diagnosis::missing("JSON field a"))
        );
        assert_eq!(rendered("{json?:a}", &[], b"[]").as_deref(), Ok(""));
        assert!(matches!(
            rendered("{field:other}", &[], b""),
            Err(Diagnosis::Unfinished(_))
        ));
    }

    #[test]
    fn a_template_that_no_one_can_render_is_refused_beforehand() {
        for right in [
            "",
            "{body}",
            "v1.{timestamp}.{body}",
            "{header:x}{json?:a.b}",
        ] {
            assert_eq!(validate(right), Ok(()), "{right}");
        }
        for wrong in ["{", "{bodi}", "{header:}", "{body", "{}"] {
            assert!(validate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_is_taken_apart_as_text() {
        assert_eq!(path_and_query("https://a.example"), "/");
        assert_eq!(path_and_query("https://a.example?x=1"), "?x=1");
        assert_eq!(path_and_query("https://a.example/b/c?x=1"), "/b/c?x=1");
        assert_eq!(base_url("https://a.example/b?x=/y"), "https://a.example/b");
    }
}
