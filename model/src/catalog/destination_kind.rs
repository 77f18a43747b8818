//! The kinds of destinations, each with what leads to it: a server, a developer's machine, or a mock.

use super::RequestTemplate;
use std::borrow::Cow;

/// A destination's kind and what that needs. A further one is a variant with a target of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum DestinationKind {
    /// A server at a URL.
    Http(HttpTarget),
    /// A developer's machine, by whoever listens with the command line.
    Cli(CliTarget),
    /// Nobody: everything is accepted, and its attempts show it.
    Mock(MockTarget),
}

/// An HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTarget {
    pub url: String,
    pub request: RequestTemplate,
}

/// A port on a developer's machine. Its requests are HTTP's; they reach it by the session that listens.
#[derive(Clone, Debug, PartialEq)]
pub struct CliTarget {
    /// Begins with a slash and stands before the request's own path.
    pub path: String,
    pub request: RequestTemplate,
}

/// A stand-in for a server: its requests are made and not sent.
#[derive(Clone, Debug, PartialEq)]
pub struct MockTarget {
    pub request: RequestTemplate,
}

impl CliTarget {
    /// What a developer's machine is called in the URLs of its attempts.
    pub const LOCAL: &'static str = "http://localhost";

    /// What the URLs of its requests begin with.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{}", Self::LOCAL, self.path)
    }
}

impl MockTarget {
    /// What the URLs of its requests begin with. The name leads nowhere for good (RFC 2606).
    pub const BASE_URL: &'static str = "https://mock-api.invalid";
}

impl DestinationKind {
    pub const NAMES: [&'static str; 3] = ["HTTP", "CLI", "MOCK_API"];

    /// The API's `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "HTTP",
            Self::Cli(_) => "CLI",
            Self::Mock(_) => "MOCK_API",
        }
    }

    /// The template of the HTTP requests that deliveries are. None: the kind speaks no HTTP.
    #[must_use]
    pub fn request(&self) -> Option<&RequestTemplate> {
        match self {
            Self::Http(HttpTarget { request, .. })
            | Self::Cli(CliTarget { request, .. })
            | Self::Mock(MockTarget { request }) => Some(request),
        }
    }

    /// The same, to change it.
    pub fn request_mut(&mut self) -> Option<&mut RequestTemplate> {
        match self {
            Self::Http(HttpTarget { request, .. })
            | Self::Cli(CliTarget { request, .. })
            | Self::Mock(MockTarget { request }) => Some(request),
        }
    }

    /// What the URLs of its requests begin with. None: the kind speaks no HTTP.
    #[must_use]
    pub fn base_url(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Http(target) => Some(Cow::Borrowed(&target.url)),
            Self::Cli(target) => Some(Cow::Owned(target.base_url())),
            Self::Mock(_) => Some(Cow::Borrowed(MockTarget::BASE_URL)),
        }
    }
}
