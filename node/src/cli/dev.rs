//! `tidegate dev`: a cluster on this machine for trying things out, one process a node.

use super::{
    Failed,
    dev_config::{Plan, Secrets, secrets_of},
};
use crate::{config, privacy, stop_signal::StopSignal};
use model::catalog::Secret;
use std::{
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const POLL_EVERY: Duration = Duration::from_millis(200);
/// What a node may take to end after it was told to.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Run a cluster on this machine, for trying it out.
///
/// Node 1 takes the base port for senders, +1 for the admin API and +2 for the other nodes; each next node ten more.
/// Destinations on this machine are allowed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many nodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Where the nodes keep everything; without it, in a directory that goes when they stop
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The first port
    #[arg(long, default_value_t = 8080)]
    base_port: u16,
    /// The admin token, at least 16 characters; without it one is generated
    #[arg(long, env = "TIDEGATE_ADMIN_TOKEN", hide_env_values = true, value_parser = super::secret)]
    admin_token: Option<Secret>,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    privacy::make_files_private();
    if Plan::last_port(args.nodes, args.base_port).is_none() {
        return Err(Failed::usage(
            "--base-port leaves no room for the ports of all nodes",
        ));
    }
    let data = DataDir::new(args.data.as_deref(), args.base_port).map_err(Failed::running)?;
    let mut secrets = secrets_of(&data.path).unwrap_or_else(Secrets::draw);
    if let Some(token) = &args.admin_token {
        token.reveal().clone_into(&mut secrets.token);
    }
    let plan = Plan {
        nodes: args.nodes,
        base_port: args.base_port,
        data: data.path.clone(),
        secrets,
    };
    // Before anything is written or said: a node that refuses to start would say the same, too late.
    match config::problems(&plan.node(1)) {
        problems if problems.is_empty() => {}
        problems => return Err(Failed::usage(problems.join("; "))),
    }
    let mut nodes = Nodes::start(&plan, data.passing)?;
    announce(&plan);
    let outcome = actix::System::new().block_on(watch(&plan, &mut nodes));
    nodes.stop();
    outcome
}

fn announce(plan: &Plan) {
    for number in 1..=plan.nodes {
        let config = plan.node(number);
        println!(
            "node {number}  senders {}  admin {}",
            config.ingest.public_url,
            config.admin_url()
        );
    }
    println!("token   {}", plan.secrets.token);
    println!("publish {}", plan.secrets.publish_token);
    println!("data    {}", plan.data.display());
}

/// Waits until all nodes are ready, says so, and stays until it is told to stop or no node is left.
async fn watch(plan: &Plan, nodes: &mut Nodes) -> Result<(), Failed> {
    let mut stop = StopSignal::new().map_err(Failed::running)?;
    let mut ticks = tokio::time::interval(POLL_EVERY);
    let client = awc::Client::builder()
        .timeout(Duration::from_secs(1))
        .finish();
    let mut ready = false;
    loop {
        tokio::select! {
            () = stop.told() => return Ok(()),
            _ = ticks.tick() => {}
        }
        nodes.tell_ended();
        if nodes.running.is_empty() {
            return Err(Failed::running("no node is running any more"));
        }
        if !ready && all_ready(plan, &client).await {
            ready = true;
            println!("ready");
        }
    }
}

async fn all_ready(plan: &Plan, client: &awc::Client) -> bool {
    for number in 1..=plan.nodes {
        let url = format!("{}/readyz", plan.node(number).ingest.public_url);
        match client.get(url).send().await {
            Ok(response) if response.status().is_success() => {}
            _ => return false,
        }
    }
    true
}

/// The node processes.
struct Nodes {
    running: Vec<(u16, PathBuf, Child)>,
    /// Their files go with the last of them.
    passing: bool,
}

impl Nodes {
    fn start(plan: &Plan, passing: bool) -> Result<Self, Failed> {
        let program = std::env::current_exe().map_err(Failed::running)?;
        let mut nodes = Self {
            running: Vec::new(),
            passing,
        };
        for number in 1..=plan.nodes {
            let file = plan.write(number).map_err(Failed::running)?;
            let child = spawn(&program, &file, number).map_err(Failed::running)?;
            nodes.running.push((number, file, child));
        }
        Ok(nodes)
    }

    /// Says which nodes ended, and how each can be brought back while its file is there.
    fn tell_ended(&mut self) {
        let mut ended = Vec::new();
        self.running
            .retain_mut(|(number, file, child)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    println!("node {number} ended: {status}");
                    ended.push(file.clone());
                    false
                }
                Err(error) => {
                    eprintln!("node {number}: {error}");
                    false
                }
            });
        let is_kept = !(self.passing && self.running.is_empty());
        for file in ended.iter().filter(|_| is_kept) {
            println!(
                "  to bring it back: tidegate serve --config {}",
                file.display()
            );
        }
    }

    /// Tells all to stop by closing their standard input, waits, and ends those that don't.
    fn stop(&mut self) {
        for (_, _, child) in &mut self.running {
            drop(child.stdin.take());
        }
        let deadline = Instant::now() + STOP_WITHIN;
        for (number, _, child) in &mut self.running {
            while matches!(child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    eprintln!("node {number} did not stop in time");
                    // It may have ended in this very moment.
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.running.clear();
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(program: &Path, file: &Path, number: u16) -> io::Result<Child> {
    let mut child = Command::new(program)
        .args(["serve", "--while-stdin", "--config"])
        .arg(file)
        // The file says it all; a variable meant for one node would hit every one.
        .env_remove("TIDEGATE_ADMIN_TOKEN")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(lines) = child.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                eprintln!("node {number} | {line}");
            }
        });
    }
    Ok(child)
}

/// A directory given by the user, or one that goes when the program ends.
struct DataDir {
    path: PathBuf,
    passing: bool,
}

impl DataDir {
    fn new(given: Option<&Path>, base_port: u16) -> io::Result<Self> {
        let path = given.map_or_else(
            || {
                std::env::temp_dir()
                    .join(format!("tidegate-dev-{base_port}-{}", std::process::id()))
            },
            Path::to_owned,
        );
        std::fs::create_dir_all(&path)?;
        Ok(Self {
            path: std::path::absolute(path)?,
            passing: given.is_none(),
        })
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.passing
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("{} not removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_no_node_would_take_is_refused_before_anything_is_written() {
        let data = tempfile::tempdir().expect("a directory");
        let args = Args {
            nodes: 1,
            data: Some(data.path().to_owned()),
            base_port: 8080,
            admin_token: Some(Secret::new("short".into())),
        };
        let refused = run(&args).expect_err("a short token").error.to_string();
        assert!(refused.starts_with("admin.token "), "{refused}");
        let written = std::fs::read_dir(data.path()).expect("readable").count();
        assert_eq!(written, 0);
    }
}
