//! Existing clients, unchanged: the command lines that npm has, pointed at a cluster. `scripts/setup.sh --tests` brings them
//! where npm can be had; where it can't, these tests say that they were skipped.

use cluster_tests::{
    clock,
    process::{Cluster, Options, TOKEN},
    receiver::Receiver,
};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, process::Command, time::Duration};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(30);

/// One version of the command line, signed in at a node, with a home of its own.
struct Client {
    program: PathBuf,
    home: TempDir,
    admin: SocketAddr,
}

/// A version of the command line, if it was brought here.
fn program(version: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let program = home.join(format!(".cache/tidegate/clients/hookdeck-cli-{version}"));
    if !program.exists() {
        eprintln!("skipped: no hookdeck-cli {version}; scripts/setup.sh --tests brings it");
        return None;
    }
    Some(program)
}

impl Client {
    fn at(admin: SocketAddr, program: PathBuf) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        // Else it would ask elsewhere which types of sources there are.
        let known = home.path().join("hookdeck_source_types.json");
        std::fs::write(known, "{}").expect("written");
        Self {
            program,
            home,
            admin,
        }
    }

    /// What it prints, when it ends well.
    fn run(&self, args: &[&str]) -> String {
        let base = format!("http://{}", self.admin);
        let config = self.home.path().join("config.toml");
        let output = Command::new(&self.program)
            .args(["--api-base", &base, "--hookdeck-config"])
            .arg(&config)
            .args(args)
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("HOOKDECK_API_KEY", TOKEN)
            .env("HOOKDECK_CLI_TELEMETRY_DISABLED", "1")
            // Nothing of it leaves this machine.
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{args:?}: {told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        told
    }

    fn json(&self, args: &[&str]) -> Value {
        let told = self.run(&[args, &["--output", "json"]].concat());
        // A warning may stand before it.
        let begins = told.find(['{', '[']).unwrap_or_default();
        serde_json::from_str(&told[begins..])
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }
}

/// Signs in, sets up, sends, looks and mends, as a person would who has never heard of us.
fn works_with(version: &str) {
    let Some(program) = program(version) else {
        return;
    };
    let cluster = Cluster::form(1, Options::default());
    let node = &cluster.nodes[0];
    let client = Client::at(node.admin, program);
    let receiver = Receiver::start();
    client.run(&["ci"]);
    let who = client.run(&["whoami"]);
    assert!(who.contains("default"), "{who}");
    let projects = client.run(&["project", "list"]);
    assert!(projects.contains("default (current)"), "{projects}");

    let source = client.json(&[
        "gateway", "source", "create", "--name", "shop", "--type", "WEBHOOK",
    ]);
    let url = receiver.url();
    let made = client.json(&[
        "gateway",
        "destination",
        "create",
        "--name",
        "sink",
        "--type",
        "HTTP",
        "--url",
        &url,
        "--rate-limit",
        "50",
        "--rate-limit-period",
        "second",
    ]);
    let id = |model: &Value| model["id"].as_str().expect("an id").to_owned();
    let (source, destination) = (id(&source), id(&made));
    let kept = node.admin().get(&format!("/destinations/{destination}"));
    let kept = kept.expect("it is there");
    assert_eq!(kept["config"]["rate_limit"], 50, "{kept}");
    let connection = client.json(&[
        "gateway",
        "connection",
        "create",
        "--name",
        "orders",
        "--source-id",
        &source,
        "--destination-id",
        &destination,
        "--rule-retry-strategy",
        "linear",
        "--rule-retry-count",
        "3",
        "--rule-retry-interval",
        "1000",
    ]);
    let connection = id(&connection);
    client.run(&["gateway", "connection", "pause", &connection]);
    client.run(&["gateway", "connection", "unpause", &connection]);

    let request = node.post(&format!("/{source}"), r#"{"paid":true}"#);
    let arrived = clock::eventually(WAIT, || receiver.deliveries().pop());
    assert_eq!(arrived.expect("it is delivered").request_id, request);
    let events = clock::eventually(WAIT, || {
        let listed = client.json(&["gateway", "event", "list", "--status", "SUCCESSFUL"]);
        let models = listed.get("models").unwrap_or(&listed).as_array()?.clone();
        (!models.is_empty()).then_some(models)
    });
    let event = id(&events.expect("it is listed")[0]);
    let shown = client.json(&["gateway", "event", "get", &event]);
    assert_eq!(shown["status"], "SUCCESSFUL", "{shown}");
    client.run(&["gateway", "event", "raw-body", &event]);
    client.run(&["gateway", "event", "retry", &event]);
    let again = clock::eventually(WAIT, || (receiver.count() == 2).then_some(()));
    again.expect("it is delivered again");
    client.json(&["gateway", "attempt", "list", "--event-id", &event]);
    client.json(&["gateway", "request", "get", &request]);
    client.json(&["gateway", "issue", "list"]);
    for (noun, id) in [
        ("connection", &connection),
        ("source", &source),
        ("destination", &destination),
    ] {
        client.run(&["gateway", noun, "delete", id, "--force"]);
    }
}

#[test]
fn the_command_line_of_the_first_version_works_as_it_is() {
    works_with("2.5.0");
}

#[test]
fn the_newest_command_line_works_as_it_is() {
    works_with("2.6.0");
}
