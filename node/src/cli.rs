//! The command line: one file a verb.

mod dev;
mod dev_config;
mod listen;
mod script;
mod serve;
mod status;

use clap::{Parser, Subcommand};
use model::catalog::Secret;
use std::{convert::Infallible, error::Error, process::ExitCode};

/// What the shell is told about a wrong command line (`EX_USAGE` of sysexits.h).
const EX_USAGE: u8 = 64;
/// A configuration that can't be used (`EX_CONFIG`).
const EX_CONFIG: u8 = 78;

/// A clustered event gateway: takes webhooks, proves where they come from, and delivers them with retries.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Dev(dev::Args),
    Listen(listen::Args),
    Script(script::Args),
    Serve(serve::Args),
    /// Run scripts for the node at the other end of standard input: how a node keeps them out of itself.
    #[command(name = crate::script::VERB, hide = true)]
    ScriptEngine,
    Status(status::Args),
    /// Print the sample configuration: every key with its meaning and its default.
    Sample,
}

/// A verb that did not work out, and what the shell is told.
pub(crate) struct Failed {
    code: u8,
    error: Box<dyn Error>,
}

impl Failed {
    fn usage(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: EX_USAGE,
            error: error.into(),
        }
    }

    fn config(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: EX_CONFIG,
            error: error.into(),
        }
    }

    /// The store must not be served from.
    fn damaged(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: crate::fatal::EXIT_STORE,
            error: error.into(),
        }
    }

    fn running(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: 1,
            error: error.into(),
        }
    }
}

/// A credential of the command line, which no output shows.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            // Nothing is left to say if the terminal itself is gone.
            let _ = error.print();
            return if asked_for_help {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(EX_USAGE)
            };
        }
    };
    let done = match cli.verb {
        Verb::Dev(args) => dev::run(&args),
        Verb::Listen(args) => listen::run(&args),
        Verb::Script(args) => script::run(&args),
        Verb::Serve(args) => serve::run(&args),
        Verb::ScriptEngine => crate::script::serve().map_err(Failed::running),
        Verb::Status(args) => status::run(&args),
        Verb::Sample => {
            print!("{}", crate::config::sample());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("tidegate: {}", with_causes(failed.error.as_ref()));
            ExitCode::from(failed.code)
        }
    }
}

/// An error and everything behind it, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed_and_every_verb_explains_itself() {
        Cli::command().debug_assert();
        for verb in Cli::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }

    #[test]
    fn an_unknown_verb_is_a_usage_error_and_help_is_not() {
        assert!(
            Cli::try_parse_from(["tidegate", "fly"])
                .expect_err("unknown")
                .use_stderr()
        );
        assert!(
            !Cli::try_parse_from(["tidegate", "--help"])
                .expect_err("help")
                .use_stderr()
        );
    }
}
