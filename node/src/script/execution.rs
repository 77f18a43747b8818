//! The result of a script's run.

use super::{call::Payload, failure::ScriptFailure};
use serde::{Deserialize, Serialize};

/// A run that ended, well or not.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) outcome: Result<Reshaped, ScriptFailure>,
    /// What the script wrote, cut visibly at the limits, and last, as `fatal`, why it failed.
    pub(crate) logs: Vec<ConsoleLine>,
    /// The highest level among the logs; `info` when nothing was written.
    pub(crate) log_level: LogLevel,
    /// Time in the engine.
    pub(crate) took_us: u64,
}

/// The request as the handler returned it: what it left out is empty, not as before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reshaped {
    /// In capital letters; the original's when the handler returned none.
    pub(crate) method: String,
    /// Empty, or with its slash.
    pub(crate) path: String,
    /// Without its question mark. Made of `parsed_query` when the handler changed only that.
    pub(crate) query: String,
    /// In the handler's order, names in lower case, each once. Names are tokens, values visible text.
    pub(crate) headers: Vec<(String, String)>,
    /// JSON as `JSON.stringify` wrote it, or a text as it is.
    #[serde(skip)]
    pub(crate) body: Payload,
}

/// A line of the console: one call of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsoleLine {
    #[serde(rename = "type")]
    pub(crate) line_type: LineType,
    pub(crate) message: String,
}

/// By which of the console's functions a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineType {
    Debug,
    Log,
    Info,
    Warn,
    Error,
    Fatal,
}

/// The severity of an execution: that of its gravest line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl LineType {
    /// The console's function.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Log => "log",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    pub(crate) fn level(self) -> LogLevel {
        match self {
            Self::Debug => LogLevel::Debug,
            Self::Log | Self::Info => LogLevel::Info,
            Self::Warn => LogLevel::Warn,
            Self::Error => LogLevel::Error,
            Self::Fatal => LogLevel::Fatal,
        }
    }
}

impl Execution {
    /// Ends a run: a failure is its last line, so that whoever lists executions sees why.
    pub(super) fn ended(
        outcome: Result<Reshaped, ScriptFailure>,
        mut logs: Vec<ConsoleLine>,
        took_us: u64,
    ) -> Self {
        if let Err(failure) = &outcome {
            logs.push(ConsoleLine {
                line_type: LineType::Fatal,
                message: failure.explained(),
            });
        }
        let levels = logs.iter().map(|line| line.line_type.level());
        Self {
            log_level: levels.max().unwrap_or(LogLevel::Info),
            outcome,
            logs,
            took_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line_type: LineType) -> ConsoleLine {
        ConsoleLine {
            line_type,
            message: "said".into(),
        }
    }

    #[test]
    fn the_level_is_the_highest_that_was_written() {
        let of = |types: &[LineType]| {
            let reshaped = Reshaped {
                method: "POST".into(),
                path: String::new(),
                query: String::new(),
                headers: Vec::new(),
                body: Payload::Empty,
            };
            let logs = types.iter().map(|t| line(*t)).collect();
            Execution::ended(Ok(reshaped), logs, 0).log_level
        };
        assert_eq!(of(&[]), LogLevel::Info);
        assert_eq!(of(&[LineType::Debug]), LogLevel::Debug);
        assert_eq!(of(&[LineType::Warn, LineType::Log]), LogLevel::Warn);
        assert_eq!(of(&[LineType::Fatal, LineType::Error]), LogLevel::Fatal);
    }

    #[test]
    fn a_failure_is_the_last_line_and_fatal() {
        let ended = Execution::ended(Err(ScriptFailure::NoHandler), vec![line(LineType::Log)], 0);
        assert_eq!(ended.log_level, LogLevel::Fatal);
        assert_eq!(ended.logs.len(), 2);
        assert_eq!(ended.logs[1].line_type, LineType::Fatal);
    }

    #[test]
    fn lines_read_as_the_admin_api_shows_them() {
        let shown = serde_json::to_string(&line(LineType::Warn)).expect("a line");
        assert_eq!(shown, r#"{"type":"warn","message":"said"}"#);
    }
}
