//! An execution: one run of a transformation, what it wrote, and whether it came to a request. What it was given is the
//! stored request; what it made of it is computed again from the version, which gives the same bytes.

use crate::{
    ids::{ConnectionId, TransformationId},
    state::codec::Stored,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A version of a transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransformationUse {
    pub id: TransformationId,
    pub version: u16,
}

/// A run as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub connection_id: ConnectionId,
    /// The attempt that it was for, counted from 1.
    pub attempt: u16,
    pub used: TransformationUse,
    /// What ran before it over the same request, in order.
    pub behind: Vec<TransformationUse>,
    pub at: Timestamp,
    /// Whether it came to no request. Then the last line of the log says why.
    pub failed: bool,
    /// The highest of its lines, also of those that were not kept.
    pub log_level: LogLevel,
    pub logs: Vec<ConsoleLine>,
}

impl Stored for Execution {
    const WHAT: &'static str = "execution";
    const VERSION: u8 = 1;
}

/// A line that a transformation wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleLine {
    pub level: LineLevel,
    pub message: String,
}

/// By which of the console's functions a line was written. Stored: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineLevel {
    Debug,
    Log,
    Info,
    Warn,
    Error,
    /// Not written, but why the run failed.
    Fatal,
}

/// The severity of an execution: that of its gravest log line. Stored: append only, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl LineLevel {
    #[must_use]
    pub fn log_level(self) -> LogLevel {
        match self {
            Self::Debug => LogLevel::Debug,
            Self::Log | Self::Info => LogLevel::Info,
            Self::Warn => LogLevel::Warn,
            Self::Error => LogLevel::Error,
            Self::Fatal => LogLevel::Fatal,
        }
    }
}

/// Bytes of all lines of an execution that are kept.
pub const LOG_BYTES_KEPT: usize = 8 * 1024;
/// Lines of an execution that are kept.
pub const LOG_LINES_KEPT: usize = 100;
const CUT: &str = "… cut";

/// The lines that are kept of a log: the first ones and, where it did not fit, its last one, which says why a run failed.
#[must_use]
pub fn kept_lines(lines: Vec<ConsoleLine>) -> Vec<ConsoleLine> {
    let bytes: usize = lines.iter().map(|line| line.message.len()).sum();
    if lines.len() <= LOG_LINES_KEPT && bytes <= LOG_BYTES_KEPT {
        return lines;
    }
    let mut lines = lines;
    let mut last = lines.pop();
    let mut left = LOG_BYTES_KEPT;
    if let Some(last) = &mut last {
        cut(&mut last.message, LOG_BYTES_KEPT / 2);
        left -= last.message.len();
    }
    let mut kept = Vec::new();
    for mut line in lines.into_iter().take(LOG_LINES_KEPT - 1) {
        if left <= CUT.len() {
            break;
        }
        cut(&mut line.message, left);
        left -= line.message.len();
        kept.push(line);
    }
    kept.extend(last);
    kept
}

/// Shortens a text to at most so many bytes, visibly.
fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(message: &str) -> ConsoleLine {
        ConsoleLine {
            level: LineLevel::Log,
            message: message.into(),
        }
    }

    #[test]
    fn a_short_log_is_kept_as_it_is() {
        let lines = vec![line("a"), line(""), line("é")];
        assert_eq!(kept_lines(lines.clone()), lines);
        assert_eq!(kept_lines(vec![]), []);
    }

    #[test]
    fn of_a_long_log_the_beginning_and_the_last_line_are_kept() {
        let mut lines: Vec<_> = (0..500).map(|n| line(&n.to_string())).collect();
        lines.push(line("why"));
        let kept = kept_lines(lines);
        assert_eq!(kept.len(), LOG_LINES_KEPT);
        assert_eq!((&kept[0], &kept[99]), (&line("0"), &line("why")));
        let kept = kept_lines(vec![line(&"é".repeat(9_000)), line("why")]);
        assert_eq!(kept.len(), 2);
        assert!(kept[0].message.ends_with(CUT), "{}", kept[0].message.len());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_within_its_bounds(lines in prop::collection::vec(".{0,3000}", 0..200)) {
            let kept = kept_lines(lines.iter().map(|text| line(text)).collect());
            prop_assert!(kept.len() <= LOG_LINES_KEPT);
            let bytes: usize = kept.iter().map(|line| line.message.len()).sum();
            prop_assert!(bytes <= LOG_BYTES_KEPT, "{}", bytes);
            prop_assert_eq!(kept.is_empty(), lines.is_empty());
        }
    }
}
