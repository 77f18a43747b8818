//! The layout of a signature's value: where in it the candidates stand, and what stands beside them.

use super::{diagnosis::Diagnosis, facts::Facts};

/// Candidates that are looked at in one request. Senders that rotate send two or three.
const CANDIDATES_MAX: usize = 16;

/// The place of a signature in a request.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Header(&'a str),
    /// Any of several headers; each that is there is looked at.
    Headers(&'a [&'a str]),
    /// A header that may come several times; each line is looked at.
    Lines(&'a str),
    /// Headers with this name and a number behind it, from 1.
    Numbered(&'a str),
    Query(&'a str),
    Form(&'a str),
    /// By the names of the objects, joined with dots.
    Json(&'a str),
}

impl Place<'_> {
    /// The description in words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Header(name) => format!("header {name}"),
            Self::Headers(names) => format!("headers {}", names.join(", ")),
            Self::Lines(name) => format!("each header {name}"),
            Self::Numbered(name) => format!("headers {name}1…"),
            Self::Query(name) => format!("query field {name}"),
            Self::Form(name) => format!("form field {name}"),
            Self::Json(path) => format!("JSON field {path}"),
        }
    }

    pub(super) fn values(&self, facts: &Facts<'_>) -> Result<Vec<String>, Diagnosis> {
        let missing = || Diagnosis::missing(self.words());
        let present = |value: String| {
            if value.is_empty() {
                Err(missing())
            } else {
                Ok(vec![value])
            }
        };
        match self {
            Self::Header(name) => Ok(vec![facts.header(name)?.to_owned()]),
            Self::Headers(names) => {
                let mut values = Vec::new();
                for name in *names {
                    values.extend(facts.header_if_any(name)?.map(str::to_owned));
                }
                if values.is_empty() {
                    Err(missing())
                } else {
                    Ok(values)
                }
            }
            Self::Lines(name) => {
                let lines = facts.record.header_all(name).take(CANDIDATES_MAX);
                let texts = lines.filter_map(|line| std::str::from_utf8(line).ok());
                let values: Vec<String> = texts.map(|text| text.trim().to_owned()).collect();
                if values.iter().all(String::is_empty) {
                    Err(missing())
                } else {
                    Ok(values)
                }
            }
            Self::Numbered(prefix) => {
                let mut values = Vec::new();
                for number in 1..=CANDIDATES_MAX {
                    let name = format!("{prefix}{number}");
                    values.extend(facts.header_if_any(&name)?.map(str::to_owned));
                }
                if values.is_empty() {
                    Err(missing())
                } else {
                    Ok(values)
                }
            }
            Self::Query(name) => present(facts.query_field(name)?.unwrap_or_default()),
            Self::Form(name) => present(facts.form_field(name)?),
            Self::Json(path) => present(facts.json_required(path)?),
        }
    }
}

/// The syntax of a signature's value.
#[derive(Clone, Copy, Debug)]
pub enum Layout<'a> {
    /// The signature alone.
    Plain,
    /// The signature behind a fixed prefix.
    Prefix(&'a str),
    /// Several signatures between separators, each behind the prefix; elements with another prefix are ignored.
    List { separator: char, prefix: &'a str },
    /// `t=…,v1=…`: elements between any of the separators; every element of this name is a candidate. `sets` separates
    /// whole groups of such elements, each with a timestamp of its own.
    Pairs {
        separators: &'a str,
        name: &'a str,
        sets: Option<char>,
    },
    /// The timestamp, then the signatures.
    Positional { separator: char },
}

/// A group of candidate signatures in the value, and the elements beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) candidates: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
    /// The first element of a positional value.
    pub(super) first: Option<&'a str>,
}

impl<'a> Group<'a> {
    /// The one element of a name. Two of them could mean one thing to the sender and another here.
    pub(super) fn pair(&self, name: &str) -> Result<Option<&'a str>, Diagnosis> {
        let mut values = self.pairs.iter().filter(|(known, _)| *known == name);
        let first = values.next().map(|(_, value)| *value);
        if values.next().is_some() {
            return Err(Diagnosis::Repeated(format!(
                "element {name} of the signature"
            )));
        }
        Ok(first)
    }
}

impl Layout<'_> {
    /// The description in words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Prefix(prefix) => format!("`{prefix}…`"),
            Self::List { separator, prefix } => format!("`{prefix}…{separator}{prefix}…`"),
            Self::Pairs {
                separators, name, ..
            } => {
                let separator = separators.chars().next().unwrap_or(',');
                format!("`…{separator}{name}=…`")
            }
            Self::Positional { separator } => format!("`timestamp{separator}…`"),
        }
    }

    /// Reads a value. What it can't read holds no candidate.
    pub(super) fn read<'v>(&self, value: &'v str) -> Vec<Group<'v>> {
        let candidates = |found: Vec<&'v str>| Group {
            candidates: found.into_iter().take(CANDIDATES_MAX).collect(),
            ..Group::default()
        };
        match self {
            Self::Plain => vec![candidates(vec![value])],
            Self::Prefix(prefix) => {
                vec![candidates(behind(value, prefix).into_iter().collect())]
            }
            Self::List { separator, prefix } => {
                let elements = value.split(*separator).map(unpadded);
                let found = elements.filter_map(|element| element.strip_prefix(prefix));
                vec![candidates(found.take(CANDIDATES_MAX).collect())]
            }
            Self::Pairs {
                separators,
                name,
                sets,
            } => match sets {
                Some(separator) => value
                    .split(*separator)
                    .filter(|set| !set.is_empty())
                    .take(CANDIDATES_MAX)
                    .map(|set| read_pairs(set, separators, name))
                    .collect(),
                None => vec![read_pairs(value, separators, name)],
            },
            Self::Positional { separator } => {
                let mut elements = value.split(*separator).map(unpadded);
                let first = elements.next();
                let group = candidates(elements.take(CANDIDATES_MAX).collect());
                vec![Group { first, ..group }]
            }
        }
    }
}

/// The rest of a text behind a prefix. One that ends in a space is a scheme word of HTTP, which has no case and any
/// number of spaces behind it (RFC 9110 section 11.1).
pub(super) fn behind<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    if !prefix.ends_with(' ') {
        return value.strip_prefix(prefix);
    }
    let word = value.get(..prefix.len())?;
    let is = word.eq_ignore_ascii_case(prefix);
    is.then(|| value[prefix.len()..].trim_start_matches(' '))
}

/// Without the white space of HTTP (RFC 9110 section 5.6.3).
fn unpadded(element: &str) -> &str {
    element.trim_matches([' ', '\t'])
}

fn read_pairs<'v>(value: &'v str, separators: &str, name: &str) -> Group<'v> {
    let pairs: Vec<_> = value
        .split(|c| separators.contains(c))
        // Base64 ends in equals signs: the first one of an element separates.
        .filter_map(|element| unpadded(element).split_once('='))
        .take(2 * CANDIDATES_MAX)
        .collect();
    let candidates = pairs
        .iter()
        .filter(|(known, value)| *known == name && !value.is_empty())
        .map(|(_, value)| *value)
        .take(CANDIDATES_MAX)
        .collect();
    Group {
        candidates,
        pairs,
        first: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates<'v>(layout: Layout<'_>, value: &'v str) -> Vec<Vec<&'v str>> {
        layout
            .read(value)
            .into_iter()
            .map(|group| group.candidates)
            .collect()
    }

    #[test]
    fn a_scheme_word_has_no_case() {
        for value in ["Bearer x", "bearer x", "BEARER   x"] {
            assert_eq!(behind(value, "Bearer "), Some("x"), "{value}");
        }
        assert_eq!(behind("Basic x", "Bearer "), None);
        assert_eq!(behind("Bearer", "Bearer "), None);
        assert_eq!(behind("SHA256=x", "sha256="), None, "no scheme word");
    }

    #[test]
    fn each_layout_finds_its_candidates() {
        let pairs = Layout::Pairs {
            separators: ", ",
            name: "v1",
            sets: None,
        };
        let sets = Layout::Pairs {
            separators: ",",
            name: "v1",
            sets: Some(' '),
        };
        for (layout, value, expected) in [
            (Layout::Plain, "ab", vec![vec!["ab"]]),
            (Layout::Prefix("sha256="), "sha256=ab", vec![vec!["ab"]]),
            (Layout::Prefix("sha256="), "sha1=ab", vec![vec![]]),
            (
                Layout::List {
                    separator: ' ',
                    prefix: "v1,",
                },
                "v1,a v2,b v1,c",
                vec![vec!["a", "c"]],
            ),
            (pairs, "t=1, v1=a==,v0=x,v1=b,v1=", vec![vec!["a==", "b"]]),
            (pairs, "just words", vec![vec![]]),
            (sets, "t=1,v1=a t=2,v1=b", vec![vec!["a"], vec!["b"]]),
            (
                Layout::Positional { separator: ',' },
                "17,a,b",
                vec![vec!["a", "b"]],
            ),
        ] {
            assert_eq!(candidates(layout, value), expected, "{value}");
        }
    }

    #[test]
    fn a_repeated_element_is_refused_where_one_is_asked_for() {
        let groups = Layout::Pairs {
            separators: ",",
            name: "v1",
            sets: None,
        }
        .read("t=1,t=2,v1=a");
        assert!(matches!(groups[0].pair("t"), Err(Diagnosis::Repeated(_))));
        assert_eq!(groups[0].pair("v1"), Ok(Some("a")));
        assert_eq!(groups[0].pair("x"), Ok(None));
    }

    #[test]
    fn candidates_have_a_bound() {
        let many = vec!["v1=a"; 1_000].join(",");
        let layout = Layout::List {
            separator: ',',
            prefix: "v1=",
        };
        assert_eq!(candidates(layout, &many)[0].len(), CANDIDATES_MAX);
    }
}
