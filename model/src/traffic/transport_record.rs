//! What only an attempt's transport can tell of it.

use super::HttpRecord;

/// The part of an attempt's record that is its transport's own.
///
/// Named by what is spoken and not by the kind of destination: a server, a developer's machine and the mock are all asked
/// in HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TransportRecord {
    /// It came to no request: there was no destination, no body, no token, or no place to send it to.
    #[default]
    Unsent,
    /// Boxed: it is by far the largest part, and attempts are moved about a lot.
    Http(Box<HttpRecord>),
}

impl TransportRecord {
    /// A stored record of HTTP's. One without URL and method is of an attempt that came to no request.
    pub(super) fn of(record: HttpRecord) -> Self {
        if record.requested_url.is_empty() && record.http_method.is_empty() {
            Self::Unsent
        } else {
            Self::Http(Box::new(record))
        }
    }

    /// The HTTP request that was made. None: it was none of HTTP's, or there was none.
    #[must_use]
    pub fn http(&self) -> Option<&HttpRecord> {
        match self {
            Self::Unsent => None,
            Self::Http(record) => Some(record),
        }
    }
}
