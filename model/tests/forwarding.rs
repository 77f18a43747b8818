//! `docs/destinations.md` shows the table of headers that the code decides by.

#![expect(
    clippy::disallowed_methods,
    reason = "the docs are a file, and this is a test"
)]

use model::policy::forwarding::FAMILIES;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/destinations.md");
const FROM: &str = "<!-- families: written by `make fix` -->\n";
const TO: &str = "<!-- end of families -->\n";

fn table() -> String {
    let mut table = String::from("\n| what they do | headers |\n|---|---|\n");
    for family in FAMILIES {
        let names = family.names.iter().map(|name| format!("`{name}`"));
        let begins = family.begins.iter().map(|begin| format!("`{begin}*`"));
        let all: Vec<_> = names.chain(begins).collect();
        table.push_str(&format!("| {} | {} |\n", family.what, all.join(" ")));
    }
    table.push('\n');
    table
}

#[test]
fn the_table_of_families_is_the_codes() {
    let text = std::fs::read_to_string(PATH).expect("the page");
    let (before, rest) = text.split_once(FROM).expect("where the table begins");
    let (shown, after) = rest.split_once(TO).expect("where the table ends");
    let table = table();
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(PATH, format!("{before}{FROM}{table}{TO}{after}")).expect("written");
        return;
    }
    assert_eq!(
        shown, table,
        "docs/destinations.md is not of this table: run `make fix`"
    );
}
