//! Queries: a parameter that the destination's owner set is the owner's alone, whichever server reads it.

use super::escapes;
use std::{borrow::Cow, collections::BTreeSet};

const LAYERS_MAX: usize = 4;

/// Names of parameters that no stranger may bring, in every reading of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The names that a query sets.
    #[must_use]
    pub fn of_query(query: &str) -> Self {
        let mut names = Self::default();
        for part in query.split(['&', ';']) {
            names.0.extend(readings(name_of(part)));
        }
        names
    }

    /// Adds a name that is not escaped.
    pub fn add(&mut self, name: &str) {
        let escaped: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        self.0.extend(readings(&escaped));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, written: &str) -> bool {
        readings(written)
            .iter()
            .any(|reading| self.0.contains(reading))
    }
}

/// The rest of a stranger's query without those names and without those that begin with `prefix`, if any. The rest
/// stays as it is written.
#[must_use]
pub fn kept<'q>(query: &'q str, names: &Names, prefix: Option<&str>) -> Cow<'q, str> {
    let is_taken = |part: &str| {
        let name = name_of(part);
        names.has(name)
            || prefix
                .map(folded)
                .is_some_and(|prefix| readings(name).iter().any(|name| name.starts_with(&prefix)))
    };
    if !query.split(['&', ';']).any(is_taken) {
        return Cow::Borrowed(query);
    }
    // Some servers take `;` for `&`: what is between two of them is a parameter too.
    let parts = query.split('&').filter_map(|part| {
        let kept: Vec<&str> = part.split(';').filter(|part| !is_taken(part)).collect();
        (!kept.is_empty()).then(|| kept.join(";"))
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("&"))
}

/// What stands before the first `=`.
fn name_of(part: &str) -> &str {
    part.split('=').next().unwrap_or("")
}

/// What servers may make of a name as it is written: with its escapes taken off, whatever its case, as the name of a
/// list or of an object, and with the signs that some of them turn into others.
fn readings(written: &str) -> Vec<String> {
    let Some(plain) = escapes::fully_unescaped(written.as_bytes(), LAYERS_MAX) else {
        // Nobody reads it as anything but itself, or somebody reads it as anything.
        return vec![folded(written)];
    };
    let plain = String::from_utf8_lossy(&plain);
    let mut readings = Vec::new();
    // Where escapes are taken off before the query is cut up, these end a parameter.
    for part in plain.split(['&', ';', '?']) {
        let part = part.trim_start_matches(|sign: char| {
            sign.is_whitespace() || sign.is_control() || sign == '+'
        });
        let name = part.split(['=', '\0']).next().unwrap_or("");
        let is_blank = |sign: char| sign.is_whitespace() || sign == '+';
        readings.push(folded(name));
        readings.push(folded(name.trim_end_matches(is_blank)));
        // `a[]`, `a[0]`, `a[b]`, `a.b` are parts of a parameter `a`.
        let stem = name.find(['[', '.', ':']).filter(|end| *end > 0);
        readings.extend(stem.map(|end| folded(&name[..end])));
    }
    readings.retain(|reading| !reading.is_empty());
    readings
}

/// One spelling for names that some server takes for the same.
fn folded(name: &str) -> String {
    let upper = name.to_uppercase();
    let lower = upper.to_lowercase();
    lower
        .chars()
        .map(|sign| match sign {
            '.' | '+' | '[' | '-' => '_',
            space if space.is_whitespace() => '_',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left(own: &str, strangers: &str) -> String {
        kept(strangers, &Names::of_query(own), None).into_owned()
    }

    #[test]
    fn other_parameters_stay_as_they_are_written() {
        for query in [
            "",
            "q=1",
            "a=%41&&b;c=1&",
            "mode_x=1",
            "x=mode",
            "x=%26mode%3D1",
        ] {
            assert_eq!(left("mode=safe", query), query);
        }
        assert_eq!(left("", "mode=1"), "mode=1");
    }

    #[test]
    fn an_owners_parameter_is_dropped_however_it_is_spelled() {
        for spelled in [
            "mode",
            "mode=",
            "mode=theirs",
            "%6dode=theirs",
            "%256dode=theirs",
            "%u006dode=theirs",
            "MODE=theirs",
            "Mode%20=theirs",
            "+mode=theirs",
            "%20mode=theirs",
            "%00mode=theirs",
            "mode%00x=theirs",
            "mode[]=theirs",
            "mode%5B%5D=theirs",
            "mode[a]=theirs",
            "mode[=theirs",
            "mode.a=theirs",
            "mode%3Dtheirs",
            "?mode=theirs",
            "x%26mode=theirs",
            "mode=a&mode=b",
        ] {
            let query = format!("q=1&{spelled}&r=2");
            assert_eq!(left("mode=safe", &query), "q=1&r=2", "{spelled}");
        }
        assert_eq!(left("mode=safe", "q=1;mode=theirs;r=2&s=3"), "q=1;r=2&s=3");
        assert_eq!(left("a_b=1", "a.b=2&a%20b=2&a+b=2&a[b=2&a-b=2"), "");
        assert_eq!(left("list[]=1", "list=2&list[0]=3&x=1"), "x=1");
        assert_eq!(left("a=1;b=2", "b=3&c=4"), "c=4");
        assert_eq!(left("%C3%A9=1", "%c3%89=2&e=1"), "e=1");
    }

    #[test]
    fn a_prefix_takes_all_that_begin_with_it() {
        let names = Names::default();
        let query = "X-Amz-Expires=9&x%2Damz-acl=1&acl";
        assert_eq!(kept(query, &names, Some("x-amz-")), "acl");
    }

    /// Parameters as servers read them: cut at `&` or at `;` too, names with or without regard to case.
    fn parsed(query: &str, separators: &[char]) -> Vec<(String, String)> {
        query
            .split(separators)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let read = |text: &str| {
                    let text = text.replace('+', " ");
                    String::from_utf8_lossy(&escapes::unescaped(text.as_bytes())).into_owned()
                };
                let name = read(name).trim().to_lowercase();
                let stem = name.find('[').unwrap_or(name.len());
                (name[..stem].to_owned(), read(value))
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_first_and_the_last_value_of_an_owners_name_are_the_owners(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "key", "KEY", "k", "%6bey", "%6B", "ey", "=", "theirs", "&", ";", "[]", "%5b", "]", "+", "%20", "%3D", "%26",
                    "%3b", "mode", "x",
                ]),
                0..14,
            ),
            own_first: bool,
        ) {
            let own = "key=ours&mode=ours";
            let strangers = parts.concat();
            let left = kept(&strangers, &Names::of_query(own), None);
            let both = match own_first {
                true => format!("{own}&{left}"),
                false => format!("{left}&{own}"),
            };
            for separators in [&['&'][..], &['&', ';'][..]] {
                let pairs = parsed(&both, separators);
                for name in ["key", "mode"] {
                    let values: Vec<_> =
                        pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
                    prop_assert_eq!(values, ["ours"], "{} from {}", both, strangers);
                }
            }
        }
    }
}
