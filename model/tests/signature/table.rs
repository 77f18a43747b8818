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

**Where a fact comes from**: the last but one column names the sender's page, the last one the text of the sender's own \
in which the row was read: its SDK, its documentation or a specification. A row that is not verified was taken from \
catalogues and receivers that cite the page: try it before you rely on it.

**Replays**: a signed timestamp must lie within the window that the column of the scheme names, or within `tolerance_s` of \
the source; where the sender documents none, within an hour. What a sender signs for one request only (Mailgun's token, \
nonces, `jti` of a token that is made for a request, message ids with their time) is remembered as long as its signature \
would be taken, a week where nothing bounds it; a second request with it is answered as the first and has no events. \
Forms that a sender has replaced by a stronger one are taken only with `allow_legacy: true`, messages of any Amazon \
topic only with `allow_any_topic: true`.

**Challenges**: a handshake that is answered with the secret signs nothing but a short bare token, a UUID or 20 to 32 hex \
digits, and a signature over such a text proves no event of any type.

**Secrets**: each is decoded as its scheme does, and must then have `ingest.min_secret_bytes` bytes at least (16), passwords and \
tokens too; text that is not of its form is refused when it is configured. A source without what its type verifies by \
is made all the same: it says `authenticated: false` and in `unverified_because` what is missing, and answers posts with \
503 until then.

";

fn field(field: &Field) -> String {
    match field.kind {
        FieldKind::Required => format!("`{}`", field.name),
        FieldKind::Optional
        | FieldKind::Pending
        | FieldKind::Secret(_)
        | FieldKind::SecretsById => format!("[`{}`]", field.name),
        FieldKind::Flag => format!("[`{}`: true or false]", field.name),
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
    text.push_str("| type | scheme | credentials | handshake | facts | read in |\n|---|---|---|---|---|---|\n");
    for provider in registry::all() {
        let cells = [
            &format!("`{}`", provider.name),
            &provider.scheme(),
            &credentials(provider),
            &provider.handshake(),
            provider.source,
            registry::read_in(provider.name),
        ];
        let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
        writeln!(text, "| {} |", cells.join(" | ")).expect("writes to memory");
    }
    let others: Vec<_> = registry::WITHOUT_SCHEME
        .iter()
        .map(|(name, fields)| {
            let fields: Vec<_> = fields.iter().map(|field| format!(" {field}")).collect();
            format!("`{name}`{}", fields.concat())
        })
        .collect();
    write!(
        text,
        "\n## Types without a scheme of their own\nClients of the admin API know these names, but how their senders \
         prove themselves is not documented, or depends on the account. A source of such a type names a generic scheme \
         in `config.auth_type` (`HMAC`, `BASIC_AUTH`, `API_KEY`, `JWT` or another type) and gives its fields. Without that \
         it is made all the same, with the documented fields behind its name below, says why in `unverified_because`, \
         and answers posts with 503.\n\n{}\n",
        others.join(", ")
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
