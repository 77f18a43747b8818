//! What a configuration must hold before a node starts with it.

use super::Config;

/// Bytes that the cluster's secret needs at least.
const SECRET_MIN: usize = 32;
const BODY_MAX: usize = 32 * 1024 * 1024;
const SCRIPT_THREADS_MAX: usize = 64;
const SCRIPT_TIMEOUT_MS_MAX: u64 = 60_000;
/// Less than this holds no engine; more no machine.
const SCRIPT_MEMORY_MIN: usize = 1024 * 1024;
const SCRIPT_MEMORY_MAX: usize = 1024 * 1024 * 1024;
const SCRIPT_STACK_MIN: usize = 64 * 1024;
const SCRIPT_STACK_MAX: usize = 4 * 1024 * 1024;
const SCRIPT_CODE_MAX: usize = 5 * 1024 * 1024;
/// Logs are stored with each execution.
const SCRIPT_LOG_LINES_MAX: usize = 10_000;
const SCRIPT_LOG_BYTES_MAX: usize = 1024 * 1024;
const DELIVERY_TIMEOUT_MAX_MS: u64 = 120_000;
const BOOKMARK_MAX: usize = 16 * 1024 * 1024;
/// As many as keep an idle node idle.
const PARTITIONS_MAX: u16 = 64;
/// Less is what a busy machine takes to answer; more would shift what is due by more than a minute.
const CLOCK_SKEW_MS: std::ops::RangeInclusive<u64> = 500..=60_000;
/// Rows that one request may write beside those of its events.
const IGNORED_MAX: usize = 1_000;

/// Everything that is wrong, each with its key and what was expected.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, problem: &str| {
        if !holds {
            found.push(problem.to_owned());
        }
    };
    let token = config.admin.token.reveal();
    demand(
        config.admin.token.is_strong() && is_token(token),
        "admin.token (or TIDEGATE_ADMIN_TOKEN): expected at least 16 visible ASCII characters; there is no default",
    );
    demand(
        config
            .ingest
            .publish_tokens
            .iter()
            .all(|publish| publish.is_strong() && is_token(publish.reveal())),
        "ingest.publish_tokens: expected at least 16 visible ASCII characters each",
    );
    demand(
        config
            .ingest
            .publish_tokens
            .iter()
            .all(|publish| publish.reveal() != token),
        "ingest.publish_tokens: expected other tokens than admin.token",
    );
    demand(
        config.admin.wrong_tokens_per_second > 0,
        "admin.wrong_tokens_per_second: expected at least 1",
    );
    demand(
        config.cluster.secret.reveal().trim().len() >= SECRET_MIN,
        "cluster.secret (or TIDEGATE_CLUSTER_SECRET): expected at least 32 bytes; there is no default",
    );
    demand(
        !config.cluster.name.is_empty(),
        "cluster.name: expected a name",
    );
    let other = config.cluster.other_secret.reveal();
    demand(
        other.is_empty() || other.trim().len() >= SECRET_MIN,
        "cluster.other_secret: expected at least 32 bytes, or nothing",
    );
    demand(
        (1..=PARTITIONS_MAX).contains(&config.cluster.partitions),
        "cluster.partitions: expected 1 to 64",
    );
    let advertise = config.advertise();
    demand(
        !config.cluster.join.is_empty()
            || config.cluster.nodes.is_empty()
            || config.cluster.nodes.contains(&advertise),
        &format!(
            "cluster.nodes: expected this node's own address {advertise} among them, or cluster.join"
        ),
    );
    demand(
        config.peer.listen.port() != 0 && advertise.rsplit_once(':').is_some(),
        "peer.advertise: expected host:port as the other nodes reach it",
    );
    demand(
        !(config.peer.advertise.is_empty() && config.peer.listen.ip().is_unspecified()),
        "peer.advertise: expected an address, since peer.listen is every address of this machine",
    );
    demand(
        config.cluster.heartbeat_ms > 0
            && config.cluster.heartbeat_ms.saturating_mul(3) <= config.cluster.election_min_ms
            && config.cluster.election_min_ms < config.cluster.election_max_ms,
        "cluster.election_min_ms: expected at least three heartbeats, and less than cluster.election_max_ms",
    );
    demand(
        CLOCK_SKEW_MS.contains(&config.cluster.max_clock_skew_ms),
        "cluster.max_clock_skew_ms: expected 500 to 60000",
    );
    demand(
        config.ingest.public_url.is_empty()
            || url::Url::parse(&config.ingest.public_url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
        "ingest.public_url: expected an http or https URL, or nothing",
    );
    demand(
        (1..=BODY_MAX).contains(&config.ingest.max_body_bytes),
        "ingest.max_body_bytes: expected 1 to 33554432 (32 MiB)",
    );
    demand(
        config.ingest.max_in_flight_bytes >= config.ingest.max_body_bytes,
        "ingest.max_in_flight_bytes: expected at least ingest.max_body_bytes",
    );
    demand(
        config.delivery.max_in_flight_bytes / 4 >= config.ingest.max_body_bytes,
        "delivery.max_in_flight_bytes: expected at least four times ingest.max_body_bytes",
    );
    // A batch's bodies are counted by 16 bits.
    demand(
        (1..=60_000).contains(&config.ingest.max_batch_requests),
        "ingest.max_batch_requests: expected 1 to 60000",
    );
    demand(
        config.ingest.ignored_kept_per_request <= IGNORED_MAX,
        "ingest.ignored_kept_per_request: expected 0 to 1000",
    );
    let script = &config.script;
    demand(
        script.threads <= SCRIPT_THREADS_MAX,
        "script.threads: expected at most 64",
    );
    demand(
        (1..=SCRIPT_TIMEOUT_MS_MAX).contains(&script.timeout_ms),
        "script.timeout_ms: expected 1 to 60000",
    );
    demand(
        (SCRIPT_MEMORY_MIN..=SCRIPT_MEMORY_MAX).contains(&script.max_memory_bytes),
        "script.max_memory_bytes: expected 1048576 (1 MiB) to 1073741824 (1 GiB)",
    );
    demand(
        (SCRIPT_STACK_MIN..=SCRIPT_STACK_MAX).contains(&script.max_stack_bytes),
        "script.max_stack_bytes: expected 65536 (64 KiB) to 4194304 (4 MiB)",
    );
    demand(
        (1..=SCRIPT_CODE_MAX).contains(&script.max_code_bytes),
        "script.max_code_bytes: expected 1 to 5242880 (5 MiB)",
    );
    demand(
        (1..=SCRIPT_LOG_LINES_MAX).contains(&script.max_log_lines),
        "script.max_log_lines: expected 1 to 10000",
    );
    demand(
        (1..=SCRIPT_LOG_BYTES_MAX).contains(&script.max_log_bytes),
        "script.max_log_bytes: expected 1 to 1048576 (1 MiB)",
    );
    for (key, value) in [
        ("script.queue", script.queue),
        ("transform.versions_kept", config.transform.versions_kept),
        (
            "ingest.max_in_flight_requests",
            config.ingest.max_in_flight_requests,
        ),
        (
            "ingest.max_batches_in_flight",
            config.ingest.max_batches_in_flight,
        ),
        ("ingest.max_connections", config.ingest.max_connections),
        ("admin.max_connections", config.admin.max_connections),
        ("delivery.window", usize::from(config.delivery.window)),
        (
            "delivery.max_attempts_in_flight",
            config.delivery.max_attempts_in_flight,
        ),
        ("issues.max_reports", config.issues.max_reports),
        (
            "issues.notifications_in_flight",
            config.issues.notifications_in_flight,
        ),
        ("issues.samples", usize::from(config.issues.samples)),
    ] {
        demand(value > 0, &format!("{key}: expected at least 1"));
    }
    // What a page does is one command, and every node applies it in one go.
    demand(
        (1..=1_000).contains(&config.replay.batch),
        "replay.batch: expected 1 to 1000",
    );
    // The copy is part of a proposal and of every snapshot of the control group.
    demand(
        (1..=BOOKMARK_MAX).contains(&config.replay.max_bookmark_bytes),
        "replay.max_bookmark_bytes: expected 1 to 16777216 (16 MiB)",
    );
    for (key, value) in [
        (
            "replay.max_in_progress",
            config.replay.max_in_progress.into(),
        ),
        ("replay.max_kept", config.replay.max_kept.into()),
        ("replay.max_bookmarks", config.replay.max_bookmarks.into()),
        ("ingest.body_timeout_ms", config.ingest.body_timeout_ms),
        ("ingest.head_timeout_ms", config.ingest.head_timeout_ms),
        ("ingest.accept_timeout_ms", config.ingest.accept_timeout_ms),
        ("delivery.timeout_ms", config.delivery.timeout_ms),
        ("retention.max_age_hours", config.retention.max_age_hours),
        ("retention.max_bytes", config.retention.max_bytes),
        ("retention.every_ms", config.retention.every_ms),
        ("issues.report_every_ms", config.issues.report_every_ms),
        ("issues.sweep_every_ms", config.issues.sweep_every_ms),
        (
            "issues.max_notifications",
            config.issues.max_notifications.into(),
        ),
    ] {
        demand(value > 0, &format!("{key}: expected at least 1"));
    }
    demand(
        config.delivery.timeout_ms <= DELIVERY_TIMEOUT_MAX_MS,
        "delivery.timeout_ms: expected at most 120000 (two minutes)",
    );
    // Of four types, all that are open must have room.
    demand(
        config.issues.kept / 4 >= config.issues.open_per_type && config.issues.open_per_type > 0,
        "issues.kept: expected at least four times issues.open_per_type, and that at least 1",
    );
    let listeners = [
        config.ingest.listen,
        config.admin.listen,
        config.peer.listen,
    ];
    let distinct = listeners[0] != listeners[1]
        && listeners[1] != listeners[2]
        && listeners[0] != listeners[2];
    demand(
        distinct,
        "ingest.listen, admin.listen, peer.listen: expected three addresses of their own",
    );
    found
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
        config.script.max_memory_bytes = SCRIPT_MEMORY_MIN;
        assert!(!names(&config, "script.max_memory_bytes"));
        config.script.timeout_ms = u64::MAX;
        assert!(names(&config, "script.timeout_ms"));
        config.script.max_stack_bytes = SCRIPT_STACK_MAX + 1;
        assert!(names(&config, "script.max_stack_bytes"));
        config.script.queue = 0;
        assert!(names(&config, "script.queue"));
    }

    #[test]
    fn a_zero_bound_is_refused_with_its_name() {
        let mut config = valid();
        config.delivery.window = 0;
        assert!(names(&config, "delivery.window"));
    }
}
