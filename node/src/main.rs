//! The binary `tidegate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    node::run()
}
