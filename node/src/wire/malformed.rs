//! The route of malformed requests, which nobody could read.

use super::line::line_of;
use actix_web::HttpRequest;
use model::door::Fault;

/// The path that stands for them. Asked for by its name, it is a path like any other that nobody knows.
pub(crate) const PATH: &str = "/.malformed";

/// The stand-in request that the web's parser sees instead of them.
pub(super) const REQUEST: &[u8] =
    b"GET /.malformed HTTP/1.1\r\nhost: malformed\r\nconnection: close\r\n\r\n";

/// The response to a connection that there is no room for.
pub(super) const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// The fault in the bytes of a request's connection, if there was one.
pub(crate) fn fault_of(request: &HttpRequest) -> Option<Fault> {
    line_of(request)?.fault()
}
