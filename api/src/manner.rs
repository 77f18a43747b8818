//! Parameters that all paths of the API share: how fresh an answer must be, and what it brings along.

use crate::{problem::Problem, query::Query};

const INCLUDED: [&str; 2] = ["config.auth", "data"];

/// The read options of an answer: its consistency, and the optional parts that it includes. There is none before all
/// parameters were found to be of use: whoever has one has passed nothing over. By default it is fresh and brings
/// nothing along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// From this node's replicas, however far they lag.
    pub is_local: bool,
    pub with_auth: bool,
    pub with_data: bool,
}

impl Manner {
    pub fn read(query: &Query) -> Result<Self, Problem> {
        let is_local = match query.one("consistency") {
            None => false,
            Some("local") => true,
            Some(other) => {
                let expected = format!("expected local, or no such parameter, got {other:?}");
                return Err(Problem::invalid("consistency", expected));
            }
        };
        let included = query.all("include");
        let unknown = included.iter().find(|name| !INCLUDED.contains(name));
        if let Some(other) = unknown.filter(|name| !name.is_empty()) {
            let expected = format!("expected config.auth or data, got {other:?}");
            return Err(Problem::invalid("include", expected));
        }
        Ok(Self {
            is_local,
            with_auth: included.contains(&"config.auth"),
            with_data: included.contains(&"data"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_means_nothing_here_is_refused_with_those_that_do() {
        let finished = |raw: &str| Query::parse(raw).finish();
        let manner = finished("consistency=local&include=data&include[]=config.auth");
        let expected = Manner {
            is_local: true,
            with_auth: true,
            with_data: true,
        };
        assert_eq!(manner, Ok(expected));
        assert_eq!(finished(""), Ok(Manner::default()));
        for (raw, message) in [
            (
                "consistency=locl",
                "consistency: expected local, or no such parameter, got \"locl\"",
            ),
            (
                "include=data,zzz",
                "include: expected config.auth or data, got \"zzz\"",
            ),
            ("include=", "include: expected a value, got an empty one"),
            ("page=2", "page: there is no such parameter here"),
        ] {
            let refused = finished(raw).expect_err(raw);
            assert_eq!(refused.message(), message);
        }
    }
}
