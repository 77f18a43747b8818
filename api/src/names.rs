//! Names and descriptions of configured things.

use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::ids::{ConnectionId, DestinationId, ProjectId, SourceId, TransformationId};

const MAX_NAME: usize = 155;
const MAX_DESCRIPTION: usize = 500;

/// Whether a name may have this letter.
pub(crate) fn is_of_a_name(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_'
}

/// A name: letters, digits, `-` and `_`. It may not look like an id, because clients ask for either in one place.
pub fn name(fields: &Fields<'_>) -> Result<Given<String>, Problem> {
    let given = fields.text("name", MAX_NAME)?;
    if let Given::Value(name) = given {
        if name.is_empty() || !name.bytes().all(is_of_a_name) {
            return Err(fields.invalid(
                "name",
                "expected 1 to 155 letters, digits, hyphens and underscores",
            ));
        }
        let is_id = name.parse::<SourceId>().is_ok()
            || name.parse::<DestinationId>().is_ok()
            || name.parse::<ConnectionId>().is_ok()
            || name.parse::<TransformationId>().is_ok()
            || name.parse::<ProjectId>().is_ok();
        if is_id {
            return Err(fields.invalid("name", "expected a name that does not look like an id"));
        }
    }
    Ok(given.map(str::to_owned))
}

/// The name that a thing must have.
pub fn required(fields: &Fields<'_>, kept: Option<&str>) -> Result<String, Problem> {
    match (name(fields)?, kept) {
        (Given::Value(name), _) => Ok(name),
        (Given::Absent, Some(kept)) => Ok(kept.to_owned()),
        _ => Err(fields.invalid("name", "expected a name")),
    }
}

pub fn description(fields: &Fields<'_>, kept: Option<String>) -> Result<Option<String>, Problem> {
    let given = fields.text("description", MAX_DESCRIPTION)?;
    Ok(given.map(str::to_owned).or_kept(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use serde_json::json;

    fn named(name: &str) -> Result<String, Problem> {
        let body = Body::of(json!({ "name": name }));
        required(&body.fields(), None)
    }

    #[test]
    fn a_name_is_letters_digits_and_two_signs() {
        assert_eq!(named("My-shop_2"), Ok("My-shop_2".into()));
        for bad in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(156)] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_may_not_look_like_an_id() {
        let id = SourceId(7).to_string();
        assert!(named(&id).is_err());
        assert!(named("src_shop").is_ok());
    }
}
