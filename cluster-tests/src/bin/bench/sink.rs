//! A receiver that counts deliveries and tells the count to `GET /count`.

use actix_web::{App, HttpResponse, HttpServer, web};
use std::{
    net::TcpListener,
    sync::atomic::{AtomicU64, Ordering},
};

async fn count(total: web::Data<AtomicU64>) -> HttpResponse {
    HttpResponse::Ok().body(total.load(Ordering::Relaxed).to_string())
}

async fn deliver(_body: web::Bytes, total: web::Data<AtomicU64>) -> HttpResponse {
    total.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

pub(crate) fn serve() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    println!(
        "{}",
        listener.local_addr().expect("a listener has an address")
    );
    let total = web::Data::new(AtomicU64::new(0));
    actix_rt::System::new().block_on(async move {
        let app = move || {
            App::new()
                .app_data(total.clone())
                .route("/count", web::get().to(count))
                .default_service(web::to(deliver))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .listen(listener)
            .expect("it listens");
        // It ends when the bench kills it.
        let _ = server.run().await;
    });
}
