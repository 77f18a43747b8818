//! What a transformation's script costs: calls over one request of 1 KiB, beside the least that any reshaping must do.

use crate::table::{Ratio, Table};
use cluster_tests::settings;
use serde_json::{Value, json};
use std::{fs, hint::black_box, process::Command, time::Instant};
use tempfile::TempDir;

const CALLS: u32 = 20_000;

const TRIVIAL: &str = r#"addHandler("transform", request => request);"#;
const RESHAPING: &str = r#"
const cents = amount => Math.round(Number(amount) * 100);
addHandler("transform", (request, context) => {
    const { order, customer } = request.body;
    request.headers["x-order"] = order.id;
    request.body = {
        id: `${context.connection.id}:${order.id}`,
        at: new Date().toISOString(),
        customer: { id: customer.id, name: [customer.first, customer.last].filter(Boolean).join(" ") },
        total: order.lines.reduce((sum, line) => sum + cents(line.price) * line.count, 0),
        lines: order.lines.filter(line => line.count > 0).map(({ sku, count, price }) => ({ sku, count, price: cents(price) })),
    };
    return request;
});"#;

/// 1 KiB of JSON, as shops send it.
fn request() -> Value {
    let line = |number: u32| json!({"sku": format!("SKU-{number:05}"), "count": number % 4, "price": "12.50", "title": "Some article"});
    json!({
        "headers": {"content-type": "application/json", "x-shop": "bench"},
        "path": "/orders",
        "query": "a=1",
        "body": {
            "order": {"id": "o-1234567", "currency": "EUR", "lines": (0..12).map(line).collect::<Vec<_>>()},
            "customer": {"id": "c-42", "first": "Ada", "last": "Lovelace", "mail": "ada@example.com"},
        },
    })
}

pub(crate) fn measure(table: &mut Table) {
    let dir = tempfile::tempdir().expect("a directory for scripts");
    let body = request()["body"].to_string();
    let reread = rereading(&body);
    let trivial = calls(&dir, TRIVIAL);
    let reshaping = calls(&dir, RESHAPING);
    table.remarks.push(format!(
        "scripts, {} bytes of JSON, calls/s one after the other: read and written again in this process {reread:.0}, \
         a script that returns it {trivial:.0}, one that reshapes it {reshaping:.0}",
        body.len()
    ));
    for (what, value) in [
        (
            "a script that returns its request ÷ read and written again",
            trivial / reread,
        ),
        (
            "a script that reshapes it ÷ read and written again",
            reshaping / reread,
        ),
        (
            "a script that reshapes it ÷ one that returns it",
            reshaping / trivial,
        ),
    ] {
        table.ratios.push(Ratio {
            what: format!("calls/s, {what}"),
            value,
            asked: String::new(),
        });
    }
}

/// No rule can do less: the body is read and written.
fn rereading(body: &str) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        let value: Value = serde_json::from_str(black_box(body)).expect("JSON");
        black_box(value.to_string());
    }
    f64::from(CALLS) / started.elapsed().as_secs_f64()
}

/// The rate of a script in the middle one of its stretches, as `tidegate script` tells it.
fn calls(dir: &TempDir, code: &str) -> f64 {
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let output = Command::new(settings::binary())
        .arg("script")
        .arg(file("transform.js", code))
        .arg("--request")
        .arg(file("request.json", &request().to_string()))
        .args(["--repeat", &CALLS.to_string()])
        .output()
        .expect("tidegate starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("{text}");
    let column = |line: &str| line.split_whitespace().nth(1)?.parse::<f64>().ok();
    let mut rates: Vec<f64> = text.lines().filter_map(column).collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
