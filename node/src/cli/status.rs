//! `tidegate status`: the cluster as one of its nodes sees it.

use super::Failed;
use comfy_table::{Table, presets::NOTHING};
use model::catalog::Secret;
use serde_json::Value;
use std::time::Duration;

/// Show the nodes, the groups, who leads them and who lags.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The admin side of any node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    admin: url::Url,
    /// The admin token
    #[arg(long, env = "TIDEGATE_ADMIN_TOKEN", hide_env_values = true, value_parser = super::secret)]
    token: Secret,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let status = actix::System::new().block_on(ask(args))?;
    println!("{}\n\n{}", nodes(&status), groups(&status));
    Ok(())
}

async fn ask(args: &Args) -> Result<Value, Failed> {
    let url = format!("{}/cluster", args.admin.as_str().trim_end_matches('/'));
    let client = awc::Client::builder()
        .timeout(Duration::from_secs(10))
        .finish();
    let mut response = client
        .get(&url)
        .bearer_auth(args.token.reveal())
        .send()
        .await
        .map_err(|error| Failed::running(format!("asking {url}: {error}")))?;
    if !response.status().is_success() {
        return Err(Failed::running(format!(
            "{url} answered {}",
            response.status()
        )));
    }
    response
        .json()
        .await
        .map_err(|error| Failed::running(format!("reading the answer of {url}: {error}")))
}

fn nodes(status: &Value) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["NODE", "STATE", "PEER", "SENDERS", "ADMIN"]);
    for node in list(status, "nodes") {
        let own = node["id"] == status["node_id"];
        let state = match (node["up"].as_bool(), node["draining"].as_bool()) {
            (_, Some(true)) => "draining",
            (Some(true), _) => "up",
            (Some(false), _) => "down",
            (None, _) => "unknown",
        };
        table.add_row([
            format!("{}{}", cell(&node["id"]), if own { " *" } else { "" }),
            state.to_owned(),
            cell(&node["address"]),
            cell(&node["ingest_url"]),
            cell(&node["admin_url"]),
        ]);
    }
    table
}

fn groups(status: &Value) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header([
        "GROUP", "LEADER", "TERM", "VOTERS", "LEARNERS", "APPLIED", "LOG", "LAG",
    ]);
    for group in list(status, "groups") {
        let name = match group["group"].as_u64() {
            Some(0) => "control".to_owned(),
            Some(number) => number.to_string(),
            None => cell(&group["group"]),
        };
        table.add_row([
            name,
            cell(&group["leader"]),
            cell(&group["term"]),
            cell(&group["voters"]),
            cell(&group["learners"]),
            cell(&group["applied"]),
            cell(&group["last_log"]),
            cell(&group["lag"]),
        ]);
    }
    table
}

fn list<'a>(status: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    status[key].as_array().into_iter().flatten()
}

/// A value as people read it. What is not there is a dash, since a node may not know it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(fields) if fields.is_empty() => "-".into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| format!("{key}:{}", cell(value)))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_shows_who_leads_who_lags_and_who_is_down() {
        let status = json!({
            "node_id": 1,
            "nodes": [
                {"id": 1, "up": true, "address": "10.0.0.1:8082"},
                {"id": 2, "up": false, "draining": false, "address": "10.0.0.2:8082"},
            ],
            "groups": [{"group": 0, "leader": 1, "term": 3, "voters": [1, 2], "lag": {"2": 17}}],
        });
        let nodes = nodes(&status).to_string();
        assert!(nodes.contains("1 *") && nodes.contains("down"), "{nodes}");
        let groups = groups(&status).to_string();
        assert!(
            groups.contains("control") && groups.contains("2:17"),
            "{groups}"
        );
    }

    #[test]
    fn a_group_without_a_leader_has_a_dash() {
        let shown = groups(&json!({"groups": [{"group": 4, "leader": null}]})).to_string();
        assert!(shown.contains('-'), "{shown}");
    }
}
