//! `tidegate listen`: events of a source on this machine.

mod api;
mod forward;
mod line;
mod setup;

use super::Failed;
use crate::stop_signal::StopSignal;
use actix_web::http::header::HeaderValue;
use api::Api;
use forward::Local;
use line::{Line, Lost};
use model::catalog::Secret;
use setup::Session;
use std::time::Duration;

/// A lost line is dialled again after this …
const REDIAL: Duration = Duration::from_secs(2);
/// … and after this once that has failed for a while.
const REDIAL_SLOWLY: Duration = Duration::from_secs(10);
/// Dials in a row that must fail for that; and for giving up, if none ever worked.
const DIALS: u32 = 10;

/// Forward a source's events to a port of this machine, until Ctrl-C.
///
/// The source and a connection to this command are made where they are missing. What answers here is the outcome of each
/// attempt.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to: http://localhost:PORT
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The source by its name; may be given several times
    #[arg(long = "source", value_name = "NAME", required = true)]
    sources: Vec<String>,
    /// The path on this machine that stands before the request's own; begins with a slash
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Take only events whose body matches this filter, in the language of docs/filters.md
    #[arg(long, value_name = "JSON")]
    filter_body: Option<String>,
    /// The same of their headers
    #[arg(long, value_name = "JSON")]
    filter_headers: Option<String>,
    /// The same of their query
    #[arg(long, value_name = "JSON")]
    filter_query: Option<String>,
    /// The same of their path
    #[arg(long, value_name = "JSON")]
    filter_path: Option<String>,
    /// The admin side of any node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    admin: url::Url,
    /// The project by its id or name; the default one without it
    #[arg(long, value_name = "PROJECT")]
    project: Option<HeaderValue>,
    /// The admin token
    #[arg(long, env = "TIDEGATE_ADMIN_TOKEN", hide_env_values = true, value_parser = super::secret)]
    token: Secret,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let filters = setup::filters(&[
        ("body", &args.filter_body),
        ("headers", &args.filter_headers),
        ("query", &args.filter_query),
        ("path", &args.filter_path),
    ]);
    let filters = filters.map_err(Failed::usage)?;
    actix::System::new().block_on(async {
        // They are caught before anything is made, so that none is lost.
        let mut signal = StopSignal::new().map_err(Failed::running)?;
        let stop = signal.told();
        tokio::pin!(stop);
        let api = Api::new(&args.admin, args.token.reveal(), args.project.as_ref());
        let local = Local::new(args.port);
        let session = tokio::select! {
            () = &mut stop => return Ok(()),
            session = prepare(&api, args, &local, filters) => session?,
        };
        listen(&api, &session, &local, stop).await
    })
}

/// Makes what is missing, says what is there, and begins a session.
async fn prepare(
    api: &Api,
    args: &Args,
    local: &Local,
    filters: Option<serde_json::Value>,
) -> Result<Session, Failed> {
    let mut connections = Vec::new();
    for name in &args.sources {
        let source = setup::source(api, name).await.map_err(Failed::running)?;
        println!("source       {}", source.name);
        println!("url          {}", source.url);
        let found = setup::connections(api, &source, args.path.as_deref()).await;
        for connection in found.map_err(Failed::running)? {
            println!(
                "connection   {}  {}  {}",
                connection.full_name,
                connection.id,
                local.url(&connection.path)
            );
            connections.push(connection.id);
        }
    }
    setup::session(api, connections, filters)
        .await
        .map_err(Failed::running)
}

/// Dials, converses, and dials again, until it is told to stop.
async fn listen(
    api: &Api,
    session: &Session,
    local: &Local,
    stop: impl Future<Output = ()>,
) -> Result<(), Failed> {
    tokio::pin!(stop);
    let (mut failures, mut ever) = (0, false);
    loop {
        let dialled = tokio::select! {
            () = &mut stop => return Ok(()),
            dialled = Line::dial(api, session) => dialled,
        };
        match dialled {
            Ok(line) => {
                (failures, ever) = (0, true);
                println!("listening    through {}, Ctrl-C ends it", api.origin());
                match line.converse(local, &mut stop).await {
                    Lost::Stopped => return Ok(()),
                    Lost::Broken(why) => eprintln!("the line was lost: {why}; dialling again"),
                }
            }
            Err(error) => {
                failures += 1;
                if failures >= DIALS && !ever {
                    return Err(Failed::running(error));
                }
                eprintln!("{error}; dialling again");
            }
        }
        let pause = if failures >= DIALS {
            REDIAL_SLOWLY
        } else {
            REDIAL
        };
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
