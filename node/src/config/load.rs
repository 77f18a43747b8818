//! Reads a configuration: the file, then the environment over it, then the checks.

use super::{Config, manual::Section, validate};
use figment::{
    Figment,
    error::Kind,
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
    /// It never shows what the file says there: that may be a secret.
    #[error("reading the configuration: line {line}, column {column}: {what}")]
    NoToml {
        line: usize,
        column: usize,
        what: String,
    },
    #[error("reading the configuration: {0}")]
    Malformed(String),
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
    toml::from_str::<toml::Table>(text).map_err(|error| no_toml(text, &error))?;
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
        .map_err(|error| ConfigError::Malformed(malformed(error)))?;
    let config = config.derived();
    match validate::problems(&config) {
        problems if problems.is_empty() => Ok(config),
        problems => Err(ConfigError::Invalid(problems)),
    }
}

/// Where a text is no TOML. The parser's own words quote the line.
fn no_toml(text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(begin..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let said = error.message();
    let mut words = line.split(|sign: char| !sign.is_alphanumeric());
    let quotes = words.any(|word| word.len() > 3 && said.contains(word));
    ConfigError::NoToml {
        line: before.matches('\n').count() + 1,
        column: before[begin..].chars().count() + 1,
        what: match quotes {
            true => "expected TOML: key = value, each key once".to_owned(),
            false => said.replace('\n', ", "),
        },
    }
}

/// What is wrong with the values, without those that may be secrets.
fn malformed(error: figment::Error) -> String {
    let each = error.into_iter().map(|error| {
        let key = error.path.join(".");
        let what = match &error.kind {
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected)
                if may_be_secret(&error.path) =>
            {
                format!("expected {expected}")
            }
            Kind::Message(_) if may_be_secret(&error.path) => "it can't be used".to_owned(),
            kind => kind.to_string(),
        };
        match key.is_empty() {
            true => what,
            false => format!("{key}: {what}"),
        }
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Whether a value there is a secret, or was meant to be one.
fn may_be_secret(path: &[String]) -> bool {
    let whole_section = path.len() < 2;
    let names = ["token", "secret", "password", "key"];
    whole_section
        || path
            .iter()
            .any(|part| names.iter().any(|name| part.contains(name)))
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
        .any(|entry| entry.key == lower)
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
    fn senders_are_told_where_the_node_listens_unless_it_says_otherwise() {
        for (ingest, told) in [
            ("listen = \"127.0.0.1:21480\"", "http://127.0.0.1:21480"),
            ("listen = \"[::1]:21480\"", "http://[::1]:21480"),
            ("listen = \"0.0.0.0:21480\"", "http://10.1.2.3:21480"),
            ("public_url = \"https://in.example\"", "https://in.example"),
        ] {
            let file = format!(
                "{SECRETS}join = [\"10.1.2.4:8082\"]\n[ingest]\n{ingest}\n[peer]\nadvertise = \"10.1.2.3:8082\"\n"
            );
            assert_eq!(read(&file, &[]).expect("valid").ingest.public_url, told);
        }
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
    fn no_error_shows_a_secret_however_the_file_is_broken() {
        const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2";
        for text in [
            format!("[admin]\ntoken = {SECRET}\n"),
            format!("[admin]\ntoken = \"{SECRET}\n"),
            format!("[admin]\ntoken = \"{SECRET}\" x\n"),
            format!("[admin]\ntoken \"{SECRET}\"\n"),
            format!("[admin]\ntoken = \"{SECRET}\"\ntoken = \"{SECRET}\"\n"),
            format!("[admin]\ntoken = \"{SECRET}\"\n[admin]\ntoken = \"{SECRET}\"\n"),
            format!("[admin\ntoken = \"{SECRET}\"\n"),
            format!("[admin]\ntoken = [\"{SECRET}\"]\n"),
            format!("[admin]\ntoken = {{ value = \"{SECRET}\" }}\n"),
            format!("admin = \"{SECRET}\"\n"),
            format!("[cluster]\nsecret = '{SECRET}\n"),
            format!("[cluster]\nsecret = '''{SECRET}\n"),
            format!("[admin]\ntokken = \"{SECRET}\"\n"),
            format!("[admin]\ntoken = \"{SECRET}\\q\"\n"),
            "[admin]\ntoken = 31415926535897932\n".to_owned(),
            "[cluster]\nsecret = 3141592653589793.2\n".to_owned(),
            "[admin]\ntoken = 1979-05-27T07:32:00Z\n".to_owned(),
        ] {
            let error = read(&text, &[]).expect_err(&text);
            for part in ["hunter2", "31415926", "1979-05"] {
                assert!(!error.contains(part), "{error}");
            }
        }
        let environment = [("TIDEGATE_ADMIN__TOKEN", "31415926535897932")];
        let error = read("", &environment).expect_err("digits");
        assert!(!error.contains("31415926"), "{error}");
        let error = read("[admin]\n\ntoken = x y\n", &[]).expect_err("no TOML");
        assert!(error.contains("line 3"), "{error}");
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
