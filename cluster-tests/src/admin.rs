//! A blocking client of the admin API, as small as the tests need it.

use crate::{
    clock, contract,
    http::{self, Connection},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::{runtime, time};

const BASE: &str = "/2025-07-01";
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The admin API of one node.
#[derive(Clone, Debug)]
pub struct Admin {
    address: SocketAddr,
    token: String,
}

/// One Raft group as a node sees it.
#[derive(Clone, Debug)]
pub struct GroupView {
    pub group: u64,
    pub leader: Option<u64>,
    pub term: u64,
    pub voters: usize,
    pub applied: u64,
    /// The asked node's last log row.
    pub last_log: u64,
    /// The last log row that the asked node no longer has.
    pub purged: u64,
}

/// The cluster as a node sees it.
#[derive(Clone, Debug)]
pub struct ClusterView {
    pub node_id: u64,
    /// Node ids with all that is said of each.
    pub nodes: BTreeMap<u64, Value>,
    pub groups: Vec<GroupView>,
}

/// One recorded attempt of an event.
#[derive(Clone, Debug)]
pub struct AttemptView {
    pub number: u64,
    pub succeeded: bool,
}

/// Sends one request on a connection of its own and reads the answer.
pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>), String> {
    let bytes = http::request(method, path, address, headers, body);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("starting a runtime: {error}"))?;
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(&bytes).await?;
        Ok::<_, std::io::Error>((answer.status, answer.body.to_vec()))
    };
    match runtime.block_on(async { time::timeout(ANSWER_WITHIN, exchange).await }) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{method} {address}{path}: {error}")),
        Err(_) => Err(format!(
            "{method} {address}{path}: no answer in {ANSWER_WITHIN:?}"
        )),
    }
}

impl Admin {
    #[must_use]
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self {
            address,
            token: token.to_owned(),
        }
    }

    /// Any verb of the API; the path without its base. Anything but a 200 is an error that says what was answered.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.map(Value::to_string).unwrap_or_default();
        // The cluster's own verbs are not part of the versioned API.
        let base = if path.starts_with("/cluster") {
            ""
        } else {
            BASE
        };
        let path = format!("{base}{path}");
        let (status, answer) = call(self.address, method, &path, &headers, body.as_bytes())?;
        contract::check(method, &path, body.as_bytes(), status, &answer);
        let text = String::from_utf8_lossy(&answer);
        if status != 200 {
            return Err(format!("{method} {path} {body}: {status} {text}"));
        }
        serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error} in {text}"))
    }

    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", path, None)
    }

    /// The node's figures, as Prometheus reads them.
    pub fn metrics(&self) -> Result<String, String> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str())];
        let (status, text) = call(self.address, "GET", "/metrics", &headers, b"")?;
        match status {
            200 => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => Err(format!("GET /metrics: {other}")),
        }
    }

    /// The same again until it works, for a cluster that is still choosing its leaders.
    pub fn insist(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut last = String::new();
        clock::eventually(Duration::from_secs(20), || {
            self.ask(method, path, Some(body))
                .map_err(|error| last = error)
                .ok()
        })
        .ok_or(last)
    }

    /// A source that takes GitHub's webhooks signed with `secret`. Its id.
    pub fn github_source(&self, name: &str, secret: &str) -> Result<String, String> {
        let config = json!({"auth": {"webhook_secret_key": secret}});
        let body = json!({"name": name, "type": "GITHUB", "config": config});
        id_of(&self.insist("PUT", "/sources", &body)?)
    }

    /// A destination at `url`. Its id.
    pub fn destination(&self, name: &str, url: &str) -> Result<String, String> {
        let body = json!({"name": name, "type": "HTTP", "config": {"url": url}});
        id_of(&self.insist("PUT", "/destinations", &body)?)
    }

    /// A connection of the two with these rules. Its id.
    pub fn connect(
        &self,
        name: &str,
        source: &str,
        destination: &str,
        rules: &Value,
    ) -> Result<String, String> {
        let body = json!({
            "name": name, "source_id": source, "destination_id": destination, "rules": rules,
        });
        id_of(&self.insist("PUT", "/connections", &body)?)
    }

    /// All models of a list, page by page. `query` starts with `?` and holds no cursor.
    pub fn list(&self, path: &str, query: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{query}{cursor}"))?;
            let models = page["models"].as_array().ok_or("a list without models")?;
            all.extend(models.iter().cloned());
            match page["pagination"]["next"].as_str() {
                Some(next) if !models.is_empty() => cursor = format!("&next={next}"),
                _ => return Ok(all),
            }
        }
    }

    /// The recorded attempts of an event.
    pub fn attempts(&self, event: &str) -> Result<Vec<AttemptView>, String> {
        let models = self.list("/attempts", &format!("?event_id={event}&limit=100"))?;
        Ok(models
            .iter()
            .map(|model| AttemptView {
                number: model["attempt_number"].as_u64().unwrap_or(0),
                succeeded: model["status"] == "SUCCESSFUL",
            })
            .collect())
    }

    /// What this node says of the cluster.
    pub fn cluster(&self) -> Result<ClusterView, String> {
        let status = self.get("/cluster")?;
        let array = |name: &str| status[name].as_array().cloned().unwrap_or_default();
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        Ok(ClusterView {
            node_id: number(&status["node_id"]).ok_or("a cluster status without node_id")?,
            nodes: array("nodes")
                .into_iter()
                .filter_map(|node| Some((number(&node["id"])?, node)))
                .collect(),
            groups: array("groups")
                .iter()
                .map(|group| GroupView {
                    group: number(&group["group"]).unwrap_or_default(),
                    leader: number(&group["leader"]),
                    term: number(&group["term"]).unwrap_or_default(),
                    voters: group["voters"].as_array().map_or(0, Vec::len),
                    applied: number(&group["applied"]).unwrap_or_default(),
                    last_log: number(&group["last_log"]).unwrap_or_default(),
                    purged: number(&group["purged"]).unwrap_or_default(),
                })
                .collect(),
        })
    }
}

impl ClusterView {
    /// How many groups each node leads.
    #[must_use]
    pub fn leads(&self) -> BTreeMap<u64, usize> {
        let mut leads = BTreeMap::new();
        for leader in self.groups.iter().filter_map(|group| group.leader) {
            *leads.entry(leader).or_default() += 1;
        }
        leads
    }
}

/// The id of what was answered.
pub fn id_of(model: &Value) -> Result<String, String> {
    let id = model["id"].as_str().map(ToOwned::to_owned);
    id.ok_or_else(|| format!("no id in {model}"))
}
