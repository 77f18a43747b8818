//! Why attempts fail.

use serde::{Deserialize, Serialize};

/// The reason of a failed attempt. The names are the API's (`AttemptErrorCodes`); append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    BadResponse,
    Cancelled,
    Timeout,
    ConnectionRefused,
    ConnectionReset,
    MissingUrl,
    SelfSignedCert,
    ErrTlsCertAltnameInvalid,
    ErrSslWrongVersionNumber,
    NetworkError,
    NetworkUnreachable,
    InvalidUrl,
    SslErrorCaUnknown,
    SslCertExpired,
    DnsLookupFailed,
    HostUnreachable,
    InternalError,
    ProtocolError,
    PayloadMissing,
    SocketClosed,
    Unknown,
    InvalidCharacter,
    Oauth2HandshakeFailed,
    /// A developer's machine was asked, and nothing answers there.
    Cli,
    /// Nobody listens with the command line, or the line broke before an answer was there.
    CliUnavailable,
}
