//! A transformation as clients name it: its code or its steps, and its environment.

use crate::{
    body::{Fields, Given, SHOWN},
    names,
    problem::Problem,
};
use model::{
    catalog::{Item, Program, Secret, Transformation, TransformationVersion, VersionMark},
    ids::TransformationId,
    policy::transform::Steps,
    time::Timestamp,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Environment variables and secrets together.
/// What a transformation and a version of it are shown with beside what they do.
const SHOWN_TRANSFORMATION: [&str; 6] = [
    "encrypted_env",
    "is_current",
    "iv",
    "restored_from",
    "transformation_id",
    "version",
];
const MAX_VARIABLES: usize = 50;
const MAX_NAME_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 4096;

/// The values that only the caller can provide, before a body is read.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// The id of a new one.
    pub id: TransformationId,
    pub now: Timestamp,
    pub max_code_bytes: usize,
}

/// A transformation that is kept, and its current version.
pub type Kept<'a> = (&'a Transformation, &'a TransformationVersion);

/// A transformation and the version that is current afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub transformation: Transformation,
    pub version: TransformationVersion,
    /// Everything that has to be written for it; nothing when nothing changed.
    pub items: Vec<Item>,
}

/// The transformation afterwards. What is not named stays as it is; a change of what it does is a new version.
pub fn read(
    fields: &Fields<'_>,
    kept: Option<Kept<'_>>,
    restored: Option<&TransformationVersion>,
    fresh: Fresh,
) -> Result<Written, Problem> {
    let name = names::required(fields, kept.map(|(kept, _)| kept.name.as_str()))?;
    let base = restored.or(kept.map(|(_, version)| version));
    let wanted = match restored {
        Some(_) => restore(fields, base)?,
        None => Wanted {
            program: program(fields, base, fresh.max_code_bytes)?,
            env: environment(fields, base)?,
            secrets: secrets(fields, base)?,
        },
    };
    wanted.check(fields)?;
    fields.pass_over(&[&SHOWN, &SHOWN_TRANSFORMATION]);
    let current = kept.filter(|(_, version)| wanted.is(version));
    if let Some((known, version)) = current {
        return Ok(renamed(known, version, name, fresh.now));
    }
    let before = kept.map(|(known, _)| known);
    let number = next_number(fields, before)?;
    let id = before.map_or(fresh.id, |known| known.id);
    let version = TransformationVersion {
        transformation_id: id,
        version: number,
        program: wanted.program,
        env: wanted.env,
        secrets: wanted.secrets,
        restored_from: restored.map(|restored| restored.version),
        created_at: fresh.now,
    };
    let mut versions = before
        .map(|known| known.versions.clone())
        .unwrap_or_default();
    versions.push(VersionMark {
        version: number,
        created_at: fresh.now,
    });
    let transformation = Transformation {
        id,
        name,
        versions,
        created_at: before.map_or(fresh.now, |known| known.created_at),
        updated_at: fresh.now,
    };
    Ok(Written {
        items: vec![
            Item::Transformation(transformation.clone()),
            Item::TransformationVersion(version.clone()),
        ],
        transformation,
        version,
    })
}

/// The number of the next version.
fn next_number(fields: &Fields<'_>, before: Option<&Transformation>) -> Result<u16, Problem> {
    let Some(known) = before else { return Ok(1) };
    known.next_version().ok_or_else(|| {
        let count = known.versions.len();
        let full = format!(
            "{count} versions of this transformation are kept and may still be in use, so there is no room for another"
        );
        fields.invalid("version", full)
    })
}

/// Reads the version that a trial run is of: what is given, over what is kept.
pub fn tried(
    fields: &Fields<'_>,
    kept: Option<&TransformationVersion>,
    fresh: Fresh,
) -> Result<TransformationVersion, Problem> {
    let wanted = Wanted {
        program: program(fields, kept, fresh.max_code_bytes)?,
        env: environment(fields, kept)?,
        secrets: secrets(fields, kept)?,
    };
    wanted.check(fields)?;
    Ok(TransformationVersion {
        transformation_id: kept.map(|kept| kept.transformation_id).unwrap_or_default(),
        version: kept.map_or(0, |kept| kept.version),
        program: wanted.program,
        env: wanted.env,
        secrets: wanted.secrets,
        restored_from: None,
        created_at: fresh.now,
    })
}

/// It does what it did; only its name may be another.
fn renamed(
    known: &Transformation,
    version: &TransformationVersion,
    name: String,
    now: Timestamp,
) -> Written {
    let mut transformation = known.clone();
    let mut items = Vec::new();
    if transformation.name != name {
        transformation.name = name;
        transformation.updated_at = now;
        items.push(Item::Transformation(transformation.clone()));
    }
    Written {
        transformation,
        version: version.clone(),
        items,
    }
}

struct Wanted {
    program: Program,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

impl Wanted {
    fn is(&self, version: &TransformationVersion) -> bool {
        self.program == version.program
            && self.env == version.env
            && self.secrets == version.secrets
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), Problem> {
        if let Some(twice) = self
            .env
            .keys()
            .find(|name| self.secrets.contains_key(*name))
        {
            let expected = format!("{twice} is a secret already; take it away from one of both");
            return Err(fields.invalid("env", expected));
        }
        if self.env.len() + self.secrets.len() > MAX_VARIABLES {
            let expected = format!("expected at most {MAX_VARIABLES} with the secrets");
            return Err(fields.invalid("env", expected));
        }
        Ok(())
    }
}

fn restore(
    fields: &Fields<'_>,
    restored: Option<&TransformationVersion>,
) -> Result<Wanted, Problem> {
    let others = ["code", "steps", "env", "secrets"];
    if let Some(other) = others
        .into_iter()
        .find(|key| fields.value(key) != Given::Absent)
    {
        let expected = "expected nothing beside version, which brings all of it";
        return Err(fields.invalid(other, expected));
    }
    restored
        .map(|version| Wanted {
            program: version.program.clone(),
            env: version.env.clone(),
            secrets: version.secrets.clone(),
        })
        .ok_or_else(|| fields.invalid("version", "expected a version that is kept"))
}

/// Code or steps. An empty code is none: clients that know of code only send back what they were shown.
fn program(
    fields: &Fields<'_>,
    kept: Option<&TransformationVersion>,
    max_code_bytes: usize,
) -> Result<Program, Problem> {
    let code = fields.text("code", usize::MAX)?.value();
    let code = code.filter(|code| !code.is_empty());
    let steps = fields.list("steps")?.value();
    match (code, steps) {
        (Some(_), Some(_)) => Err(fields.invalid("code", "expected either code or steps")),
        (Some(code), None) if code.len() > max_code_bytes => {
            let expected = format!("expected at most {max_code_bytes} bytes");
            Err(fields.invalid("code", expected))
        }
        (Some(code), None) => Ok(Program::Code(code.to_owned())),
        (None, Some(steps)) => {
            Steps::read(&fields.path("steps"), steps)
                .map_err(|fault| Problem::invalid(&fault.at, fault.expected))?;
            Ok(Program::Steps(steps.clone()))
        }
        (None, None) => kept
            .map(|version| version.program.clone())
            .ok_or_else(|| fields.invalid("code", "expected code or steps")),
    }
}

/// Given variables replace all kept ones.
fn environment(
    fields: &Fields<'_>,
    kept: Option<&TransformationVersion>,
) -> Result<BTreeMap<String, String>, Problem> {
    let given = match fields.object("env")? {
        Given::Absent => return Ok(kept.map(|version| version.env.clone()).unwrap_or_default()),
        Given::Null => return Ok(BTreeMap::new()),
        Given::Value(given) => given,
    };
    let mut env = BTreeMap::new();
    for (name, value) in given.all() {
        match value {
            Value::String(value) => {
                check_variable(&given, name, value)?;
                env.insert(name.clone(), value.clone());
            }
            _ => return Err(given.invalid(name, "expected a string")),
        }
    }
    Ok(env)
}

/// Secrets are never shown, so a given one is set, `null` takes one away, and one that is not named stays.
fn secrets(
    fields: &Fields<'_>,
    kept: Option<&TransformationVersion>,
) -> Result<BTreeMap<String, Secret>, Problem> {
    let mut secrets = kept
        .map(|version| version.secrets.clone())
        .unwrap_or_default();
    let given = match fields.object("secrets")? {
        Given::Absent => return Ok(secrets),
        Given::Null => return Ok(BTreeMap::new()),
        Given::Value(given) => given,
    };
    for (name, value) in given.all() {
        match value {
            Value::String(value) => {
                check_variable(&given, name, value)?;
                secrets.insert(name.clone(), Secret::new(value.clone()));
            }
            Value::Null => {
                secrets.remove(name);
            }
            _ => return Err(given.invalid(name, "expected a string, or null to take it away")),
        }
    }
    Ok(secrets)
}

fn check_variable(fields: &Fields<'_>, name: &str, value: &str) -> Result<(), Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(fits)
        && !name.as_bytes()[0].is_ascii_digit();
    if !is_name {
        let expected = format!(
            "expected a name of 1 to {MAX_NAME_BYTES} letters, digits and underscores that does not begin with a digit"
        );
        return Err(fields.invalid(name, expected));
    }
    if value.len() > MAX_VALUE_BYTES {
        let expected = format!("expected at most {MAX_VALUE_BYTES} bytes");
        return Err(fields.invalid(name, expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use serde_json::json;

    const CODE_MAX: usize = 100;

    fn given(now: u64) -> Fresh {
        Fresh {
            id: TransformationId(1 << 16),
            now: Timestamp(now),
            max_code_bytes: CODE_MAX,
        }
    }

    fn over(kept: Option<&Written>, now: u64, body: Value) -> Result<Written, Problem> {
        let kept = kept.map(|kept| (&kept.transformation, &kept.version));
        Body::of(body).read(|fields| read(fields, kept, None, given(now)))
    }

    fn first() -> Written {
        let body = json!({"name": "t", "code": "a", "env": {"A": "1"}, "secrets": {"KEY": "k", "OLD": "o"}});
        over(None, 5, body).expect("a transformation")
    }

    #[test]
    fn a_new_one_has_its_first_version() {
        let made = first();
        assert_eq!(made.transformation.version(), 1);
        assert_eq!(made.version.program, Program::Code("a".into()));
        assert_eq!(made.items.len(), 2);
    }

    #[test]
    fn what_is_not_named_stays_and_changes_nothing() {
        let kept = first();
        for body in [
            json!({}),
            json!({"name": "t"}),
            json!({"code": "a"}),
            json!({"code": "", "env": {"A": "1"}}),
            json!({"secrets": {"KEY": "k"}}),
        ] {
            let again = over(Some(&kept), 9, body).expect("the same");
            assert_eq!(again.items, []);
            assert_eq!(again.version, kept.version);
        }
        let renamed = over(Some(&kept), 9, json!({"name": "u"})).expect("renamed");
        assert_eq!(
            (renamed.items.len(), renamed.transformation.version()),
            (1, 1)
        );
    }

    #[test]
    fn another_program_or_environment_is_another_version() {
        let kept = first();
        for body in [
            json!({"code": "b"}),
            json!({"steps": [{"op": "wrap", "field": "body"}]}),
            json!({"env": {"A": "2"}}),
            json!({"env": null}),
            json!({"secrets": {"OLD": null}}),
            json!({"secrets": {"NEW": "n"}}),
        ] {
            let next = over(Some(&kept), 9, body).expect("a version");
            assert_eq!(
                (next.version.version, next.version.created_at),
                (2, Timestamp(9))
            );
            assert_eq!(
                (next.transformation.id, next.transformation.versions.len()),
                (kept.transformation.id, 2)
            );
        }
        let secrets = over(
            Some(&kept),
            9,
            json!({"secrets": {"OLD": null, "NEW": "n"}}),
        );
        let names: Vec<_> = secrets
            .expect("a version")
            .version
            .secrets
            .into_keys()
            .collect();
        assert_eq!(names, ["KEY", "NEW"]);
    }

    #[test]
    fn an_earlier_version_comes_back_as_a_new_one() {
        let kept = first();
        let second = over(Some(&kept), 9, json!({"code": "b", "env": null})).expect("a version");
        let current = (&second.transformation, &second.version);
        let body = Body::of(json!({"version": 1}));
        let back = read(
            &body.fields(),
            Some(current),
            Some(&kept.version),
            given(11),
        );
        let back = back.expect("a version");
        assert_eq!(
            (back.version.version, back.version.restored_from),
            (3, Some(1))
        );
        assert_eq!(
            (back.version.program, back.version.env),
            (kept.version.program.clone(), kept.version.env.clone())
        );
        let mixed = Body::of(json!({"version": 1, "code": "c"}));
        let refused = read(
            &mixed.fields(),
            Some(current),
            Some(&kept.version),
            given(11),
        );
        assert!(refused.expect_err("both").message().starts_with("code: "));
    }

    #[test]
    fn bad_input_names_its_field() {
        for (body, field) in [
            (json!({"code": "a"}), "name"),
            (json!({"name": "t"}), "code"),
            (json!({"name": "t", "code": 1}), "code"),
            (
                json!({"name": "t", "code": "x".repeat(CODE_MAX + 1)}),
                "code",
            ),
            (json!({"name": "t", "code": "a", "steps": []}), "code"),
            (json!({"name": "t", "steps": []}), "steps"),
            (
                json!({"name": "t", "steps": [{"op": "wrap"}]}),
                "steps[0].field",
            ),
            (
                json!({"name": "t", "steps": [{"op": "wrap", "field": "body"}, {"op": "no"}]}),
                "steps[1].op",
            ),
            (json!({"name": "t", "code": "a", "env": {"A": 1}}), "env.A"),
            (
                json!({"name": "t", "code": "a", "env": {"1A": "x"}}),
                "env.1A",
            ),
            (
                json!({"name": "t", "code": "a", "env": {"A": "x".repeat(5000)}}),
                "env.A",
            ),
            (
                json!({"name": "t", "code": "a", "secrets": {"A": 1}}),
                "secrets.A",
            ),
            (
                json!({"name": "t", "code": "a", "env": {"A": "x"}, "secrets": {"A": "y"}}),
                "env",
            ),
        ] {
            let refused = over(None, 5, body).expect_err(field);
            assert!(
                refused.message().starts_with(&format!("{field}: ")),
                "{refused}"
            );
        }
        let many: serde_json::Map<String, Value> = (0..=MAX_VARIABLES)
            .map(|n| (format!("A{n}"), json!("x")))
            .collect();
        assert!(over(None, 5, json!({"name": "t", "code": "a", "env": many})).is_err());
    }

    #[test]
    fn without_room_for_a_version_nothing_is_saved() {
        let mut kept = first();
        kept.transformation.versions = (1..=Transformation::VERSIONS_MAX)
            .map(|version| VersionMark {
                version: version as u16,
                created_at: Timestamp(5),
            })
            .collect();
        let refused = over(Some(&kept), 9, json!({"code": "b"})).expect_err("no room");
        assert!(
            refused.message().starts_with("version: 1000 versions"),
            "{refused}"
        );
        assert!(over(Some(&kept), 9, json!({"code": "a"})).is_ok());
    }
}
