//! The table of the docs: one row a provider, written from the registry. `make fix` writes it anew.

#![allow(
    clippy::disallowed_methods,
    reason = "the table stands on the disk, beside the docs"
)]

use model::policy::signature::{Field, FieldKind, Provider, registry};
use std::{fmt::Write, fs};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/source-types.md");

const HEAD: &str = "\
# Source types
Written from the registry (`model/src/policy/signature/registry`) by `make fix`; a test keeps both equal. \
`GET /source-types` answers the same. How to use a type, rotate its secret and read its diagnoses stands in \
[Operations](operations.md#source-types).

In the column of the credentials, the fields of `config.auth`: the **bold** one is the secret, which can be rotated; \
those in brackets may be left out. Where the column of the handshake is not empty, the provider checks the URL or the \
secret by a request of its own, which is answered and not stored.

";

fn field(field: &Field) -> String {
    match field.kind {
        FieldKind::Required => format!("`{}`", field.name),
        FieldKind::Optional => format!("[`{}`]", field.name),
        FieldKind::OneOf(values) => format!("[`{}`: {}]", field.name, values.join(", ")),
    }
}

fn credentials(provider: &Provider) -> String {
    let secret = match provider.secret {
        "" => None,
        name if provider.learns_secret => Some(format!("[**`{name}`**, brought by the sender]")),
        name => Some(format!("**`{name}`**")),
    };
    let fields = provider.fields.iter().map(field);
    secret
        .into_iter()
        .chain(fields)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| type | scheme | credentials | handshake | facts |\n|---|---|---|---|---|\n");
    for provider in registry::all() {
        let cells = [
            &format!("`{}`", provider.name),
            &provider.scheme(),
            &credentials(provider),
            &provider.handshake(),
            provider.source,
        ];
        let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
        writeln!(text, "| {} |", cells.join(" | ")).expect("writes to memory");
    }
    let others: Vec<_> = registry::WITHOUT_SCHEME
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    write!(
        text,
        "\n## Types without a scheme of their own\nClients of the admin API know these names, but how their senders \
         prove themselves is not documented, or depends on the account. A source of such a type names a generic scheme \
         in `config.auth_type` (`HMAC`, `BASIC_AUTH`, `API_KEY` or `JWT`) and gives its fields; without that it is \
         refused.\n\n{}\n",
        others.join(" ")
    )
    .expect("writes to memory");
    text
}

#[test]
fn the_table_in_the_docs_is_the_registry() {
    let made = table();
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(PATH, &made).expect("the docs can be written");
    }
    let stands = fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        stands == made,
        "docs/source-types.md is not of this registry: run `make fix`"
    );
}

#[test]
fn no_provider_lacks_what_the_table_shows() {
    for provider in registry::all() {
        let name = provider.name;
        assert!(!provider.scheme().is_empty(), "{name} has no scheme");
        assert!(
            !provider.source.is_empty(),
            "{name} has no source of its facts"
        );
    }
}
