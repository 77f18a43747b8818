//! The figures as a table that can stand in a page as it is printed.

use crate::load::Seen;

pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) connections: usize,
    pub(crate) seen: Seen,
    pub(crate) cpu_micros_per_ack: f64,
}

/// A figure beside the one that it is measured against, and what is asked of it.
pub(crate) struct Ratio {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) asked: String,
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) remarks: Vec<String>,
}

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!(
            "  {} @{}: {:.0}/s, {} failed",
            row.what, row.connections, row.seen.per_second, row.seen.failed
        );
        self.rows.push(row);
    }

    pub(crate) fn row(&self, what: &str, connections: usize) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.what == what && row.connections == connections)
    }

    /// Sets `figure` of one row against another's, if both are there.
    pub(crate) fn compare(
        &mut self,
        what: (&str, &str),
        connections: usize,
        (figure, of): (&str, fn(&Row) -> f64),
        asked: &str,
    ) {
        let pair = self
            .row(what.0, connections)
            .zip(self.row(what.1, connections));
        let Some((left, right)) = pair.map(|(left, right)| (of(left), of(right))) else {
            return;
        };
        if right > 0.0 {
            self.ratios.push(Ratio {
                what: format!(
                    "{figure}, {} ÷ {}, {connections} connections",
                    what.0, what.1
                ),
                value: left / right,
                asked: asked.to_owned(),
            });
        }
    }

    pub(crate) fn print(&self) {
        println!("| what | connections | acknowledged/s | p50 ms | p99 ms | CPU µs/ack | failed |");
        println!("|---|---|---|---|---|---|---|");
        for row in &self.rows {
            let seen = &row.seen;
            println!(
                "| {} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {} |",
                row.what,
                row.connections,
                seen.per_second,
                seen.p50_ms,
                seen.p99_ms,
                row.cpu_micros_per_ack,
                seen.failed
            );
        }
        println!("\n| side by side | here | asked |\n|---|---|---|");
        for ratio in &self.ratios {
            println!("| {} | {:.2} | {} |", ratio.what, ratio.value, ratio.asked);
        }
        println!();
        for remark in &self.remarks {
            println!("- {remark}");
        }
    }
}
