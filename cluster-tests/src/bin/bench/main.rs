//! `bench`: acknowledged requests per second, latency and CPU for one and three nodes beside the least that could be
//! done, all in one run. Without arguments it runs everything; the subcommands are the processes that it starts.

mod bare;
mod catalog;
mod etcd;
mod gateway;
mod load;
mod reads;
mod rules;
mod run;
mod scale;
mod schemes;
mod scripts;
mod sick;
mod sink;
mod table;
mod transforms;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    about = "Figures side by side: a bare handler, one node, three nodes, and etcd if it is there"
)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Everything, one after the other, and the table
    Run(run::Run),
    /// A handler that does nothing but commit the body, synced, in groups
    Bare(bare::Bare),
    /// A receiver that counts
    Sink,
    /// The load: keep-alive connections that post as fast as they are answered
    Load(load::Load),
}

fn main() {
    match Arguments::parse()
        .part
        .unwrap_or(Part::Run(run::Run::default()))
    {
        Part::Run(run) => run.execute(),
        Part::Bare(bare) => bare.serve(),
        Part::Sink => sink::serve(),
        Part::Load(load) => load.execute(),
    }
}
