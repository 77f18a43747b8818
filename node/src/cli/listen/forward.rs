//! The local server that listens on this machine, and one request to it.

use crate::{
    egress,
    sessions::frames::{Asked, Told},
};
use futures::StreamExt;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// A request without a time of its own gets this.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are passed on; the gateway keeps less.
const KEPT: usize = 4 * 1024;
/// Headers that belong to the line and not to the request.
const OWN: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

/// A port of this machine.
#[derive(Clone)]
pub(super) struct Local {
    client: awc::Client,
    port: u16,
}

/// The outcome of one forwarded event, as its line on the terminal tells it.
pub(super) struct Done {
    pub(super) told: Told,
    event: String,
    request: String,
    outcome: Result<u16, String>,
    took: Duration,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (request, event, ms) = (&self.request, &self.event, self.took.as_millis());
        match &self.outcome {
            Ok(status) => write!(f, "{status}  {request}  {ms} ms  {event}"),
            Err(why) => write!(f, "---  {request}  {ms} ms  {event}  {why}"),
        }
    }
}

impl Local {
    pub(super) fn new(port: u16) -> Self {
        let client = egress::to_this_machine();
        Self { client, port }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Makes the request that was asked for. Whatever comes of it is an answer.
    pub(super) async fn forward(&self, asked: Asked) -> Done {
        let started = Instant::now();
        let limit = match asked.request.timeout {
            0 => PATIENCE,
            ms => Duration::from_millis(ms),
        };
        let request = format!("{} {}", asked.request.method, asked.cli_path);
        let exchange = tokio::time::timeout(limit, self.exchange(&asked));
        let exchanged = exchange
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
        let mut told = Told {
            attempt_id: asked.attempt_id,
            cli_path: asked.cli_path,
            ..Told::default()
        };
        let outcome = match exchanged {
            Ok((status, data)) => {
                (told.status, told.data) = (Some(status), Some(data));
                Ok(status)
            }
            Err(why) => {
                told.error = true;
                Err(why)
            }
        };
        Done {
            told,
            event: asked.event_id,
            request,
            outcome,
            took: started.elapsed(),
        }
    }

    async fn exchange(&self, asked: &Asked) -> Result<(u16, String), String> {
        // Without its slash a path could name another host.
        if !asked.cli_path.starts_with('/') {
            return Err(format!("{:?} is no path", asked.cli_path));
        }
        let url = self.url(&asked.cli_path);
        let method = asked.request.method.parse();
        let method = method.map_err(|_| format!("{:?} is no method", asked.request.method))?;
        let mut request = self.client.request(method, &url).no_decompress();
        let headers = asked.request.headers.iter();
        for (name, value) in headers.filter(|(name, _)| !OWN.contains(&name.as_str())) {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        let sent = request.send_body(asked.request.data_string.clone()).await;
        let mut response = sent.map_err(|error| format!("{}: {error}", self.url("")))?;
        let mut body = Vec::new();
        while body.len() < KEPT {
            // The status is the answer; a body that breaks off does not take it back.
            let Some(Ok(chunk)) = response.next().await else {
                break;
            };
            let room = KEPT - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok((response.status().as_u16(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::frames::AskedRequest;
    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

    async fn echo(request: HttpRequest, body: String) -> HttpResponse {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let own = header("x-own").unwrap_or_default();
        let host = header("host").unwrap_or_default();
        let line = format!("{} {} {own} {host} {body}", request.method(), request.uri());
        HttpResponse::ImATeapot().body(line)
    }

    fn asked(path: &str) -> Asked {
        Asked {
            attempt_id: "atm_1".into(),
            event_id: "evt_1".into(),
            cli_path: path.into(),
            request: AskedRequest {
                method: "PUT".into(),
                data_string: "{}".into(),
                headers: [
                    ("x-own", "1"),
                    ("host", "elsewhere"),
                    ("content-length", "9"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
                ..AskedRequest::default()
            },
            ..Asked::default()
        }
    }

    #[actix_rt::test]
    async fn a_request_is_made_here_and_its_answer_told() {
        let server = HttpServer::new(|| App::new().default_service(web::to(echo)))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .expect("a port");
        let port = server.addrs()[0].port();
        actix_rt::spawn(server.run());
        let done = Local::new(port).forward(asked("/hooks?x=1")).await;
        assert_eq!(done.told.status, Some(418));
        let expected = format!("PUT /hooks?x=1 1 localhost:{port} {{}}");
        assert_eq!(done.told.data.as_deref(), Some(expected.as_str()));
        assert_eq!(
            (done.told.attempt_id.as_str(), done.told.error),
            ("atm_1", false)
        );
        let line = done.to_string();
        assert!(
            line.starts_with("418  PUT /hooks?x=1  ") && line.ends_with("  evt_1"),
            "{line}"
        );
    }

    /// As a receiver's are read by a node.
    #[actix_rt::test]
    async fn an_interim_answer_is_not_told() {
        let sink = cluster_tests::sink::Sink::saying(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 3\r\n\r\nown",
        );
        let local = Local::new(sink.address.port());
        for _ in 0..3 {
            let told = local.forward(asked("/")).await.told;
            assert_eq!(
                (told.status, told.data.as_deref()),
                (Some(201), Some("own"))
            );
        }
    }

    #[actix_rt::test]
    async fn where_nothing_answers_that_is_told_too() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        for path in ["/", "@elsewhere.example/", ""] {
            let done = Local::new(port).forward(asked(path)).await;
            assert_eq!((done.told.status, done.told.error), (None, true), "{path}");
            assert!(done.to_string().starts_with("---  "), "{done}");
        }
    }
}
