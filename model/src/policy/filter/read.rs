//! Reads a rule, with errors that name their place in it.

use super::{
    BYTES_MAX, DEPTH_MAX, Filter, FilterError, NODES_MAX, PATTERN_BYTES_MAX, PATTERN_PROGRAM_MAX,
    PATTERNS_MAX,
    node::{Choice, Node, Object, Operand, Relation, Scalars, Test},
    pattern::Pattern,
    reference::Reference,
};
use crate::{catalog::FilterRule, policy::document::Part, tree::Tree};
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::{fmt, net::IpAddr};

const OPERATORS: &str = "expected an operator: $eq, $neq, $gt, $gte, $lt, $lte, $in, $nin, $startsWith, $endsWith, $exist, \
                         $or, $and, $not, $ref, $regex or $cidr (a field whose own name begins with $ is written with $$)";
/// Characters of a key that an error shows.
const SHOWN_KEY_MAX: usize = 64;

pub(super) fn read(rule: &FilterRule) -> Result<Filter, FilterError> {
    let mut reader = Reader::default();
    let mut parts = Vec::new();
    let mut bytes = 0;
    for part in Part::ALL {
        let Some(value) = rule.part(part) else {
            continue;
        };
        let at = At::Part(part);
        bytes += value.to_string().len();
        if bytes > BYTES_MAX {
            return Err(at.expected(format!("a filter of at most {BYTES_MAX} bytes")));
        }
        parts.push((part, reader.node(value, &at, 0)?));
    }
    Ok(Filter { parts })
}

/// Where the reader is.
enum At<'a> {
    Part(Part),
    Key(&'a At<'a>, &'a str),
    Place(&'a At<'a>, usize),
}

impl At<'_> {
    fn expected(&self, what: impl fmt::Display) -> FilterError {
        FilterError {
            at: self.to_string(),
            expected: format!("expected {what}"),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => write!(f, "{part}"),
            Self::Place(parent, place) => write!(f, "{parent}[{place}]"),
            Self::Key(parent, key) if is_plain(key) => write!(f, "{parent}.{key}"),
            Self::Key(parent, key) => {
                let shown: String = key.chars().take(SHOWN_KEY_MAX).collect();
                write!(f, "{parent}[{shown:?}]")
            }
        }
    }
}

fn is_plain(key: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    !key.is_empty() && key.chars().count() <= SHOWN_KEY_MAX && key.chars().all(is_plain)
}

/// Counts what a rule holds while it is read.
#[derive(Default)]
struct Reader {
    nodes: usize,
    patterns: usize,
}

impl Reader {
    fn count(&mut self, at: &At<'_>) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(at.expected(format!("a filter of at most {NODES_MAX} values")));
        }
        Ok(())
    }

    /// A filter within `depth` others.
    fn node(&mut self, value: &Value, at: &At<'_>, depth: usize) -> Result<Node, FilterError> {
        self.count(at)?;
        if depth > DEPTH_MAX {
            return Err(at.expected(format!("at most {DEPTH_MAX} filters within one another")));
        }
        match value {
            Value::Array(items) => Ok(Node::List(self.nodes(items, at, depth)?)),
            Value::Object(map) => Ok(Node::Object(self.object(map, at, depth)?)),
            scalar => Ok(Node::Literal(Tree::of(scalar))),
        }
    }

    fn nodes(
        &mut self,
        items: &[Value],
        at: &At<'_>,
        depth: usize,
    ) -> Result<Vec<Node>, FilterError> {
        items
            .iter()
            .enumerate()
            .map(|(place, item)| self.node(item, &At::Place(at, place), depth + 1))
            .collect()
    }

    fn object(
        &mut self,
        map: &Map<String, Value>,
        at: &At<'_>,
        depth: usize,
    ) -> Result<Object, FilterError> {
        let mut object = Object::default();
        for (key, value) in map {
            let at = At::Key(at, key);
            match key.strip_prefix('$') {
                Some(name) if !name.starts_with('$') => {
                    object.tests.push(self.test(key, value, &at, depth)?);
                }
                escaped => {
                    let name = escaped.unwrap_or(key).to_owned();
                    object
                        .fields
                        .push((name, self.node(value, &at, depth + 1)?));
                }
            }
        }
        Ok(object)
    }

    fn test(
        &mut self,
        operator: &str,
        value: &Value,
        at: &At<'_>,
        depth: usize,
    ) -> Result<Test, FilterError> {
        self.count(at)?;
        Ok(match operator {
            "$eq" => self
                .operand(value, at, any)?
                .map_or(Test::Never, Test::Equal),
            "$neq" => self
                .operand(value, at, any)?
                .map_or(Test::Never, Test::NotEqual),
            "$gt" => self.order(Relation::Greater, value, at)?,
            "$gte" => self.order(Relation::GreaterOrEqual, value, at)?,
            "$lt" => self.order(Relation::Less, value, at)?,
            "$lte" => self.order(Relation::LessOrEqual, value, at)?,
            "$in" => self.choice(value, at)?.map_or(Test::Never, Test::In),
            "$nin" => self.choice(value, at)?.map_or(Test::Never, Test::NotIn),
            "$startsWith" => self
                .operand(value, at, texts)?
                .map_or(Test::Never, Test::StartsWith),
            "$endsWith" => self
                .operand(value, at, texts)?
                .map_or(Test::Never, Test::EndsWith),
            "$exist" => Test::Exist(
                value
                    .as_bool()
                    .ok_or_else(|| at.expected("true or false"))?,
            ),
            "$or" => Test::Any(self.filters(value, at, depth)?),
            "$and" => Test::All(self.filters(value, at, depth)?),
            "$not" => Test::Not(self.node(value, at, depth + 1)?),
            "$ref" => match reference(value, at)? {
                Some(reference) => Test::SameAs(reference),
                None => Test::Never,
            },
            "$regex" => Test::Pattern(self.pattern(value, at)?),
            "$cidr" => Test::Network(self.networks(value, at)?),
            _ => {
                return Err(FilterError {
                    at: at.to_string(),
                    expected: OPERATORS.to_owned(),
                });
            }
        })
    }

    fn filters(
        &mut self,
        value: &Value,
        at: &At<'_>,
        depth: usize,
    ) -> Result<Vec<Node>, FilterError> {
        let items = value
            .as_array()
            .ok_or_else(|| at.expected("a list of filters"))?;
        self.nodes(items, at, depth)
    }

    fn order(
        &mut self,
        relation: Relation,
        value: &Value,
        at: &At<'_>,
    ) -> Result<Test, FilterError> {
        let operand = self.operand(value, at, number_or_text)?;
        Ok(operand.map_or(Test::Never, |operand| Test::Order(relation, operand)))
    }

    /// What to compare with; none for a `$ref` that is no string, which never holds.
    fn operand(
        &mut self,
        value: &Value,
        at: &At<'_>,
        check: Check,
    ) -> Result<Option<Operand>, FilterError> {
        if let Some(target) = referred(value, at)? {
            return Ok(reference(target, at)?.map(Operand::At));
        }
        check(value).map_err(|what| at.expected(what))?;
        self.count_within(value, at)?;
        Ok(Some(Operand::Given(Tree::of(value))))
    }

    fn choice(&mut self, value: &Value, at: &At<'_>) -> Result<Option<Choice>, FilterError> {
        if let Some(target) = referred(value, at)? {
            return Ok(reference(target, at)?.map(Choice::At));
        }
        match value {
            Value::String(text) => Ok(Some(Choice::Text(text.as_str().into()))),
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    let at = At::Place(at, place);
                    self.count(&at)?;
                    if item.is_array() || item.is_object() {
                        return Err(at.expected("a string, a number, true, false or null"));
                    }
                }
                Ok(Some(Choice::Among(Scalars::of(items.iter().map(Tree::of)))))
            }
            _ => Err(at.expected("a list, or a string")),
        }
    }

    fn count_within(&mut self, value: &Value, at: &At<'_>) -> Result<(), FilterError> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| {
                self.count(at)?;
                self.count_within(item, at)
            }),
            Value::Object(map) => map.values().try_for_each(|value| {
                self.count(at)?;
                self.count_within(value, at)
            }),
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, value: &Value, at: &At<'_>) -> Result<Pattern, FilterError> {
        let text = value
            .as_str()
            .filter(|text| text.len() <= PATTERN_BYTES_MAX)
            .ok_or_else(|| {
                at.expected(format!(
                    "a regular expression of at most {PATTERN_BYTES_MAX} bytes"
                ))
            })?;
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(at.expected(format!("at most {PATTERNS_MAX} regular expressions")));
        }
        Pattern::compile(text).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => at.expected(format!(
                "a regular expression that compiles to at most {PATTERN_PROGRAM_MAX} bytes"
            )),
            // The last line of the library's drawing is the sentence.
            error => at.expected(format!(
                "a regular expression ({})",
                error.to_string().lines().last().unwrap_or_default().trim()
            )),
        })
    }

    fn networks(&mut self, value: &Value, at: &At<'_>) -> Result<Vec<IpNet>, FilterError> {
        let Value::Array(items) = value else {
            return Ok(vec![network(value, at)?]);
        };
        let networks = items.iter().enumerate().map(|(place, item)| {
            let at = At::Place(at, place);
            self.count(&at)?;
            network(item, &at)
        });
        networks.collect()
    }
}

/// What an operand must be; the error says what was expected.
type Check = fn(&Value) -> Result<(), &'static str>;

fn any(_: &Value) -> Result<(), &'static str> {
    Ok(())
}

fn number_or_text(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Number(_) | Value::String(_) => Ok(()),
        _ => Err("a number or a string"),
    }
}

fn texts(value: &Value) -> Result<(), &'static str> {
    let is_texts = match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        _ => false,
    };
    is_texts
        .then_some(())
        .ok_or("a string or a list of strings")
}

/// The target of an operand of the form `{"$ref": target}`.
fn referred<'v>(value: &'v Value, at: &At<'_>) -> Result<Option<&'v Value>, FilterError> {
    let Some(map) = value.as_object() else {
        return Ok(None);
    };
    match map.get("$ref") {
        Some(_) if map.len() > 1 => Err(at.expected("nothing beside $ref")),
        target => Ok(target),
    }
}

/// The path of a `$ref`; none for what is no string.
fn reference(value: &Value, at: &At<'_>) -> Result<Option<Reference>, FilterError> {
    let Some(text) = value.as_str() else {
        return Ok(None);
    };
    let reference = Reference::read(text);
    let expected = || at.expected("a path such as order.total, items[0].sku or items[$index].sku");
    reference.ok_or_else(expected).map(Some)
}

fn network(value: &Value, at: &At<'_>) -> Result<IpNet, FilterError> {
    let read = value.as_str().and_then(|text| {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().or_else(single)
    });
    read.map(plain)
        .ok_or_else(|| at.expected("a network such as 10.0.0.0/8, or a list of them"))
}

/// A network of IPv4 addresses that are written as IPv6 ones is one of IPv4.
fn plain(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let length = mapped.prefix_len().checked_sub(96);
    match (mapped.addr().to_ipv4_mapped(), length) {
        (Some(address), Some(length)) => {
            ipnet::Ipv4Net::new(address, length).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}
