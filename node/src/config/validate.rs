//! Validation of a configuration, before a node starts with it.

use super::{
    Config,
    manual::{Entry, Section},
};

/// Bytes that the cluster's secret needs at least.
const SECRET_MIN: usize = 32;

/// The list of everything that is wrong, each with its key and what was expected.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let mut found = secrets(config);
    found.extend(addresses(config));
    found.extend(out_of_bounds(config));
    found.extend(disproportions(config));
    found
}

/// Numbers outside of the bounds that stand with their keys.
fn out_of_bounds(config: &Config) -> Vec<String> {
    let sections = [
        ("ingest", config.ingest.out_of_bounds()),
        ("admin", config.admin.out_of_bounds()),
        ("peer", config.peer.out_of_bounds()),
        ("cluster", config.cluster.out_of_bounds()),
        ("delivery", config.delivery.out_of_bounds()),
        ("script", config.script.out_of_bounds()),
        ("transform", config.transform.out_of_bounds()),
        ("issues", config.issues.out_of_bounds()),
        ("replay", config.replay.out_of_bounds()),
        ("store", config.store.out_of_bounds()),
        ("retention", config.retention.out_of_bounds()),
        ("log", config.log.out_of_bounds()),
    ];
    let problem = |section: &str, entry: &Entry| {
        format!("{section}.{}: expected {}", entry.key, entry.expected())
    };
    let problems = sections
        .iter()
        .flat_map(|(section, wrong)| wrong.iter().map(|entry| problem(section, entry)));
    problems.collect()
}

/// What each part demands, with what is told where it doesn't hold.
fn unmet<const N: usize>(demands: [(bool, &str); N]) -> Vec<String> {
    let unmet = demands.into_iter().filter(|(holds, _)| !holds);
    unmet.map(|(_, problem)| problem.to_owned()).collect()
}

fn secrets(config: &Config) -> Vec<String> {
    let token = config.admin.token.reveal();
    let publish = &config.ingest.publish_tokens;
    let other = config.cluster.other_secret.reveal();
    unmet([
        (
            config.admin.token.is_strong() && is_token(token),
            "admin.token (or TIDEGATE_ADMIN_TOKEN): expected at least 16 visible ASCII characters; there is no default",
        ),
        (
            publish
                .iter()
                .all(|publish| publish.is_strong() && is_token(publish.reveal())),
            "ingest.publish_tokens: expected at least 16 visible ASCII characters each",
        ),
        (
            publish.iter().all(|publish| publish.reveal() != token),
            "ingest.publish_tokens: expected other tokens than admin.token",
        ),
        (
            config.cluster.secret.reveal().trim().len() >= SECRET_MIN,
            "cluster.secret (or TIDEGATE_CLUSTER_SECRET): expected at least 32 bytes; there is no default",
        ),
        (
            other.is_empty() || other.trim().len() >= SECRET_MIN,
            "cluster.other_secret: expected at least 32 bytes, or nothing",
        ),
    ])
}

fn addresses(config: &Config) -> Vec<String> {
    let advertise = config.advertise();
    let own = format!(
        "cluster.nodes: expected this node's own address {advertise} among them, or cluster.join"
    );
    let (ingest, admin) = (config.ingest.listen, config.admin.listen);
    let peer = config.peer.listen;
    let public_url = url::Url::parse(&config.ingest.public_url);
    unmet([
        (
            !config.cluster.name.is_empty(),
            "cluster.name: expected a name",
        ),
        (
            !config.cluster.join.is_empty()
                || config.cluster.nodes.is_empty()
                || config.cluster.nodes.contains(&advertise),
            &own,
        ),
        (
            peer.port() != 0 && advertise.rsplit_once(':').is_some(),
            "peer.advertise: expected host:port as the other nodes reach it",
        ),
        (
            !(config.peer.advertise.is_empty() && peer.ip().is_unspecified()),
            "peer.advertise: expected an address, since peer.listen is every address of this machine",
        ),
        (
            config.ingest.public_url.is_empty()
                || public_url
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
            "ingest.public_url: expected an http or https URL, or nothing",
        ),
        (
            ingest != admin && admin != peer && ingest != peer,
            "ingest.listen, admin.listen, peer.listen: expected three addresses of their own",
        ),
    ])
}

/// Values that are good each by itself and not beside one another.
fn disproportions(config: &Config) -> Vec<String> {
    let (cluster, issues) = (&config.cluster, &config.issues);
    unmet([
        (
            cluster.heartbeat_ms > 0
                && cluster.heartbeat_ms.saturating_mul(3) <= cluster.election_min_ms
                && cluster.election_min_ms < cluster.election_max_ms,
            "cluster.election_min_ms: expected at least three heartbeats, and less than cluster.election_max_ms",
        ),
        (
            config.ingest.max_in_flight_bytes >= config.ingest.max_body_bytes,
            "ingest.max_in_flight_bytes: expected at least ingest.max_body_bytes",
        ),
        (
            config.delivery.max_in_flight_bytes / 4 >= config.ingest.max_body_bytes,
            "delivery.max_in_flight_bytes: expected at least four times ingest.max_body_bytes",
        ),
        // Of four types, all that are open must have room.
        (
            issues.kept / 4 >= issues.open_per_type,
            "issues.kept: expected at least four times issues.open_per_type",
        ),
    ])
}

/// Whether the text can stand in an `Authorization` header.
fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::catalog::Secret;

    fn valid() -> Config {
        let mut config = Config::default();
        config.admin.token = Secret::new("sixteen-byte-tkn".into());
        config.cluster.secret = Secret::new("x".repeat(32));
        config
    }

    fn names(config: &Config, key: &str) -> bool {
        problems(config)
            .iter()
            .any(|problem| problem.starts_with(key))
    }

    #[test]
    fn the_defaults_lack_only_the_two_secrets() {
        assert_eq!(problems(&Config::default()).len(), 2);
        assert_eq!(problems(&valid()), Vec::<String>::new());
    }

    #[test]
    fn without_a_token_or_with_a_short_secret_a_node_refuses_to_start() {
        let mut config = valid();
        config.admin.token = Secret::new("     ".repeat(10));
        assert!(names(&config, "admin.token"));
        let mut config = valid();
        config.cluster.secret = Secret::new("x".repeat(31));
        assert!(names(&config, "cluster.secret"));
    }

    #[test]
    fn a_node_must_find_itself_among_the_nodes_unless_it_joins() {
        let mut config = valid();
        config.cluster.nodes = vec!["10.0.0.1:8082".into()];
        assert!(names(&config, "cluster.nodes"));
        config.cluster.join = vec!["10.0.0.1:8082".into()];
        assert!(!names(&config, "cluster.nodes"));
    }

    #[test]
    fn a_script_gets_neither_nothing_nor_the_whole_machine() {
        let mut config = valid();
        config.script.max_memory_bytes = 0;
        assert!(names(&config, "script.max_memory_bytes"));
        config.script.max_memory_bytes = 1024 * 1024;
        assert!(!names(&config, "script.max_memory_bytes"));
        config.script.timeout_ms = u64::MAX;
        assert!(names(&config, "script.timeout_ms"));
        config.script.max_stack_bytes = 4 * 1024 * 1024 + 1;
        assert!(names(&config, "script.max_stack_bytes"));
        config.script.queue = 0;
        assert!(names(&config, "script.queue"));
    }

    #[test]
    fn a_number_outside_of_its_bounds_is_told_with_them() {
        let mut config = valid();
        config.ingest.max_body_bytes = 33_554_433;
        config.cluster.partitions = 65;
        let found = problems(&config);
        for expected in [
            "ingest.max_body_bytes: expected 1 to 33554432 (32 MiB)",
            "cluster.partitions: expected 1 to 64",
        ] {
            assert!(found.iter().any(|problem| problem == expected), "{found:?}");
        }
    }

    #[test]
    fn a_zero_bound_is_refused_with_its_name() {
        let mut config = valid();
        config.delivery.window = 0;
        assert!(names(&config, "delivery.window"));
    }
}
