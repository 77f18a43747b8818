//! The parsed body of a request, cached for all who look into it: verification, filters, deduplication.

use super::{form, multipart, xml};
use crate::{
    traffic::RequestRecord,
    tree::{self, Tree, charset},
};
use std::{borrow::Cow, sync::OnceLock};

/// The trees of one body. Nobody's, until somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// As JSON, whatever the content type says; none when it is not.
    json: OnceLock<Option<Tree>>,
    /// As a form, of parts where the content type says so.
    form: OnceLock<Option<Tree>>,
    xml: OnceLock<Option<Tree>>,
}

impl Parsed {
    /// A body as JSON, in the charset that its headers tell; none when it is not.
    pub(crate) fn json(&self, record: &RequestRecord, body: &[u8]) -> Option<&Tree> {
        let read = || {
            let kind = content_type(record);
            tree::read(&charset::decoded(body, kind.as_deref())).ok()
        };
        self.json.get_or_init(read).as_ref()
    }

    /// A body as a form; none when it is not, or beyond the bounds.
    pub(crate) fn form(&self, record: &RequestRecord, body: &[u8]) -> Option<&Tree> {
        let read = || match content_type(record) {
            Some(kind) if is_multipart(&kind) => multipart::read(&kind, body),
            kind => form::read(kind.as_deref(), body),
        };
        self.form.get_or_init(read).as_ref()
    }

    pub(super) fn xml(&self, record: &RequestRecord, body: &[u8]) -> Option<&Tree> {
        let read = || xml::read(content_type(record).as_deref(), body);
        self.xml.get_or_init(read).as_ref()
    }
}

fn content_type(record: &RequestRecord) -> Option<Cow<'_, str>> {
    let content_type = record.header_all("content-type").next()?;
    Some(String::from_utf8_lossy(content_type))
}

/// Whether a content type is that of a form of parts.
pub(crate) fn is_multipart(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}
