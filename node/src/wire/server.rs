//! Serves HTTP/1.1 over guarded sockets.

use super::{guarded::Guarded, lines::Lines};
use actix_http::{HttpService, KeepAlive, Request, Response, error::DispatchError};
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::{body::MessageBody, dev::AppConfig};
use std::{fmt, future::ready, io, net::TcpListener, sync::Arc, time::Duration};

/// Connections a worker may have beyond all that the listener may have: those that are refused or about to end.
const SPARE: usize = 256;
/// How long a peer may take to close its side.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The web's own timer, which ends connections that say nothing at all, comes behind the guard's.
const BEHIND: Duration = Duration::from_secs(1);

pub(crate) struct Settings {
    pub(crate) workers: usize,
    pub(crate) max_connections: usize,
    pub(crate) keep_alive: Duration,
    /// What requests in flight may take when it stops.
    pub(crate) grace: Duration,
}

/// Starts serving.
pub(crate) fn serve<F, I, S, B>(
    listener: TcpListener,
    lines: &Arc<Lines>,
    settings: &Settings,
    factory: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.max_connections.saturating_add(SPARE))
        .disable_signals()
        .shutdown_timeout(settings.grace.as_secs().max(1));
    let signal = builder.graceful_shutdown_signal();
    let (lines, keep_alive) = (lines.clone(), KeepAlive::from(settings.keep_alive));
    let name = lines.side.name();
    let builder = builder.listen(name, listener, move || {
        let (signal, lines) = (signal.clone(), lines.clone());
        let app = factory()
            .into_factory()
            .map_err(|error| error.into().error_response());
        let http = HttpService::<Guarded, _, B>::build()
            .graceful_shutdown_signal(move || {
                let signal = signal.clone();
                async move { signal.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(lines.head_timeout + BEHIND)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(|io: &Guarded, data| {
                data.insert(io.line().clone());
            })
            .h1(map_config(app, move |()| AppConfig::default()));
        let open = move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            let opened = Guarded::open(io, &lines).map(|guarded| (guarded, peer));
            ready(opened.ok_or_else(|| DispatchError::Io(io::ErrorKind::OutOfMemory.into())))
        };
        fn_service(open).and_then(http)
    })?;
    Ok(builder.run())
}
