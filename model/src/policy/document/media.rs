//! The media type of a body, told by its headers.

use crate::traffic::RequestRecord;

/// The forms of bodies that have a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// May hold JSON nevertheless: some senders (AWS SNS among them) name it so.
    PlainText,
    UrlEncoded,
    Multipart,
    Xml,
}

/// The form that the headers tell; none for one without structure, and for a compressed body: it is never unpacked here.
pub(super) fn form_of(record: &RequestRecord) -> Option<Form> {
    let compressed = values(record, "content-encoding")
        .any(|encoding| !matches!(encoding.trim(), "" | "identity"));
    if compressed {
        return None;
    }
    let content_type = values(record, "content-type").next().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    match essence {
        "" => Some(Form::Json),
        "text/plain" => Some(Form::PlainText),
        "application/x-www-form-urlencoded" => Some(Form::UrlEncoded),
        "multipart/form-data" => Some(Form::Multipart),
        _ if subtype == "json" || subtype.ends_with("+json") => Some(Form::Json),
        _ if subtype == "xml" || subtype.ends_with("+xml") => Some(Form::Xml),
        _ => None,
    }
}

/// The values of a header in lower case, lists of several values taken apart.
fn values<'a>(record: &'a RequestRecord, name: &'static str) -> impl Iterator<Item = String> + 'a {
    record.header_all(name).flat_map(|value| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        value.split(',').map(str::to_owned).collect::<Vec<_>>()
    })
}
