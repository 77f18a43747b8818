//! What the runs of a transformation can be filtered by.

use super::{ids, named};
use crate::{choice, problem::Problem, query::Query};
use model::query::ExecutionQuery;

/// Reads which runs a list is over.
pub fn read(query: &Query) -> Result<ExecutionQuery, Problem> {
    let levels = query.all("log_level").into_iter().map(|level| {
        choice::read(&level.to_ascii_lowercase())
            .map_err(|expected| Problem::invalid("log_level", expected))
    });
    Ok(ExecutionQuery {
        log_levels: named(levels.collect::<Result<_, _>>()?),
        connections: ids(query, "webhook_id"),
        troubles: None,
        created_at: query.times("created_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::ConnectionId, traffic::LogLevel};

    #[test]
    fn each_parameter_has_its_place() {
        let asked = |raw: &str| read(&Query::parse(raw));
        assert_eq!(asked(""), Ok(ExecutionQuery::default()));
        let query = asked(&format!("log_level=ERROR&webhook_id={}", ConnectionId(7)));
        let query = query.expect("a good query");
        assert_eq!(query.log_levels, Some(vec![LogLevel::Error]));
        assert_eq!(query.connections, Some(vec![ConnectionId(7)]));
        assert!(asked("log_level=loud").is_err());
    }
}
