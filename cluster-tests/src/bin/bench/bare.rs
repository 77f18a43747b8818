//! The physical limit: an actix-web handler whose body goes to RocksDB's write-ahead log, synced, many in one group.

use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Args;
use rocksdb::{DB, Options, WriteBatch};
use std::{net::TcpListener, path::PathBuf, sync::mpsc, thread};
use tokio::sync::oneshot;

/// Bodies in one group at most.
const MAX_GROUP: usize = 512;

#[derive(Args)]
pub(crate) struct Bare {
    #[arg(long)]
    dir: PathBuf,
}

type Waiting = (web::Bytes, oneshot::Sender<bool>);

fn open(dir: &PathBuf) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_manual_wal_flush(true);
    DB::open(&options, dir).expect("the bench's RocksDB opens")
}

/// One thread writes and syncs for all: whoever waits while it syncs is in the next group.
fn commit(db: &DB, queue: &mpsc::Receiver<Waiting>) {
    let mut number: u64 = 0;
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MAX_GROUP - 1));
        let mut batch = WriteBatch::default();
        for (body, _) in &group {
            number += 1;
            batch.put(number.to_be_bytes(), body);
        }
        let done = db.write(batch).and_then(|()| db.flush_wal(true)).is_ok();
        for (_, waiting) in group {
            // A sender that went away needs no answer.
            let _ = waiting.send(done);
        }
    }
}

async fn take(body: web::Bytes, queue: web::Data<mpsc::SyncSender<Waiting>>) -> HttpResponse {
    let (answer, done) = oneshot::channel();
    if queue.try_send((body, answer)).is_err() {
        return HttpResponse::TooManyRequests().finish();
    }
    match done.await {
        Ok(true) => HttpResponse::Ok().body(r#"{"status":"SUCCESS"}"#),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

impl Bare {
    pub(crate) fn serve(self) {
        let db = open(&self.dir);
        let (sender, queue) = mpsc::sync_channel(4096);
        thread::spawn(move || commit(&db, &queue));
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        println!(
            "{}",
            listener.local_addr().expect("a listener has an address")
        );
        let queue = web::Data::new(sender);
        actix_rt::System::new().block_on(async move {
            let app = move || {
                App::new()
                    .app_data(queue.clone())
                    .default_service(web::to(take))
            };
            let server = HttpServer::new(app)
                .workers(1)
                .listen(listener)
                .expect("it listens");
            // It ends when the bench kills it.
            let _ = server.run().await;
        });
    }
}
