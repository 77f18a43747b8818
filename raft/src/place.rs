//! The check that a data directory is where it belongs: what it knows of its node's place, held against what the
//! configuration says.

use crate::{
    change::FIRST_LATER_ID, cluster::Inner, error::StartError, network::Welcome, types::Member,
};
use std::collections::BTreeMap;

/// What a directory's own membership makes of the address that the node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// It is the node's, or nothing speaks against it.
    Own,
    /// The members know the node at another address, which may be a name of the same.
    Elsewhere(String),
    /// It belongs to another node or to another cluster, as this says.
    Foreign(String),
}

fn place(node: u64, advertise: &str, nodes: &[String], members: &BTreeMap<u64, Member>) -> Place {
    // It joins, or was removed: then the others decide.
    let Some(own) = members.get(&node) else {
        return Place::Own;
    };
    let here = own.peer == advertise;
    let of_directory = format!("the data directory is that of node {node} at {}", own.peer);
    let mut others = members.iter().filter(|(other, _)| **other != node);
    if !here && let Some((other, _)) = others.find(|(_, member)| member.peer == advertise) {
        return Place::Foreign(format!(
            "{of_directory}, and {advertise} is the address of node {other}"
        ));
    }
    let is_member = |address: &&String| members.values().any(|member| member.peer == **address);
    let mut named = nodes.iter().filter(|address| *address != advertise);
    let strangers = named.clone().next().is_some() && !named.any(|address| is_member(&address));
    let listed = (1u64..)
        .zip(nodes)
        .find(|(_, address)| *address == advertise);
    let by_list = node >= FIRST_LATER_ID || listed.is_none_or(|(place, _)| place == node);
    if strangers && !(here && by_list) {
        let known: Vec<&str> = members
            .values()
            .map(|member| member.peer.as_str())
            .collect();
        return Place::Foreign(format!(
            "{of_directory}, of a cluster of {}, and of the others in cluster.nodes ({}) none is a member of that",
            known.join(", "),
            nodes.join(", ")
        ));
    }
    // A node alone is nobody's peer.
    match here || members.len() == 1 {
        true => Place::Own,
        false => Place::Elsewhere(own.peer.clone()),
    }
}

impl Inner {
    /// Refuses a directory that belongs elsewhere: a node would be there twice, or in the place of another.
    pub(crate) async fn must_be_in_place(&self) -> Result<(), StartError> {
        let members = self.members.read().clone();
        let (node, advertise) = (self.node(), &self.config.advertise);
        let why = match place(node, advertise, &self.config.nodes, &members) {
            Place::Own => return Ok(()),
            Place::Foreign(why) => why,
            Place::Elsewhere(known) => match self.ask_welcome(&known).await {
                Ok(Welcome { member, .. }) if member.peer == *advertise => return Ok(()),
                Ok(_) => format!(
                    "the data directory is that of node {node}, which its members know at {known}, where another process answers; this node is told to be {advertise}"
                ),
                Err(error) => format!(
                    "the data directory is that of node {node}, which its members know at {known}, and this node is told to be {advertise}; there they do not look for it ({known}: {error})"
                ),
            },
        };
        Err(StartError::Misplaced {
            why,
            dir: self.config.data_dir.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(of: &[(u64, &str)]) -> BTreeMap<u64, Member> {
        let member = |(node, peer): &(u64, &str)| {
            let peer = (*peer).to_owned();
            (
                *node,
                Member {
                    peer,
                    ..Member::default()
                },
            )
        };
        of.iter().map(member).collect()
    }

    fn list(of: &[&str]) -> Vec<String> {
        of.iter().map(|address| (*address).to_owned()).collect()
    }

    fn is_foreign(place: &Place, names: &[&str]) -> bool {
        matches!(place, Place::Foreign(why) if names.iter().all(|name| why.contains(name)))
    }

    #[test]
    fn a_directory_in_its_place_is_taken_whatever_became_of_the_list() {
        let three = members(&[(1, "a"), (2, "b"), (3, "c")]);
        let nodes = list(&["a", "b", "c"]);
        assert_eq!(place(3, "c", &nodes, &three), Place::Own);
        // The others were replaced since, or the list was shortened.
        let replaced = members(&[(3, "c"), (1_004, "d"), (1_009, "e")]);
        assert_eq!(place(3, "c", &nodes, &replaced), Place::Own);
        assert_eq!(place(2, "b", &list(&["b", "c"]), &three), Place::Own);
        assert_eq!(place(1_009, "e", &[], &replaced), Place::Own);
        // It is not known there yet, or no more: the others decide.
        assert_eq!(place(1_010, "c", &[], &three), Place::Own);
        assert_eq!(place(2, "b", &nodes, &BTreeMap::new()), Place::Own);
        // It came back under a new id at the address of the old one, which is to be removed.
        let twice = members(&[(1, "a"), (2, "b"), (3, "c"), (1_004, "c")]);
        assert_eq!(place(1_004, "c", &[], &twice), Place::Own);
    }

    #[test]
    fn a_directory_at_the_address_of_another_member_is_refused() {
        let three = members(&[(1, "a"), (2, "b"), (3, "c")]);
        let nodes = list(&["a", "b", "c"]);
        let swapped = place(2, "c", &nodes, &three);
        assert!(
            is_foreign(&swapped, &["node 2 at b", "node 3"]),
            "{swapped:?}"
        );
    }

    #[test]
    fn a_directory_of_another_cluster_is_refused() {
        let nodes = list(&["a", "b", "c"]);
        let alone = place(1, "c", &nodes, &members(&[(1, "x")]));
        assert!(is_foreign(&alone, &["node 1 at x", "a, b, c"]), "{alone:?}");
        let other = place(3, "c", &nodes, &members(&[(1, "x"), (2, "y"), (3, "z")]));
        assert!(is_foreign(&other, &["x, y, z", "a, b, c"]), "{other:?}");
        // Formed at this very address, as the only node of another cluster.
        let here = place(1, "c", &nodes, &members(&[(1, "c")]));
        assert!(is_foreign(&here, &["node 1 at c"]), "{here:?}");
    }

    #[test]
    fn a_node_that_its_members_know_elsewhere_must_be_found_there() {
        let three = members(&[(1, "a"), (2, "b"), (3, "c")]);
        let moved = place(3, "d", &list(&["a", "b", "d"]), &three);
        assert_eq!(moved, Place::Elsewhere("c".into()));
        // Nobody looks for a node that is alone.
        let alone = members(&[(1, "a")]);
        assert_eq!(place(1, "d", &list(&["d"]), &alone), Place::Own);
    }
}
