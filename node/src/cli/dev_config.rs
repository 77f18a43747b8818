//! The configuration files of a cluster for trying things out.

use crate::{config::Config, world};
use model::catalog::Secret;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// From one node's ports to the next one's.
const NODE_STEP: u16 = 10;

/// The configuration that all nodes of a development cluster have in common. It holds their secrets: it is not to be
/// printed.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) nodes: u16,
    pub(super) base_port: u16,
    pub(super) data: PathBuf,
    pub(super) secrets: Secrets,
}

/// The secrets of a development cluster, which nobody else may know.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Secrets {
    pub(super) token: String,
    pub(super) publish_token: String,
    pub(super) cluster: String,
}

impl Plan {
    /// Node `number`, counted from 1: base port, +1, +2, and ten more for each next node.
    pub(super) fn node(&self, number: u16) -> Config {
        let port = |number: u16, side: u16| self.base_port + (number - 1) * NODE_STEP + side;
        let at = |side| SocketAddr::from((Ipv4Addr::LOCALHOST, port(number, side)));
        let mut config = Config {
            data_dir: self.data.join(format!("node-{number}")).join("data"),
            ..Config::default()
        };
        config.shutdown_grace_ms = 5_000;
        config.ingest.listen = at(0);
        config.ingest.public_url = format!("http://{}", at(0));
        config.admin.listen = at(1);
        config.ingest.publish_tokens = vec![Secret::new(self.secrets.publish_token.clone())];
        config.admin.token = Secret::new(self.secrets.token.clone());
        config.peer.listen = at(2);
        config.cluster.name = "dev".into();
        config.cluster.secret = Secret::new(self.secrets.cluster.clone());
        config.cluster.nodes = (1..=self.nodes)
            .map(|number| format!("{}:{}", Ipv4Addr::LOCALHOST, port(number, 2)))
            .collect();
        // Trying things out means receivers on this machine.
        config.delivery.allow_private_networks = ["127.0.0.0/8", "::1/128"]
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect();
        config.log.filter = "warn,raft::cluster=info,openraft=error".into();
        config
    }

    /// Writes a node's file, readable by its owner only, and gives its path.
    pub(super) fn write(&self, number: u16) -> io::Result<PathBuf> {
        let dir = self.data.join(format!("node-{number}"));
        fs::create_dir_all(&dir)?;
        let path = dir.join("node.toml");
        let text = toml::to_string(&self.node(number)).map_err(io::Error::other)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?
            .write_all(text.as_bytes())?;
        Ok(path)
    }

    /// The highest port that is needed, if the base port leaves room for it.
    pub(super) fn last_port(nodes: u16, base_port: u16) -> Option<u16> {
        base_port
            .checked_add(nodes.checked_sub(1)?.checked_mul(NODE_STEP)?)?
            .checked_add(2)
    }
}

impl Secrets {
    pub(super) fn draw() -> Self {
        Self {
            token: draw_secret(),
            publish_token: draw_secret(),
            cluster: draw_secret(),
        }
    }
}

/// The secrets that a data directory was made with, if it was.
pub(super) fn secrets_of(data: &Path) -> Option<Secrets> {
    let text = fs::read_to_string(data.join("node-1").join("node.toml")).ok()?;
    let config: Config = toml::from_str(&text).ok()?;
    let publish_token = config.ingest.publish_tokens.first();
    Some(Secrets {
        token: config.admin.token.reveal().to_owned(),
        // An older one has none.
        publish_token: publish_token.map_or_else(draw_secret, |token| token.reveal().to_owned()),
        cluster: config.cluster.secret.reveal().to_owned(),
    })
}

/// 32 characters that nobody guesses.
fn draw_secret() -> String {
    hex::encode(world::entropy().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan(data: &Path) -> Plan {
        Plan {
            nodes: 3,
            base_port: 8080,
            data: data.to_owned(),
            secrets: Secrets::draw(),
        }
    }

    #[test]
    fn every_node_has_ports_of_its_own_and_knows_the_others() {
        let plan = plan(Path::new("/tmp"));
        let second = plan.node(2);
        assert_eq!(second.ingest.listen.port(), 8090);
        assert_eq!(second.admin.listen.port(), 8091);
        assert_eq!(
            second.cluster.nodes,
            ["127.0.0.1:8082", "127.0.0.1:8092", "127.0.0.1:8102"]
        );
    }

    #[test]
    fn what_is_written_is_a_configuration_that_a_node_starts_with() {
        let dir = tempfile::tempdir().expect("a directory");
        let plan = plan(dir.path());
        for number in 1..=3 {
            let file = plan.write(number).expect("written");
            let text = fs::read_to_string(file).expect("readable");
            let read = config::load(&text, std::iter::empty()).expect("valid");
            assert_eq!(read, plan.node(number));
        }
        assert_eq!(secrets_of(dir.path()), Some(plan.secrets));
    }

    #[test]
    fn ports_that_do_not_exist_are_noticed() {
        assert_eq!(Plan::last_port(3, 8080), Some(8102));
        assert_eq!(Plan::last_port(3, 65_530), None);
        assert_eq!(Plan::last_port(0, 8080), None);
    }
}
