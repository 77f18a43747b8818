//! The rule that names a transformation, by its id or inline: then it is made or changed with the connection.

use super::transformation::{self, Fresh};
use crate::{
    body::{Fields, Given},
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalog, Item, Rule, TransformationVersion},
    ids::TransformationId,
    traffic::TransformationUse,
};

/// Reads a version of the catalog that is being decided from.
pub type Stored<'a> =
    &'a dyn Fn(TransformationUse) -> Result<Option<TransformationVersion>, Problem>;

/// The context that rules are read in, with the inline transformations that they bring along.
pub struct Rulebook<'a> {
    pub catalog: &'a Catalog,
    pub stored: Stored<'a>,
    /// For inline transformations that are new, in turn.
    pub fresh: &'a [Fresh],
    /// What has to be written for inline transformations.
    pub items: Vec<Item>,
    /// Names of those that were read already.
    pub named: Vec<String>,
}

impl<'a> Rulebook<'a> {
    pub fn new(catalog: &'a Catalog, stored: Stored<'a>, fresh: &'a [Fresh]) -> Self {
        Self {
            catalog,
            stored,
            fresh,
            items: Vec::new(),
            named: Vec::new(),
        }
    }
}

pub fn read(fields: &Fields<'_>, book: &mut Rulebook<'_>) -> Result<Rule, Problem> {
    let id = fields.text("transformation_id", 255)?.value();
    let transformation_id = match (id, fields.object("transformation")?) {
        (Some(id), Given::Absent | Given::Null) => by_id(fields, id, book)?,
        (None, Given::Value(inline)) => inline_one(&inline, book)?,
        _ => {
            let expected = "expected a transformation's id, or a transformation";
            return Err(fields.invalid("transformation_id", expected));
        }
    };
    Ok(Rule::Transform { transformation_id })
}

fn by_id(fields: &Fields<'_>, id: &str, book: &Rulebook<'_>) -> Result<TransformationId, Problem> {
    let known = id
        .parse()
        .ok()
        .filter(|id| book.catalog.transformations.contains_key(id));
    known.ok_or_else(|| {
        let expected = format!("there is no transformation {id:?}");
        fields.invalid("transformation_id", expected)
    })
}

/// An existing name is changed: upserts of connections rely on it. A name alone means the one that is there.
fn inline_one(inline: &Fields<'_>, book: &mut Rulebook<'_>) -> Result<TransformationId, Problem> {
    let name = names::required(inline, None)?;
    if book.named.contains(&name) {
        return Err(inline.invalid("name", "expected each inline transformation once"));
    }
    let kept = match book.catalog.transformation_named(&name) {
        None => None,
        Some(kept) => {
            let used = TransformationUse {
                id: kept.id,
                version: kept.version(),
            };
            let version = (book.stored)(used)?.ok_or_else(|| {
                Problem::unavailable("the transformation is just being changed; try again")
            })?;
            Some((kept.clone(), version))
        }
    };
    let current = kept.as_ref().map(|(kept, _)| u64::from(kept.version()));
    // Clients send back what they were shown.
    let shown = inline.whole("version", 1, u64::from(u16::MAX))?.value();
    if shown.is_some() && shown != current {
        let expected =
            "expected the current version, or none: PUT /transformations/{id} goes back to another";
        return Err(inline.invalid("version", expected));
    }
    let fresh = book.fresh.get(book.named.len()).copied().ok_or_else(|| {
        inline.invalid(
            "name",
            format!("expected at most {} of them", book.fresh.len()),
        )
    })?;
    book.named.push(name);
    let kept = kept.as_ref().map(|(kept, version)| (&**kept, version));
    let written = transformation::read(inline, kept, None, fresh)?;
    book.items.extend(written.items);
    Ok(written.transformation.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use model::{catalog::Program, time::Timestamp};
    use serde_json::{Value, json};

    fn fresh(number: u128) -> Fresh {
        Fresh {
            id: TransformationId(number << 16),
            now: Timestamp(7),
            max_code_bytes: 100,
        }
    }

    /// Reads rules over a catalog of these items.
    fn over(
        items: &[Item],
        bodies: &[Value],
    ) -> Result<(Vec<TransformationId>, Vec<Item>), Problem> {
        let mut catalog = Catalog::default();
        items.iter().cloned().for_each(|item| catalog.insert(item));
        let stored = |used: TransformationUse| {
            Ok(items.iter().find_map(|item| match item {
                Item::TransformationVersion(version)
                    if (version.transformation_id, version.version) == (used.id, used.version) =>
                {
                    Some(version.clone())
                }
                _ => None,
            }))
        };
        let fresh = [fresh(101), fresh(102)];
        let mut book = Rulebook::new(&catalog, &stored, &fresh);
        let mut ids = Vec::new();
        for body in bodies {
            match read(&Body::of(body.clone()).fields(), &mut book)? {
                Rule::Transform { transformation_id } => ids.push(transformation_id),
                other => panic!("{other:?}"),
            }
        }
        Ok((ids, book.items))
    }

    #[test]
    fn an_inline_transformation_is_made_changed_or_just_named() {
        let (ids, made) = over(
            &[],
            &[json!({"transformation": {"name": "t", "code": "a"}})],
        )
        .expect("made");
        assert_eq!(
            (ids.as_slice(), made.len()),
            (&[TransformationId(101 << 16)][..], 2)
        );
        let named = json!({"transformation": {"name": "t"}});
        let by_id = json!({"transformation_id": ids[0]});
        for body in [&named, &by_id] {
            assert_eq!(
                over(&made, std::slice::from_ref(body)),
                Ok((ids.clone(), vec![]))
            );
        }
        let changed = json!({"transformation": {"name": "t", "code": "b"}});
        let (same, items) = over(&made, &[changed]).expect("changed");
        assert_eq!(same, ids);
        assert!(matches!(&items[1], Item::TransformationVersion(version)
            if version.version == 2 && version.program == Program::Code("b".into())));
    }

    #[test]
    fn what_can_not_be_named_is_refused() {
        for (bodies, field) in [
            (vec![json!({})], "transformation_id"),
            (
                vec![json!({"transformation_id": "trs_x"})],
                "transformation_id",
            ),
            (
                vec![json!({"transformation_id": TransformationId(5)})],
                "transformation_id",
            ),
            (vec![json!({"transformation": {}})], "transformation.name"),
            (
                vec![json!({"transformation": {"name": "t"}})],
                "transformation.code",
            ),
            (
                vec![json!({"transformation": {"name": "t", "code": "a"}}); 2],
                "transformation.name",
            ),
        ] {
            let refused = over(&[], &bodies).expect_err(field);
            assert!(
                refused.message().starts_with(&format!("{field}: ")),
                "{refused}"
            );
        }
    }
}
