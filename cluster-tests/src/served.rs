//! An HTTP server of a test, on a thread of its own; it stops when it is dropped.

use actix_web::{App, HttpServer, dev::ServerHandle, web::ServiceConfig};
use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::mpsc,
    thread::{self, JoinHandle},
};

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts one at this address, on any free port.
    ///
    /// # Panics
    /// When the address cannot be listened on.
    pub(crate) fn start(
        address: IpAddr,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("the server's address is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (started, handle) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().configure(configure.clone()))
                    .workers(1)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .listen(listener)
                    .expect("the server listens")
                    .run();
                // The other end waits for exactly this; if it is gone, so is the test.
                let _ = started.send(server.handle());
                let _ = server.await;
            });
        });
        Self {
            address,
            server: handle.recv().expect("the server starts"),
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The stop is under way once it is asked for; the thread's end is what is waited for.
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
