//! Nodes in network namespaces of their own, so that they can be cut off from each other and still be reached by the
//! test. Needs root and `ip`; without them `create` says why not.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
};

pub struct Network {
    tag: String,
    subnet: [u8; 3],
    nodes: usize,
}

/// A neighbour that does not exist: what is sent to it vanishes without a sound, as in a real partition.
const NOBODY: &str = "02:00:00:00:de:ad";

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {arguments}: {}", said.trim()))
}

impl Network {
    /// A bridge with a namespace for each node behind it.
    pub fn create(nodes: usize) -> Result<Self, String> {
        let network = Self {
            tag: format!("tg{:05x}", fastrand::u32(..1 << 20)),
            subnet: [10, fastrand::u8(128..=254), fastrand::u8(1..=254)],
            nodes,
        };
        network.build().map(|()| network)
    }

    fn build(&self) -> Result<(), String> {
        let tag = &self.tag;
        ip(&format!("link add {tag}b type bridge"))?;
        ip(&format!("addr add {}/24 dev {tag}b", self.outside()))?;
        ip(&format!("link set {tag}b up"))?;
        for node in 0..self.nodes {
            let space = self.namespace(node);
            let address = self.address(node);
            ip(&format!("netns add {space}"))?;
            ip(&format!(
                "link add {tag}v{node} type veth peer name eth0 netns {space}"
            ))?;
            ip(&format!("link set {tag}v{node} master {tag}b up"))?;
            ip(&format!("-n {space} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {space} link set eth0 up"))?;
            ip(&format!("-n {space} link set lo up"))?;
        }
        Ok(())
    }

    #[must_use]
    pub fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.tag)
    }

    #[must_use]
    pub fn address(&self, node: usize) -> IpAddr {
        let [a, b, c] = self.subnet;
        let host = u8::try_from(node + 1).unwrap_or(u8::MAX);
        Ipv4Addr::new(a, b, c, host).into()
    }

    /// Where the test itself, and its receiver, are in this network.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, 254).into()
    }

    /// From now on nothing passes between the two, in either direction.
    pub fn cut(&self, one: usize, other: usize) -> Result<(), String> {
        for (from, to) in [(one, other), (other, one)] {
            let (space, address) = (self.namespace(from), self.address(to));
            ip(&format!(
                "-n {space} neigh replace {address} lladdr {NOBODY} dev eth0 nud permanent"
            ))?;
        }
        Ok(())
    }

    pub fn heal(&self, one: usize, other: usize) -> Result<(), String> {
        for (from, to) in [(one, other), (other, one)] {
            let (space, address) = (self.namespace(from), self.address(to));
            ip(&format!("-n {space} neigh del {address} dev eth0"))?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in 0..self.nodes {
            // What was never built cannot be taken down: the namespace takes its end of the pair with it.
            let _ = ip(&format!("netns del {}", self.namespace(node)));
        }
        let _ = ip(&format!("link del {}b", self.tag));
    }
}
