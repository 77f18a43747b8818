//! A reader of query strings that understands the three spellings of an array and operators in brackets.

use crate::{choice, manner::Manner, nearest, problem::Problem, times};
use model::query::{Range, Relation};
use serde::de::DeserializeOwned;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// The parameters of a request in their order. Each remembers whether it was asked for: nothing can be answered without a
/// manner, and there is none until `finish` has refused what nobody had a use for.
#[derive(Debug, Default)]
pub struct Query {
    raw: String,
    parameters: Vec<Parameter>,
    /// The names that somebody asked for, given or not.
    known: RefCell<BTreeSet<String>>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    /// What stood in brackets; empty for `name[]`, `name[0]` and plain names.
    inner: String,
    value: String,
    asked_for: Cell<Option<Asked>>,
}

/// How a value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// Between its commas.
    List,
}

impl Parameter {
    fn asked(&self) -> &Self {
        let before = self.asked_for.get();
        self.asked_for.set(before.or(Some(Asked::Whole)));
        self
    }

    fn is_like(&self, other: &Self) -> bool {
        self.name == other.name && self.inner == other.inner
    }

    /// An empty value would ask for nothing, and what was meant would be passed over.
    fn is_empty(&self) -> bool {
        match self.asked_for.get() {
            Some(Asked::List) => self.value.split(',').any(str::is_empty),
            _ => self.value.is_empty(),
        }
    }

    /// As it was spelled, but for an array's brackets.
    fn field(&self) -> String {
        match self.inner.as_str() {
            "" => self.name.clone(),
            inner => format!("{}[{inner}]", self.name),
        }
    }
}

impl Query {
    pub fn parse(raw: &str) -> Self {
        let parameters = form_urlencoded::parse(raw.as_bytes())
            .map(|(key, value)| {
                let (name, inner) = match key.split_once('[') {
                    Some((name, rest)) => (name, rest.trim_end_matches(']')),
                    None => (&*key, ""),
                };
                // An index in an array is no operator.
                let is_index = inner.bytes().all(|byte| byte.is_ascii_digit());
                Parameter {
                    name: name.to_owned(),
                    inner: if is_index { "" } else { inner }.to_owned(),
                    value: value.into_owned(),
                    asked_for: Cell::new(None),
                }
            })
            .collect();
        Self {
            raw: raw.to_owned(),
            parameters,
            known: RefCell::default(),
        }
    }

    /// The query string as it was given.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    fn know(&self, name: &str) {
        self.known.borrow_mut().insert(name.to_owned());
    }

    fn plain<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> {
        self.know(name);
        let parameters = self.parameters.iter();
        let plain = parameters.filter(move |p| p.name == name && p.inner.is_empty());
        plain.map(Parameter::asked)
    }

    /// The value of `name[inner]`; an empty one is none.
    pub fn inner(&self, name: &str, inner: &str) -> Option<&str> {
        self.know(name);
        let found = self.parameters.iter();
        found
            .filter(|p| p.name == name && p.inner == inner)
            .map(|p| p.asked().value.as_str())
            .find(|value| !value.is_empty())
    }

    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|p| p.name == name)
    }

    /// The first value of a parameter; an empty one is none.
    pub fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.plain(name).map(|p| p.value.as_str());
        values.find(|value| !value.is_empty())
    }

    /// Finishes reading: the read options, once everything that the path knows was asked for. Refuses what is left: it
    /// would be taken without effect, and show or change more than was meant.
    pub fn finish(&self) -> Result<Manner, Problem> {
        let manner = Manner::read(self)?;
        for parameter in &self.parameters {
            if parameter.asked_for.get().is_none() {
                return Err(self.unknown(parameter));
            }
            if parameter.is_empty() {
                let expected = "expected a value, got an empty one";
                return Err(Problem::invalid(&parameter.field(), expected));
            }
        }
        Ok(manner)
    }

    fn unknown(&self, parameter: &Parameter) -> Problem {
        let mut asked = self
            .parameters
            .iter()
            .filter(|p| p.asked_for.get().is_some());
        if asked.any(|other| other.is_like(parameter)) {
            return Problem::invalid(&parameter.field(), "expected it once");
        }
        let known = self.known.borrow();
        let hint = nearest::hint(&parameter.name, known.iter().map(String::as_str));
        let expected = format!("there is no such parameter here{hint}");
        Problem::invalid(&parameter.field(), expected)
    }

    /// All values of a parameter as they are, commas and all.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let values = self.plain(name).map(|p| p.value.clone());
        values.filter(|value| !value.is_empty()).collect()
    }

    /// Reads the presence filter `name[any]=` of a text: whether it is there at all.
    pub fn any(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.inner(name, "any") {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Problem::invalid(
                &format!("{name}[any]"),
                format!("expected true or false, got {other:?}"),
            )),
        }
    }

    /// All values of a parameter, whatever the spelling: `a=1&a=2`, `a[]=1`, `a[0]=1`, and `a=1,2` as the command line sends it.
    pub fn all<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let lists = self
            .plain(name)
            .inspect(|p| p.asked_for.set(Some(Asked::List)));
        lists
            .flat_map(|p| p.value.split(','))
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// The fields of an object with their values: `name[field]=value`, each as often as it is given, lists in every spelling.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.know(name);
        let of_it = self.parameters.iter().filter(move |p| p.name == name);
        of_it.filter(|p| !p.asked().value.is_empty()).map(|p| {
            (
                p.inner.split(']').next().unwrap_or_default(),
                p.value.as_str(),
            )
        })
    }

    /// A parameter that is true or false.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.one(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(Problem::invalid(
                name,
                format!("expected true or false, got {other:?}"),
            )),
        }
    }

    /// Each value of a parameter, read as one of an enum's names; a value that is none of them names what there is.
    pub fn choices<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, Problem> {
        self.all(name)
            .into_iter()
            .map(|value| {
                choice::read(&value.to_ascii_uppercase())
                    .map_err(|expected| Problem::invalid(name, expected))
            })
            .collect()
    }

    /// Reads a range of times.
    pub fn times(&self, name: &str) -> Result<Range, Problem> {
        self.range(name, |field, text| times::read(field, text).map(|at| at.0))
    }

    /// Reads a range of numbers.
    pub fn numbers(&self, name: &str) -> Result<Range, Problem> {
        self.range(name, |field, text| {
            text.parse().map_err(|_| {
                Problem::invalid(field, format!("expected a whole number, got {text:?}"))
            })
        })
    }

    fn range(
        &self,
        name: &str,
        read: impl Fn(&str, &str) -> Result<u64, Problem>,
    ) -> Result<Range, Problem> {
        let mut limits = Vec::new();
        self.know(name);
        for parameter in self.parameters.iter().filter(|p| p.name == name) {
            let value = parameter.asked().value.as_str();
            if value.is_empty() {
                continue;
            }
            let field = parameter.field();
            let relation = match parameter.inner.as_str() {
                "" => Relation::Equal,
                "gt" => Relation::Above,
                "gte" => Relation::AtLeast,
                // The document spells "less than" as `le`.
                "le" | "lt" => Relation::Below,
                "lte" => Relation::AtMost,
                "any" => {
                    let present = self.any(name)?.unwrap_or_default();
                    limits.push(Relation::Present(present));
                    continue;
                }
                _ => {
                    return Err(Problem::invalid(
                        &field,
                        "expected an operator of gt, gte, le, lte, any",
                    ));
                }
            };
            limits.push(relation(read(&field, value)?));
        }
        Ok(Range { limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::traffic::EventStatus;

    #[test]
    fn an_array_is_understood_in_every_spelling() {
        for raw in [
            "status=A&status=B",
            "status[]=A&status[]=B",
            "status%5B0%5D=A&status%5B1%5D=B",
            "status=A,B",
        ] {
            assert_eq!(Query::parse(raw).all("status"), ["A", "B"], "{raw}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_refused_by_its_name() {
        let query = Query::parse("name=a&name[gt]=b&colour=red&include=data&consistency=local");
        assert_eq!(query.one("name"), Some("a"));
        let error = query.finish().expect_err("an operator without effect");
        assert_eq!(error.message(), "name[gt]: there is no such parameter here");
        assert_eq!(query.inner("name", "gt"), Some("b"));
        let error = query.finish().expect_err("an unknown parameter");
        assert_eq!(error.message(), "colour: there is no such parameter here");
        assert_eq!(query.one("colour"), Some("red"));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn a_slip_of_the_hand_is_told_and_a_second_value_is_not_lost() {
        let query = Query::parse("limt=3&dir=asc&dir=desc");
        assert_eq!((query.one("limit"), query.one("dir")), (None, Some("asc")));
        let error = query.finish().expect_err("a slip");
        assert_eq!(
            error.message(),
            "limt: there is no such parameter here; did you mean limit?"
        );
        assert!(query.one("limt").is_some());
        let error = query.finish().expect_err("twice");
        assert_eq!(error.message(), "dir: expected it once");
    }

    #[test]
    fn an_empty_value_is_refused_and_never_means_everything() {
        for (raw, field) in [
            ("id=", "id"),
            ("id[]=", "id"),
            ("id=a,,b", "id"),
            ("id=,", "id"),
            ("status=", "status"),
            ("name=", "name"),
            ("created_at[gte]=", "created_at[gte]"),
            ("created_at[any]=", "created_at[any]"),
            ("keys[a]=", "keys[a]"),
        ] {
            let query = Query::parse(raw);
            let _ = (query.all("id"), query.all("status"), query.texts("name"));
            query.fields("keys").for_each(drop);
            assert!(query.times("created_at").is_ok(), "{raw}");
            let error = query.finish().expect_err(raw);
            let expected = format!("{field}: expected a value, got an empty one");
            assert_eq!(error.message(), expected);
        }
    }

    #[test]
    fn a_text_keeps_its_commas() {
        let query = Query::parse("label=one,%20two&label[]=three&id=a,b");
        assert_eq!(query.texts("label"), ["one, two", "three"]);
        assert_eq!(query.all("id"), ["a", "b"]);
    }

    #[test]
    fn fields_of_an_object_are_understood_in_every_spelling() {
        let query = Query::parse("keys[a]=1&keys%5Bb%5D%5B0%5D=2&keys[b][]=3&other[a]=4");
        let fields: Vec<_> = query.fields("keys").collect();
        assert_eq!(fields, [("a", "1"), ("b", "2"), ("b", "3")]);
    }

    #[test]
    fn operators_narrow_a_range() {
        let query = Query::parse(
            "created_at%5Bgte%5D=1970-01-01T00:00:01Z&created_at[le]=1970-01-01T00:00:02Z",
        );
        let range = query.times("created_at").expect("times");
        assert!(range.holds(Some(1000)) && range.holds(Some(1999)));
        assert!(!range.holds(Some(999)) && !range.holds(Some(2000)) && !range.holds(None));
        assert_eq!((range.lowest(), range.highest()), (1000, 2000));
    }

    #[test]
    fn equal_values_are_alternatives() {
        let range = Query::parse("response_status=500&response_status=502")
            .numbers("response_status")
            .expect("numbers");
        assert!(range.holds(Some(500)) && range.holds(Some(502)));
        assert!(!range.holds(Some(501)) && !range.holds(None));
    }

    #[test]
    fn an_absent_filter_lets_everything_through() {
        let range = Query::parse("")
            .numbers("attempts")
            .expect("nothing to read");
        assert!(range.holds(None) && range.holds(Some(7)));
    }

    #[test]
    fn presence_can_be_asked_for() {
        let range = Query::parse("successful_at[any]=true").times("successful_at");
        let range = range.expect("an operator");
        assert!(range.holds(Some(1)) && !range.holds(None));
    }

    #[test]
    fn what_nobody_knows_is_named() {
        let query = Query::parse("attempts[about]=3&disabled=maybe&status=LOST");
        let error = query.numbers("attempts").expect_err("an unknown operator");
        assert!(error.message().starts_with("attempts[about]: expected"));
        let error = query.flag("disabled").expect_err("neither true nor false");
        assert_eq!(
            error.message(),
            "disabled: expected true or false, got \"maybe\""
        );
        let error = query
            .choices::<EventStatus>("status")
            .expect_err("no status");
        assert!(
            error
                .message()
                .starts_with("status: expected one of SCHEDULED, QUEUED")
        );
    }
}
