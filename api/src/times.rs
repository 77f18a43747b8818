//! Times as the API shows and takes them: RFC 3339 with milliseconds, in UTC.

use crate::problem::Problem;
use model::time::Timestamp;

/// A time as text.
pub fn show(at: Timestamp) -> String {
    let shown = i64::try_from(at.0)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    format!("{shown:.3}")
}

pub fn show_some(at: Option<Timestamp>) -> Option<String> {
    at.map(show)
}

/// Reads an RFC 3339 time. Times before 1970 are taken as 1970: nothing here is older.
pub fn read(field: &str, text: &str) -> Result<Timestamp, Problem> {
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::invalid(
            field,
            format!("expected a time like 2025-07-01T12:00:00.000Z, got {text:?}"),
        )
    })?;
    Ok(Timestamp(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_with_milliseconds_and_reads_back() {
        let at = Timestamp(1_751_371_200_007);
        assert_eq!(show(at), "2025-07-01T12:00:00.007Z");
        assert_eq!(read("created_at", &show(at)), Ok(at));
        assert_eq!(show(Timestamp(0)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_offset_is_understood() {
        let at = read("created_at", "2025-07-01T14:00:00+02:00");
        assert_eq!(at, Ok(Timestamp(1_751_371_200_000)));
    }

    #[test]
    fn no_time_is_a_clear_refusal() {
        let error = read("created_at[gte]", "yesterday").expect_err("not a time");
        assert!(
            error
                .message()
                .starts_with("created_at[gte]: expected a time")
        );
    }
}
