//! The JSON body of a request, read field by field so that every refusal names its field.

use crate::{dialect::Dialect, distinct, nearest, problem::Problem};
use serde_json::{Map, Value};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The JSON object that a request brings, in the dialect of its path; an empty body is an empty one.
#[derive(Debug, Default)]
pub struct Body {
    map: Map<String, Value>,
    dialect: Dialect,
}

/// A field that may be left out, and one that may be null: "leave it" and "take it away" are two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<T> {
    Absent,
    Null,
    Value(T),
}

/// The fields of an object and where it stands in the body.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
    dialect: Dialect,
    asked_for: Rc<AskedFor>,
}

/// What of a body was asked for, at every depth: the rest is refused instead of being lost.
#[derive(Debug, Default)]
struct AskedFor {
    /// Values by their place in memory: two of them may have one path, `{"a": {"b": 1}, "a.b": 2}`.
    values: RefCell<BTreeMap<*const Value, How>>,
    /// The names that the object at a path was asked for, given or not.
    names: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// With everything in it.
    Whole,
    /// Field by field.
    Opened,
}

/// The read-only fields that every thing is shown with. Clients send what they were shown, so it is taken and changes
/// nothing.
pub const SHOWN: [&str; 8] = [
    "archived_at",
    "created_at",
    "disabled_at",
    "full_name",
    "id",
    "paused_at",
    "team_id",
    "updated_at",
];

impl Body {
    /// Reads the body, and refuses what `read` did not ask for.
    ///
    /// # Errors
    /// What `read` refuses, then the first field that nobody asked for.
    pub fn read<'a, T, E: From<Problem>>(
        &'a self,
        read: impl FnOnce(&Fields<'a>) -> Result<T, E>,
    ) -> Result<T, E> {
        let fields = self.fields();
        let read = read(&fields)?;
        fields.refuse_rest()?;
        Ok(read)
    }

    /// Reads the body by a function that has to wait for what is referred to.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_with<'a, T, E: From<Problem>>(
        &'a self,
        read: impl AsyncFnOnce(&Fields<'a>) -> Result<T, E>,
    ) -> Result<T, E> {
        let fields = self.fields();
        let read = read(&fields).await?;
        fields.refuse_rest()?;
        Ok(read)
    }

    /// The fields alone; nobody refuses the rest.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            dialect: self.dialect,
            ..Fields::over(String::new(), &self.map)
        }
    }

    /// Reads what was posted.
    ///
    /// # Errors
    /// Whatever is no JSON object, or names a field twice.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, Problem> {
        let is_json = content_type.is_some_and(is_json);
        if content_type.is_some() && !is_json || content_type.is_none() && !bytes.is_empty() {
            return Err(Problem::not_json(content_type.unwrap_or_default()));
        }
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        match distinct::read(bytes) {
            Ok(Value::Object(map)) => Ok(Self {
                map,
                dialect: Dialect::default(),
            }),
            Ok(_) => Err(Problem::invalid("body", "expected a JSON object")),
            Err(error) if error.is_data() => Err(Problem::invalid("body", error)),
            Err(error) => Err(Problem::invalid("body", format!("not JSON: {error}"))),
        }
    }

    /// An object that was read already; nothing where the value is none.
    pub fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self {
                map,
                dialect: Dialect::default(),
            },
            _ => Self::default(),
        }
    }

    /// The same body in another dialect.
    #[must_use]
    pub fn in_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || kind.len() > 5 && kind.to_ascii_lowercase().ends_with("+json")
}

impl<T> Given<T> {
    /// Merges the given value over the kept one: what was not named stays.
    pub fn or_kept(self, kept: Option<T>) -> Option<T> {
        match self {
            Self::Absent => kept,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    pub fn value(self) -> Option<T> {
        self.or_kept(None)
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Absent => Given::Absent,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(change(value)),
        }
    }
}

impl<'a> Fields<'a> {
    /// The names that were asked for so far, by the path of their object.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.asked_for.names.borrow().clone()
    }

    /// The dialect in which the body is written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The full name of a field of this object.
    pub fn path(&self, key: &str) -> String {
        match self.at.as_str() {
            "" => key.to_owned(),
            at => format!("{at}.{key}"),
        }
    }

    pub fn invalid(&self, key: &str, expected: impl std::fmt::Display) -> Problem {
        Problem::invalid(&self.path(key), expected)
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    /// A field that is none of these, if there is one.
    pub fn other_than(&self, known: &[&str]) -> Option<&'a str> {
        let mut names = self.map.keys().map(String::as_str);
        names.find(|name| !known.contains(name))
    }

    /// The object as it was given, for those whose names are anybody's.
    pub fn map(&self) -> &'a Map<String, Value> {
        let values = self.map.values();
        values.for_each(|value| self.asked_for.whole(value));
        self.map
    }

    pub fn value(&self, key: &str) -> Given<&'a Value> {
        self.asked_for.name(&self.at, key);
        match self.map.get(key) {
            None => Given::Absent,
            Some(value) => {
                self.asked_for.whole(value);
                match value {
                    Value::Null => Given::Null,
                    value => Given::Value(value),
                }
            }
        }
    }

    /// Takes fields that are only shown: clients send what they were shown.
    pub fn pass_over(&self, shown: &[&[&str]]) {
        let given = shown.iter().copied().flatten();
        let given = given.filter_map(|name| self.map.get(*name));
        given.for_each(|value| self.asked_for.whole(value));
    }

    /// Refuses what nobody asked for, here and in whatever was opened.
    fn refuse_rest(&self) -> Result<(), Problem> {
        for (name, value) in self.map {
            match self.asked_for.how(value) {
                None => return Err(self.unknown(name)),
                Some(how) => self.refuse_rest_of(&self.path(name), value, how)?,
            }
        }
        Ok(())
    }

    fn refuse_rest_of(&self, at: &str, value: &Value, how: How) -> Result<(), Problem> {
        match (value, how) {
            (Value::Object(map), How::Opened) => Fields {
                at: at.to_owned(),
                map,
                dialect: self.dialect,
                asked_for: self.asked_for.clone(),
            }
            .refuse_rest(),
            (Value::Array(items), _) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(place, item)| match self.asked_for.how(item) {
                    Some(how) => self.refuse_rest_of(&format!("{at}[{place}]"), item, how),
                    None => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self, name: &str) -> Problem {
        let names = self.asked_for.names.borrow();
        let known = names.get(&self.at).into_iter().flatten();
        let hint = nearest::hint(name, known.map(String::as_str));
        self.invalid(name, format!("there is no such field here{hint}"))
    }

    /// All fields, for objects whose names are anybody's.
    pub fn all(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.map().iter()
    }

    fn read<T>(
        &self,
        key: &str,
        expected: impl std::fmt::Display,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Given<T>, Problem> {
        match self.value(key) {
            Given::Absent => Ok(Given::Absent),
            Given::Null => Ok(Given::Null),
            Given::Value(value) => match read(value) {
                Some(value) => Ok(Given::Value(value)),
                None => Err(self.invalid(key, format!("expected {expected}"))),
            },
        }
    }

    pub fn text(&self, key: &str, longest: usize) -> Result<Given<&'a str>, Problem> {
        let expected = format!("a string of at most {longest} characters");
        self.read(key, expected, |value| {
            value
                .as_str()
                .filter(|text| text.chars().count() <= longest)
        })
    }

    pub fn flag(&self, key: &str) -> Result<Given<bool>, Problem> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// A whole number; `3.0` is one too.
    pub fn whole(&self, key: &str, least: u64, most: u64) -> Result<Given<u64>, Problem> {
        let expected = format!("a whole number from {least} to {most}");
        self.read(key, expected, |value| {
            let number = value.as_u64().or_else(|| {
                let number = value.as_f64()?;
                let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
                is_whole.then_some(number as u64)
            })?;
            (least..=most).contains(&number).then_some(number)
        })
    }

    pub fn list(&self, key: &str) -> Result<Given<&'a Vec<Value>>, Problem> {
        self.read(key, "a list", Value::as_array)
    }

    pub fn object(&self, key: &str) -> Result<Given<Self>, Problem> {
        self.read(key, "an object", |value| self.opened(self.path(key), value))
    }

    fn opened(&self, at: String, value: &'a Value) -> Option<Self> {
        let map = value.as_object()?;
        self.asked_for.open(value);
        Some(Self {
            at,
            map,
            dialect: self.dialect,
            asked_for: self.asked_for.clone(),
        })
    }

    /// Fields of a map on its own: the stand-in for an object that is not given, or one outside of any body.
    pub fn over(at: String, map: &'a Map<String, Value>) -> Self {
        Self {
            at,
            map,
            dialect: Dialect::default(),
            asked_for: Rc::default(),
        }
    }

    /// The stand-in for an object of this one that is not given.
    pub fn nothing_at(&self, key: &str, empty: &'a Map<String, Value>) -> Self {
        Self {
            dialect: self.dialect,
            ..Self::over(self.path(key), empty)
        }
    }

    /// The object at a place of one of this object's lists.
    pub fn item(&self, key: &str, place: usize, value: &'a Value) -> Result<Self, Problem> {
        let at = format!("{}[{place}]", self.path(key));
        let opened = self.opened(at.clone(), value);
        opened.ok_or_else(|| Problem::invalid(&at, "expected an object"))
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.at, self.map) == (&other.at, other.map)
    }
}

impl AskedFor {
    fn whole(&self, value: &Value) {
        let mut values = self.values.borrow_mut();
        values
            .entry(std::ptr::from_ref(value))
            .or_insert(How::Whole);
    }

    fn open(&self, value: &Value) {
        let mut values = self.values.borrow_mut();
        values.insert(std::ptr::from_ref(value), How::Opened);
    }

    fn how(&self, value: &Value) -> Option<How> {
        self.values
            .borrow()
            .get(&std::ptr::from_ref(value))
            .copied()
    }

    fn name(&self, at: &str, name: &str) {
        let mut names = self.names.borrow_mut();
        if !names.get(at).is_some_and(|known| known.contains(name)) {
            names
                .entry(at.to_owned())
                .or_default()
                .insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_body_is_an_empty_object() {
        for content_type in [None, Some("application/json")] {
            let body = Body::parse(content_type, b"").expect("empty");
            assert!(body.fields().is_empty());
        }
    }

    #[test]
    fn only_json_is_taken() {
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert!(
                Body::parse(content_type, b"{}").is_err(),
                "{content_type:?}"
            );
        }
        for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
            assert!(
                Body::parse(Some(content_type), b"{}").is_ok(),
                "{content_type}"
            );
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for bytes in [&b"[]"[..], b"null", b"{", b"\xff"] {
            let error = Body::parse(Some("application/json"), bytes).expect_err("no object");
            assert!(error.message().starts_with("body: "), "{error}");
        }
    }

    #[test]
    fn left_out_null_and_given_are_three_things() {
        let body = Body::of(json!({"a": null, "b": "x"}));
        let fields = body.fields();
        assert_eq!(fields.text("a", 9), Ok(Given::Null));
        assert_eq!(fields.text("b", 9), Ok(Given::Value("x")));
        assert_eq!(fields.text("c", 9), Ok(Given::Absent));
        assert_eq!(Given::Absent.or_kept(Some(1)), Some(1));
        assert_eq!(Given::Null.or_kept(Some(1)), None);
        assert_eq!(Given::Value(2).or_kept(Some(1)), Some(2));
    }

    #[test]
    fn what_nobody_asked_for_is_refused_and_what_is_only_shown_is_taken() {
        let refused = |body: Value, shown: &[&[&str]]| {
            let body = Body::of(body);
            let read: Result<(), Problem> = body.read(|fields| {
                fields.text("name", 9)?;
                fields.value("env");
                if let Some(config) = fields.object("config")?.value() {
                    config.whole("rate", 0, 9)?;
                }
                if let Some(rules) = fields.list("rules")?.value() {
                    for (place, rule) in rules.iter().enumerate() {
                        fields.item("rules", place, rule)?.text("type", 9)?;
                    }
                }
                fields.pass_over(shown);
                Ok(())
            });
            read.err().map(|error| error.message().to_owned())
        };
        let no_field = |at: &str| Some(format!("{at}: there is no such field here"));
        let body = json!({"name": "a", "id": "src_1", "env": {"any": {"name": 1}}});
        assert_eq!(refused(body.clone(), &[&SHOWN]), None);
        assert_eq!(refused(body, &[]), no_field("id"));
        let config = |config: Value| refused(json!({ "config": config }), &[]);
        assert_eq!(config(json!({"rate": 1})), None);
        assert_eq!(config(json!({"pace": 1})), no_field("config.pace"));
        let slip = config(json!({"rates": 1})).expect("refused");
        assert!(slip.ends_with("did you mean rate?"), "{slip}");
        let rules = json!([{"type": "a"}, {"type": "b", "x": {}}]);
        assert_eq!(
            refused(json!({ "rules": rules }), &[]),
            no_field("rules[1].x")
        );
        let twin = json!({"config": {"rate": 1}, "config.rate": 2});
        assert_eq!(refused(twin, &[]), no_field("config.rate"));
    }

    #[test]
    fn a_field_that_is_given_twice_is_refused_by_name() {
        let twice = br#"{"name":"a","name":"b"}"#;
        let error = Body::parse(Some("application/json"), twice).expect_err("twice");
        assert!(
            error
                .message()
                .starts_with("body: the field \"name\" is given twice"),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_names_the_whole_path() {
        let body = Body::of(json!({"config": {"rate_limit": 1.5}}));
        let config = body.fields().object("config").expect("an object").value();
        let error = config.expect("given").whole("rate_limit", 1, 10);
        let error = error.expect_err("no whole number");
        assert_eq!(
            error.message(),
            "config.rate_limit: expected a whole number from 1 to 10"
        );
    }
}
