//! Values that a step gives to a field, a header or a parameter: a constant, a copy of another part, or a template.

use super::{
    Halt,
    address::{Address, BodyPath},
    budget,
    input::{Fault, Fields},
    template::{Part, Template},
    tree::Tree,
    url,
    work::Work,
};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Give {
    Value(Tree),
    From(Address),
    Template(Template),
}

/// The target of a text, which decides how the values in it are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A text of its own: whoever writes it into JSON, a query or a header escapes or checks the whole of it.
    Text,
    /// A piece of a path: each value becomes part of one segment.
    Path,
}

impl Give {
    pub(super) const FIELDS: [&'static str; 3] = ["value", "from", "template"];

    /// Reads exactly one of `value`, `from` and `template`.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        let given: Vec<&str> = Self::FIELDS
            .into_iter()
            .filter(|name| fields.has(name))
            .collect();
        match given.as_slice() {
            ["value"] => fields.tree("value").map(Self::Value),
            ["from"] => fields.address("from").map(Self::From),
            ["template"] => fields.template("template").map(Self::Template),
            _ => Err(fields.fault("value", "expected one of value, from and template")),
        }
    }

    /// Reads a given value where only a text makes sense.
    pub(super) fn read_text(fields: &Fields<'_>) -> Result<Self, Fault> {
        let give = Self::read(fields)?;
        match &give {
            Self::Value(value) if value.as_text().is_none() || *value == Tree::Null => {
                Err(fields.fault("value", "expected a text, a number or a boolean"))
            }
            _ => Ok(give),
        }
    }

    /// Checks the text that is known before any message is.
    pub(super) fn check_literals(
        &self,
        fields: &Fields<'_>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<(), Fault> {
        let checked = |field, text: &str| check(text).map_err(|error| fields.fault(field, error));
        match self {
            Self::From(_) => Ok(()),
            Self::Value(value) => checked("value", value.as_text().unwrap_or_default()),
            Self::Template(template) => template.parts.iter().try_for_each(|part| match part {
                Part::Literal(text) => checked("template", text),
                Part::Placeholder(_) => Ok(()),
            }),
        }
    }

    /// The part that it copies is not there.
    pub(super) fn missing(&self) -> Halt {
        match self {
            Self::From(address) => Halt::missing(address),
            Self::Value(_) | Self::Template(_) => Halt::missing(&"the value"),
        }
    }

    /// The value for one place of the target; none: the part that it is copied from is not there.
    pub(super) fn value(
        &self,
        work: &mut Work<'_>,
        target: &BodyPath,
        place: &[usize],
    ) -> Result<Option<Tree>, Halt> {
        let level = target.0.len();
        let (value, is_new) = match self {
            Self::Value(value) => (value.clone(), true),
            Self::Template(template) => {
                let seen_from = |path: &BodyPath| &place[..target.lists_shared_with(path)];
                let text = render(template, work, Target::Text, &seen_from)?;
                (Tree::text(text), false)
            }
            Self::From(address) => {
                let shared = match address {
                    Address::Body(path) => target.lists_shared_with(path),
                    _ => 0,
                };
                match work.find(address, &place[..shared])? {
                    None => return Ok(None),
                    Some(found) => (found.into_owned(), true),
                }
            }
        };
        let measure = value.measure();
        match is_new {
            true => work.budget.make(measure, level)?,
            false => budget::place(measure, level)?,
        }
        Ok(Some(value))
    }

    /// A text; none: the part that it is copied from is not there or null.
    pub(super) fn text(&self, work: &mut Work<'_>, target: Target) -> Result<Option<String>, Halt> {
        match self {
            Self::Value(value) => Ok(value.as_text().map(str::to_owned)),
            Self::Template(template) => render(template, work, target, &|_| &[]).map(Some),
            Self::From(address) => {
                let found = work.find(address, &[])?;
                match found.as_deref() {
                    None | Some(Tree::Null) => Ok(None),
                    Some(value) => match value.as_text() {
                        Some(text) => Ok(Some(text.to_owned())),
                        None => Err(Halt::new(format!(
                            "{address} is {} and not a text",
                            value.kind()
                        ))),
                    },
                }
            }
        }
    }
}

/// Fills a template in. What is not there or null leaves its place empty.
fn render<'p>(
    template: &Template,
    work: &mut Work<'_>,
    target: Target,
    seen_from: &dyn Fn(&BodyPath) -> &'p [usize],
) -> Result<String, Halt> {
    let mut out = String::new();
    for part in &template.parts {
        let address = match part {
            Part::Literal(text) => {
                work.budget.make_text(text.len())?;
                out.push_str(text);
                continue;
            }
            Part::Placeholder(address) => address,
        };
        let place = match address {
            Address::Body(path) => seen_from(path),
            _ => &[],
        };
        let text = match work.find(address, place)?.as_deref() {
            None => String::new(),
            Some(value) => match value.as_text() {
                Some(text) => text.to_owned(),
                None => {
                    return Err(Halt::new(format!(
                        "{address} is {} and has no place in a text",
                        value.kind()
                    )));
                }
            },
        };
        work.budget.make_text(text.len())?;
        match (target, address) {
            // It is a path already.
            (Target::Path, Address::Path) => out.push_str(&text),
            (Target::Path, _) => url::escape_segment(&text, &mut out),
            (Target::Text, _) => out.push_str(&text),
        }
    }
    Ok(out)
}
