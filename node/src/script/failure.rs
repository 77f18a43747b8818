//! Failures of scripts: why one gave no request.

use serde::{Deserialize, Serialize};

/// Each way in which a script can fail. The message is for its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ScriptFailure {
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        line: u32,
        column: u32,
        message: String,
    },
    #[error("no handler: expected addHandler(\"transform\", (request, context) => …)")]
    NoHandler,
    #[error("{count} handlers: expected addHandler(\"transform\", …) once")]
    SeveralHandlers { count: usize },
    /// What was thrown, and where.
    #[error("{message}")]
    Threw { message: String, stack: String },
    /// undefined, null, false, 0, NaN or an empty string: the field's way of saying "not this one".
    #[error("the handler returned {was}: expected the request")]
    Nothing { was: String },
    #[error(
        "the handler returned a promise: expected the request itself, since nothing here can be waited for"
    )]
    Promise,
    #[error("the handler returned {was}: expected the request, an object")]
    NotAnObject { was: String },
    /// An object that can't be sent.
    #[error("the handler's result can't be sent: {field}: {problem}")]
    Unsendable { field: String, problem: String },
    #[error("stopped after {limit_ms} ms")]
    Time { limit_ms: u64 },
    #[error("needed more than its {limit_bytes} bytes of memory")]
    Memory { limit_bytes: usize },
    #[error(
        "called itself too deeply, or a body is nested too deeply: more than {limit_bytes} bytes of stack"
    )]
    Stack { limit_bytes: usize },
    #[error("the result has {bytes} bytes: expected at most {limit_bytes}")]
    Output { bytes: usize, limit_bytes: usize },
    #[error("the code has {bytes} bytes: expected at most {limit_bytes}")]
    Code { bytes: usize, limit_bytes: usize },
    /// A defect of the engine that only this script meets. Its process is gone, nothing else.
    #[error("the engine broke down over this script")]
    Engine,
}

impl ScriptFailure {
    /// The message, and where it happened if that is known.
    pub(crate) fn explained(&self) -> String {
        match self {
            Self::Threw { message, stack } if !stack.is_empty() => format!("{message}\n{stack}"),
            _ => self.to_string(),
        }
    }
}
