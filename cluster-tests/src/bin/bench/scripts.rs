//! What a transformation's script costs: a call over 1 KiB of JSON beside the least that any reshaping must do.

use crate::table::{Ratio, Table};
use cluster_tests::settings;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use serde_json::{Value, json};
use std::{fs, hint::black_box, process::Command};
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
        "scripts, {} bytes of JSON, CPU µs a call in all processes: read and written again {reread:.0}, \
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
            what: format!("CPU a call, {what}"),
            value,
            asked: String::new(),
        });
    }
}

/// No rule can do less: the body is read and written.
fn rereading(body: &str) -> f64 {
    let before = cpu(UsageWho::RUSAGE_SELF);
    for _ in 0..CALLS {
        let value: Value = serde_json::from_str(black_box(body)).expect("JSON");
        black_box(value.to_string());
    }
    (cpu(UsageWho::RUSAGE_SELF) - before) / f64::from(CALLS)
}

/// The same for a script, as `tidegate script` runs it; what it prints goes on to standard error.
fn calls(dir: &TempDir, code: &str) -> f64 {
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let before = cpu(UsageWho::RUSAGE_CHILDREN);
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
    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
    (cpu(UsageWho::RUSAGE_CHILDREN) - before) / f64::from(CALLS)
}

/// User and system time in microseconds. A child's counts when it has ended, with its own children's.
fn cpu(who: UsageWho) -> f64 {
    let used = getrusage(who).expect("the system counts");
    let micros = |time: TimeVal| time.num_microseconds() as f64;
    micros(used.user_time()) + micros(used.system_time())
}
