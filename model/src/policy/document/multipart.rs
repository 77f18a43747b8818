//! `multipart/form-data` (RFC 7578, within RFC 2046) as an object: a field is its text, a file an object that describes it,
//! several parts of one name are a list.
//!
//! What stands before the first boundary and behind the last one is skipped. A form without its last boundary ends with the
//! body, and lines may end without a carriage return: senders do both. Parts within parts are a file like any other.

use super::form::unescaped;
use crate::tree::{Gathered, Text, Tree, charset};
use sha2::{Digest as _, Sha256};

/// Parts that a form may have.
pub(crate) const PARTS_MAX: usize = 4_096;
/// Bytes of the headers of one part.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a boundary. The standard allows 70.
const BOUNDARY_BYTES_MAX: usize = 256;
/// The field that tells what characters the others are in (RFC 7578 section 4.6).
const CHARSET: &str = "_charset_";

/// The form by its content type; none when it is not well-formed, or beyond the bounds.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Tree> {
    let boundary = charset::parameter(content_type, "boundary")?;
    let parts = parts(body, &boundary)?;
    let charset = parts.iter().find(|part| part.name == CHARSET);
    let charset = charset.map(|part| String::from_utf8_lossy(part.body).trim().to_owned());
    let mut fields = Gathered::default();
    for part in parts {
        let value = match part.is_file() {
            true => part.file(),
            false => Tree::Text(part.text(charset.as_deref())),
        };
        fields.add(part.name, value);
    }
    Some(Tree::Object(fields.into()))
}

/// Whether a value is what a file is described by here, and not a field.
pub(crate) fn is_file(value: &Tree) -> bool {
    let Tree::Object(members) = value else {
        return false;
    };
    let names = members.iter().map(|(name, _)| name.as_str());
    names.eq(["filename", "content_type", "size", "sha256"])
}

#[derive(Debug, PartialEq, Eq)]
struct Part<'b> {
    /// Empty where it has none.
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    body: &'b [u8],
}

impl Part<'_> {
    /// A part that has a file's name, or a type that no field has.
    fn is_file(&self) -> bool {
        let Some(content_type) = &self.content_type else {
            return self.filename.is_some();
        };
        let essence = content_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        let is_text = essence.is_empty()
            || essence.starts_with("text/")
            || ["/json", "+json", "/xml", "+xml"]
                .iter()
                .any(|kind| essence.ends_with(kind));
        self.filename.is_some() || !is_text
    }

    /// Whoever looks for one that came before must tell two files of one name and size apart: hence the digest.
    fn file(&self) -> Tree {
        let text = |text: &Option<String>| text.as_deref().map_or(Tree::Null, Tree::text);
        Tree::object([
            ("filename".into(), text(&self.filename)),
            ("content_type".into(), text(&self.content_type)),
            ("size".into(), Tree::Number((self.body.len() as u64).into())),
            (
                "sha256".into(),
                Tree::text(hex::encode(Sha256::digest(self.body))),
            ),
        ])
    }

    /// A field in the charset of its part, or that of the whole form.
    fn text(&self, charset: Option<&str>) -> Text {
        let own = self.content_type.as_deref();
        let has_own = own.is_some_and(|kind| charset::parameter(kind, "charset").is_some());
        let of_form = charset.map(|charset| format!("text/plain; charset=\"{charset}\""));
        let kind = if has_own { own } else { of_form.as_deref() };
        Text::of_bytes(&charset::decoded_field(self.body, kind))
    }
}

/// The parts in their order; none when there is no boundary in the body, or too much of anything.
fn parts<'b>(body: &'b [u8], boundary: &str) -> Option<Vec<Part<'b>>> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return None;
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut at = next_delimiter(body, 0, &delimiter)?;
    let mut parts = Vec::new();
    while !at.is_last {
        let next = next_delimiter(body, at.behind, &delimiter);
        // The line break in front belongs to the boundary.
        let end = next.as_ref().map_or(body.len(), |next| next.start);
        let part = body.get(at.behind..end).unwrap_or_default();
        let part = if next.is_some() {
            without_break(part)
        } else {
            part
        };
        parts.push(read_part(part)?);
        if parts.len() > PARTS_MAX {
            return None;
        }
        let Some(next) = next else {
            break;
        };
        at = next;
    }
    Some(parts)
}

/// A line that is a boundary.
struct Delimiter {
    start: usize,
    /// Where the next line begins.
    behind: usize,
    is_last: bool,
}

/// The first boundary from a place that begins a line.
fn next_delimiter(body: &[u8], from: usize, delimiter: &[u8]) -> Option<Delimiter> {
    let mut start = from;
    loop {
        let line = body.get(start..).filter(|line| !line.is_empty())?;
        let len = line.iter().position(|byte| *byte == b'\n');
        let behind = start + len.map_or(line.len(), |len| len + 1);
        if let Some(rest) = line.strip_prefix(delimiter) {
            let rest = &rest[..len.map_or(rest.len(), |len| len - delimiter.len())];
            let is_last = rest.starts_with(b"--");
            // A longer word that begins so is none. What follows the last one does not matter.
            if is_last || rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                return Some(Delimiter {
                    start,
                    behind,
                    is_last,
                });
            }
        }
        start = behind;
    }
}

fn without_break(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

fn read_part(part: &[u8]) -> Option<Part<'_>> {
    let mut read = Part {
        name: String::new(),
        filename: None,
        content_type: None,
        body: &[],
    };
    let mut rest = part;
    let mut header = String::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, behind) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[][..]),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if part.len() - behind.len() > HEAD_BYTES_MAX {
            return None;
        }
        let line = String::from_utf8_lossy(line);
        if line.starts_with([' ', '\t']) && !header.is_empty() {
            header.push_str(&line);
        } else {
            read.header(&header);
            header = line.into_owned();
        }
        rest = behind;
        if header.is_empty() {
            read.body = rest;
            return Some(read);
        }
        if end.is_none() {
            // Headers and no empty line behind them: no body.
            read.header(&header);
            return Some(read);
        }
    }
}

impl Part<'_> {
    fn header(&mut self, header: &str) {
        let Some((name, value)) = header.split_once(':') else {
            return;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                self.name = parameter(value, "name").unwrap_or_default();
                self.filename = parameter(value, "filename");
            }
            "content-type" => self.content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
}

/// A parameter, in its extended form (`filename*=UTF-8''a%20b`, RFC 8187) if it has one.
fn parameter(value: &str, name: &str) -> Option<String> {
    let extended = charset::parameter(value, &format!("{name}*"));
    let extended = extended.as_deref().and_then(|text| {
        let (charset, rest) = text.split_once('\'')?;
        let (_, encoded) = rest.split_once('\'')?;
        let kind = format!("text/plain; charset=\"{charset}\"");
        let decoded =
            charset::decoded_field(&unescaped(encoded.as_bytes(), false), Some(&kind)).into_owned();
        Some(String::from_utf8_lossy(&decoded).into_owned())
    });
    extended.or_else(|| charset::parameter(value, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const TYPE: &str = "multipart/form-data; boundary=X";

    fn form(body: &[u8]) -> Option<Value> {
        let tree = read(TYPE, body)?;
        let json = tree::write(&tree, usize::MAX).expect("fits");
        Some(serde_json::from_slice(&json).expect("JSON"))
    }

    fn field(head: &str, body: &str) -> String {
        format!("--X\r\n{head}\r\n\r\n{body}\r\n")
    }

    fn named(name: &str, body: &str) -> String {
        field(
            &format!("Content-Disposition: form-data; name=\"{name}\""),
            body,
        )
    }

    #[test]
    fn fields_are_texts_and_files_are_described() {
        let file = "Content-Disposition: form-data; name=\"doc\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf";
        let body = [
            "preamble\r\n",
            &named("subject", "Grüße,\r\nMax"),
            &named("tag", "a"),
            &named("tag", "b"),
            &field(file, "abc"),
            &named("empty", ""),
            "--X--\r\nepilogue --X",
        ];
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = json!({
            "subject": "Grüße,\r\nMax",
            "tag": ["a", "b"],
            "doc": {"filename": "a.pdf", "content_type": "application/pdf", "size": 3, "sha256": sha256},
            "empty": "",
        });
        assert_eq!(form(body.concat().as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_form_has_no_structure_and_an_empty_one_is_empty() {
        assert_eq!(form(b"--X--"), Some(json!({})));
        for body in ["", "a=1", "--Y\r\n\r\n\r\n--Y--", "x--X--"] {
            assert_eq!(form(body.as_bytes()), None, "{body}");
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=\"\""] {
            assert_eq!(read(kind, b"--X--"), None, "{kind}");
        }
        let quoted = "multipart/form-data; charset=utf-8; boundary=\"a b:=c\"";
        assert!(read(quoted, b"--a b:=c\r\n\r\nx\r\n--a b:=c--").is_some());
    }

    #[test]
    fn senders_that_are_careless_are_understood() {
        let expected = Some(json!({"a": "1\n2", "b": "3"}));
        for body in [
            "--X\ncontent-disposition:form-data;name=a\n\n1\n2\n--X\nContent-Disposition: form-data; name=b\n\n3\n--X--",
            "--X  \r\nContent-Disposition: form-data;\r\n\tname=\"a\"\r\n\r\n1\n2\r\n--X\r\nContent-Disposition: form-data; name='b'\r\nX-Other: 1\r\n\r\n3",
        ] {
            assert_eq!(form(body.as_bytes()), expected, "{body}");
        }
        let within = named("a", "--XY\r\n --X\r\n--");
        assert_eq!(
            form(within.as_bytes()),
            Some(json!({"a": "--XY\r\n --X\r\n--\r\n"}))
        );
        assert_eq!(form(b"--X\r\n\r\nx\r\n--X--"), Some(json!({"": "x"})));
        assert_eq!(
            form(b"--X\r\nContent-Disposition: form-data; name=a\r\n--X--"),
            Some(json!({"a": ""}))
        );
    }

    #[test]
    fn a_file_is_known_by_its_name_or_its_type() {
        let body = [
            field(
                "Content-Disposition: form-data; name=a; filename*=UTF-8''Z%c3%bcrich%20%C2%A7.txt; filename=\"Z.txt\"",
                "x",
            ),
            field(
                "Content-Disposition: form-data; name=b; filename=\"\"\r\nContent-Type: text/plain",
                "",
            ),
            field(
                "Content-Disposition: form-data; name=c\r\nContent-Type: application/octet-stream",
                "\u{0}",
            ),
            field(
                "Content-Disposition: form-data; name=d\r\nContent-Type: application/json; charset=utf-8",
                "{}",
            ),
            "--X--".to_owned(),
        ];
        let form = form(body.concat().as_bytes()).expect("a form");
        assert_eq!(form["a"]["filename"], "Zürich §.txt");
        assert_eq!(
            (&form["b"]["filename"], &form["b"]["size"]),
            (&json!(""), &json!(0))
        );
        assert_eq!(form["c"]["content_type"], "application/octet-stream");
        assert_eq!(form["d"], "{}");
    }

    #[test]
    fn a_charset_is_that_of_the_part_or_of_the_form() {
        let charset = named(CHARSET, "iso-8859-1");
        let latin = [
            charset.as_bytes(),
            b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\xf6\r\n",
            b"--X\r\nContent-Disposition: form-data; name=b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xb6\r\n--X--",
        ];
        let form_of = form(&latin.concat()).expect("a form");
        assert_eq!((&form_of["a"], &form_of["b"]), (&json!("ö"), &json!("ö")));
        let tree = read(
            TYPE,
            b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\xf6\r\n--X--",
        )
        .expect("a form");
        assert_eq!(tree.key("a").and_then(Tree::as_str), Some("\u{fffd}"));
    }

    #[test]
    fn parts_and_their_heads_have_bounds() {
        let many = |parts: usize| named("a", "").repeat(parts);
        assert!(form(many(PARTS_MAX).as_bytes()).is_some());
        assert!(form(many(PARTS_MAX + 1).as_bytes()).is_none());
        let head = |bytes: usize| field(&format!("x: {}", "y".repeat(bytes)), "");
        assert!(form(head(HEAD_BYTES_MAX - 100).as_bytes()).is_some());
        assert!(form(head(HEAD_BYTES_MAX).as_bytes()).is_none());
        let boundary = "b".repeat(BOUNDARY_BYTES_MAX + 1);
        let kind = format!("multipart/form-data; boundary={boundary}");
        assert!(read(&kind, format!("--{boundary}--").as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn any_fields_come_back(fields in prop::collection::vec(("[a-z]{1,4}", "[^X]{0,12}"), 0..6)) {
            let body: String = fields.iter().map(|(name, value)| named(name, value)).collect();
            let tree = read(TYPE, format!("{body}--X--").as_bytes()).expect("a form");
            let mut gathered = Gathered::default();
            for (name, value) in &fields {
                gathered.add(name.as_str(), Tree::text(value.as_str()));
            }
            prop_assert_eq!(tree, Tree::Object(gathered.into()));
        }

        #[test]
        fn no_body_makes_it_panic(bytes: Vec<u8>, text in "(-|X|\\r|\\n|:|;|=|\"|'|a|content-disposition:|name){0,40}") {
            let _ = read(TYPE, &bytes);
            let _ = read(TYPE, text.as_bytes());
            let _ = read(&text, text.as_bytes());
        }
    }
}
