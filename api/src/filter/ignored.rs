//! What ignored events can be filtered by.

use super::{ids, named};
use crate::{problem::Problem, query::Query};
use model::{ids::ProjectNumber, query::IgnoredQuery};

/// Reads which ignored events a list or a bulk operation is about.
pub fn read(query: &Query, project: ProjectNumber) -> Result<IgnoredQuery, Problem> {
    Ok(IgnoredQuery {
        project,
        causes: named(query.choices("cause")?),
        connections: ids(query, "webhook_id"),
        transformations: ids(query, "transformation_id"),
        created_at: query.times("created_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::TransformationId, query::Relation, traffic::IgnoreCause};

    #[test]
    fn each_parameter_has_its_place() {
        let asked =
            |raw: &str| read(&Query::parse(raw), ProjectNumber::DEFAULT).expect("a good query");
        assert_eq!(asked(""), IgnoredQuery::default());
        let causes = asked("cause=DISABLED&cause=TRANSFORMATION_FAILED").causes;
        let both = vec![IgnoreCause::Disabled, IgnoreCause::TransformationFailed];
        assert_eq!(causes, Some(both));
        let failed = asked(&format!("transformation_id={}", TransformationId(3)));
        assert_eq!(failed.transformations, Some(vec![TransformationId(3)]));
        assert_eq!(asked("webhook_id=nonsense").connections, Some(vec![]));
        let early = asked("created_at[lt]=1970-01-01T00:00:01Z").created_at;
        assert_eq!(early.limits, [Relation::Below(1000)]);
    }
}
