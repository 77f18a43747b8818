//! Reads a configuration: the file, then the environment over it, then the checks.

use super::{Config, validate};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
    value::Value,
};
use std::{
    io,
    path::{Path, PathBuf},
};

const PREFIX: &str = "TIDEGATE_";
/// Short names of the two secrets.
const SHORT: [(&str, &str); 2] = [
    ("ADMIN_TOKEN", "admin.token"),
    ("CLUSTER_SECRET", "cluster.secret"),
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("reading {}", .file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("reading the configuration: {0}")]
    Malformed(Box<figment::Error>),
    #[error("the configuration can't be used:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

/// Reads a file and this process's environment.
pub(crate) fn load_file(file: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
        file: file.to_owned(),
        source,
    })?;
    // A variable that is not Unicode can't be one of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load(&text, environment)
}

/// Reads a configuration from its parts.
pub(crate) fn load(
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Toml::string(text));
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(PREFIX).and_then(key_of) else {
            continue;
        };
        // A secret of digits is still a text.
        let value = if SHORT.iter().any(|(_, secret)| *secret == key) {
            Value::from(value)
        } else {
            value
                .parse()
                .unwrap_or_else(|never: std::convert::Infallible| match never {})
        };
        figment = figment.merge(Serialized::default(&key, value));
    }
    let config: Config = figment
        .extract()
        .map_err(|error| ConfigError::Malformed(Box::new(error)))?;
    match validate::problems(&config) {
        problems if problems.is_empty() => Ok(config),
        problems => Err(ConfigError::Invalid(problems)),
    }
}

/// The key that a variable overrides. Variables of other purposes may share the prefix, so only `SECTION__KEY`,
/// the short names and the keys outside any section count.
fn key_of(name: &str) -> Option<String> {
    if let Some((_, key)) = SHORT.iter().find(|(short, _)| *short == name) {
        return Some((*key).to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if let Some((section, key)) = lower.split_once("__") {
        return Some(format!("{section}.{key}"));
    }
    Config::MANUAL
        .iter()
        .any(|(key, _)| *key == lower)
        .then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "[admin]\ntoken = \"sixteen-byte-tkn\"\n[cluster]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let file = format!("{SECRETS}[ingest]\nlisten = \"127.0.0.1:1\"\n");
        let config = read(&file, &[("TIDEGATE_INGEST__LISTEN", "127.0.0.1:2")]).expect("valid");
        assert_eq!(config.ingest.listen.port(), 2);
    }

    #[test]
    fn the_secrets_have_short_names_and_may_be_digits() {
        let environment = [
            ("TIDEGATE_ADMIN_TOKEN", "1234567890123456"),
            (
                "TIDEGATE_CLUSTER_SECRET",
                "12345678901234567890123456789012",
            ),
        ];
        let config = read("", &environment).expect("valid");
        assert_eq!(config.admin.token.reveal(), "1234567890123456");
    }

    #[test]
    fn lists_and_numbers_come_from_the_environment_too() {
        let environment = [
            (
                "TIDEGATE_CLUSTER__NODES",
                "[\"127.0.0.1:8082\", \"127.0.0.1:8092\"]",
            ),
            (
                "TIDEGATE_DELIVERY__ALLOW_PRIVATE_NETWORKS",
                "[\"127.0.0.0/8\"]",
            ),
            ("TIDEGATE_SHUTDOWN_GRACE_MS", "7"),
        ];
        let config = read(SECRETS, &environment).expect("valid");
        assert_eq!(config.cluster.nodes.len(), 2);
        assert_eq!(config.delivery.allow_private_networks.len(), 1);
        assert_eq!(config.shutdown_grace_ms, 7);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error =
            read(&format!("{SECRETS}[ingest]\nlissten = \"x\"\n"), &[]).expect_err("unknown");
        assert!(error.contains("lissten"), "{error}");
        let error = read(SECRETS, &[("TIDEGATE_INGEST__LISSTEN", "x")]).expect_err("unknown");
        assert!(error.contains("lissten"), "{error}");
        assert!(
            read(SECRETS, &[("TIDEGATE_SEED", "x")]).is_ok(),
            "a variable of another purpose"
        );
    }

    #[test]
    fn a_value_of_the_wrong_form_names_its_key() {
        let file = format!("{SECRETS}[delivery]\nallow_private_networks = [\"10.1\"]\n");
        let error = read(&file, &[]).expect_err("no network");
        assert!(
            error.contains("allow_private_networks") && error.contains("10.1"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        let config = read(SECRETS, &[]).expect("valid");
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("sixteen") && !shown.contains("0123456789abcdef"),
            "{shown}"
        );
    }
}
