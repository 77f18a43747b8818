//! Deduplication keys: which requests count as the same, by a fingerprint of what of them is compared.

use super::{
    document::{Document, Part},
    fields::Picker,
};
use crate::{
    catalog::{DeduplicateRule, Field},
    fingerprint::{Fingerprint, Hasher, Scope},
    machine::Once,
};
use std::cell::RefCell;

/// The fields of a request that a deduplication key is made of. Equal selections give equal fingerprints of equal
/// requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Method, path, query and the body's bytes.
    Whole,
    /// These fields, in order, each once.
    Only(Vec<Field>),
    /// The whole request without these fields. Headers count where one of them is named.
    AllBut(Vec<Field>),
}

/// How a fingerprint was made. The numbers are hashed, and what they gave is on disk: append only.
const ONLY: u8 = 1;
const ALL_BUT: u8 = 2;

impl Selection {
    /// The fields that a deduplicate rule compares.
    #[must_use]
    pub fn of(rule: &DeduplicateRule) -> Self {
        match (&rule.include_fields[..], &rule.exclude_fields[..]) {
            ([], []) => Self::Whole,
            ([], excluded) => Self::AllBut(sorted(excluded)),
            (included, _) => Self::Only(sorted(included)),
        }
    }

    /// The fields that an ordering key compares.
    #[must_use]
    pub fn only(fields: &[Field]) -> Self {
        Self::Only(sorted(fields))
    }

    fn fingerprint(&self, request: &Picker<'_>) -> Option<Fingerprint> {
        match self {
            Self::Whole => Some(all_but(&[], request)),
            Self::AllBut(fields) => Some(all_but(fields, request)),
            Self::Only(fields) => only(fields, request),
        }
    }
}

fn sorted(fields: &[Field]) -> Vec<Field> {
    let mut fields = fields.to_vec();
    fields.sort();
    fields.dedup();
    fields
}

/// A rule that takes each request once, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplicate {
    pub selection: Selection,
    pub window_ms: u64,
}

impl Deduplicate {
    #[must_use]
    pub fn of(rule: &DeduplicateRule) -> Self {
        Self {
            selection: Selection::of(rule),
            window_ms: rule.window,
        }
    }

    /// The idempotency key of a request under this rule, with its window. None: it is like no other.
    #[must_use]
    pub fn once<'a>(&'a self, request: &Fingerprints<'a>, scope: Scope, id: u128) -> Option<Once> {
        Some(Once {
            fingerprint: request.of(&self.selection)?.within(scope, id),
            window_ms: self.window_ms,
        })
    }
}

/// The fingerprints of one request, each made once: rules often agree on what they compare.
pub struct Fingerprints<'a> {
    request: Picker<'a>,
    known: RefCell<Vec<(&'a Selection, Option<Fingerprint>)>>,
}

/// Fingerprints that are remembered of a request.
const KNOWN_MAX: usize = 8;

impl<'a> Fingerprints<'a> {
    #[must_use]
    pub fn new(document: &'a Document<'a>) -> Self {
        Self {
            request: Picker::new(document),
            known: RefCell::default(),
        }
    }

    /// The fingerprint of a selection. None when the request has none of its fields: then it is like no other.
    #[must_use]
    pub fn of(&self, selection: &'a Selection) -> Option<Fingerprint> {
        let mut known = self.known.borrow_mut();
        if let Some((_, fingerprint)) = known.iter().find(|(known, _)| *known == selection) {
            return *fingerprint;
        }
        let fingerprint = selection.fingerprint(&self.request);
        if known.len() < KNOWN_MAX {
            known.push((selection, fingerprint));
        }
        fingerprint
    }
}

fn only(fields: &[Field], request: &Picker<'_>) -> Option<Fingerprint> {
    let mut hasher = Hasher::default();
    hasher.part(&[ONLY]);
    let mut is_any_there = false;
    for field in fields {
        hasher.part(field.to_string().as_bytes());
        match request.value(field) {
            Some(value) => {
                is_any_there = true;
                hasher.part(&value);
            }
            None => hasher.absent(),
        }
    }
    is_any_there.then(|| hasher.finish())
}

fn all_but(fields: &[Field], request: &Picker<'_>) -> Fingerprint {
    let names = |part| fields.iter().any(|field| field.part() == part);
    let mut hasher = Hasher::default();
    hasher.part(&[ALL_BUT]);
    hasher.part(request.method().as_bytes());
    match names(Part::Path) {
        true => hasher.absent(),
        false => hasher.part(request.path().as_bytes()),
    }
    hasher.part(&request.query_but(fields));
    match names(Part::Headers) {
        true => hasher.part(&request.headers_but(fields)),
        false => hasher.absent(),
    }
    hasher.part(&request.body_but(fields));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kit, time::Timestamp, traffic::RequestRecord};

    #[derive(Clone, Debug)]
    struct Received {
        record: RequestRecord,
        body: String,
    }

    /// A request by its headers, query, path and body.
    fn request(headers: &[(&str, &str)], query: &str, path: &str, body: &str) -> Received {
        let headers = headers.iter();
        let record = RequestRecord {
            received_at: Timestamp(1),
            path: path.into(),
            query: query.into(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.to_string().into()))
                .collect(),
            ..kit::record()
        };
        let body = body.to_owned();
        Received { record, body }
    }

    fn body(text: &str) -> Received {
        request(&[], "", "", text)
    }

    fn fields(names: &[&str]) -> Vec<Field> {
        names.iter().map(|name| name.parse().expect(name)).collect()
    }

    fn print(selection: &Selection, request: &Received) -> Option<Fingerprint> {
        let document = Document::of(&request.record, request.body.as_bytes());
        Fingerprints::new(&document).of(selection)
    }

    fn only(names: &[&str]) -> Selection {
        Selection::only(&fields(names))
    }

    fn all_but(names: &[&str]) -> Selection {
        Selection::AllBut(fields(names))
    }

    fn same(selection: &Selection, a: &Received, b: &Received) -> bool {
        let a = print(selection, a);
        assert!(a.is_some());
        a == print(selection, b)
    }

    #[test]
    fn the_whole_request_is_its_method_path_query_and_body() {
        let whole = Selection::Whole;
        let one = request(&[("date", "a"), ("x-id", "1")], "a=1", "/p", "{}");
        let again = request(&[("date", "b"), ("x-id", "2")], "a=1", "/p", "{}");
        assert!(same(&whole, &one, &again));
        for other in [
            request(&[], "a=2", "/p", "{}"),
            request(&[], "a=1", "/q", "{}"),
            request(&[], "a=1", "/p", "{ }"),
            request(&[], "", "/p", "{}"),
        ] {
            assert!(!same(&whole, &one, &other), "{other:?}");
        }
        let mut other_method = one.clone();
        other_method.record.method = "DELETE".into();
        assert!(!same(&whole, &one, &other_method));
    }

    #[test]
    fn included_fields_alone_count() {
        let by_id = only(&["body.id", "headers.x-kind", "query.shard"]);
        let of =
            |headers: &[(&str, &str)], query: &str, body: &str| request(headers, query, "", body);
        let one = of(&[("x-kind", "k")], "shard=3&t=1", r#"{"id": 7, "at": 1}"#);
        let again = of(
            &[("x-other", "o"), ("x-kind", "k")],
            "t=2&shard=3",
            r#"{"at":2,"id":7}"#,
        );
        assert!(same(&by_id, &one, &again));
        for other in [
            of(&[("x-kind", "K")], "shard=3", r#"{"id":7}"#),
            of(
                &[("x-kind", "k"), ("x-kind", "k")],
                "shard=3",
                r#"{"id":7}"#,
            ),
            of(&[("x-kind", "k")], "shard=3&shard=3", r#"{"id":7}"#),
            of(&[("x-kind", "k")], "shard=3", r#"{"id":"7"}"#),
            of(&[("x-kind", "k")], "shard=3", r#"{"id":8}"#),
        ] {
            assert!(!same(&by_id, &one, &other), "{other:?}");
        }
    }

    #[test]
    fn a_request_without_any_of_the_fields_is_like_no_other() {
        let by_id = only(&["body.id", "headers.x-id", "path"]);
        for none in ["", "{}", r#"{"id":null}"#, "not json", "[1]"] {
            assert_eq!(print(&by_id, &body(none)), None, "{none}");
        }
        // One that is missing beside one that is there tells requests apart.
        let with_header = |body| request(&[("x-id", "a")], "", "", body);
        assert!(same(&by_id, &with_header("{}"), &with_header("[]")));
        assert!(!same(
            &by_id,
            &with_header("{}"),
            &with_header(r#"{"id":"a"}"#)
        ));
        assert!(print(&only(&["body.id"]), &body(r#"{"id":""}"#)).is_some());
    }

    #[test]
    fn a_value_in_one_field_is_not_the_same_in_another() {
        let two = only(&["body.a", "body.b"]);
        assert!(!same(&two, &body(r#"{"a":1}"#), &body(r#"{"b":1}"#)));
        assert!(!same(
            &two,
            &body(r#"{"a":"x","b":"y"}"#),
            &body(r#"{"a":"y","b":"x"}"#)
        ));
    }

    #[test]
    fn long_numbers_are_not_rounded() {
        let by_id = only(&["body.id"]);
        let of = |number: &str| body(&format!("{{\"id\":{number}}}"));
        assert!(!same(
            &by_id,
            &of("90071992547409930001"),
            &of("90071992547409930002")
        ));
        assert!(!same(
            &by_id,
            &of("0.30000000000000000001"),
            &of("0.30000000000000000002")
        ));
    }

    #[test]
    fn excluded_fields_alone_do_not_count() {
        let but = all_but(&["body.sent_at", "query.nonce"]);
        let of = |query: &str, body: &str| request(&[("x-id", "1")], query, "/p", body);
        let one = of("nonce=1&b=2", r#"{"id":7,"sent_at":1}"#);
        let again = of("b=2&nonce=3", "{\"sent_at\": 2, \"id\": 7}");
        assert!(same(&but, &one, &again));
        assert!(!same(&but, &one, &of("b=2", r#"{"id":8}"#)));
        assert!(!same(&but, &one, &of("b=3", r#"{"id":7}"#)));
        // What has no such structure is compared as it came.
        assert!(!same(&but, &of("", "id: 7"), &of("", "id:  7")));
        let but_all = all_but(&["body", "query", "path"]);
        assert!(same(
            &but_all,
            &request(&[], "a", "/b", "c"),
            &request(&[], "d", "/e", "f")
        ));
    }

    #[test]
    fn headers_count_once_one_of_them_is_excluded_but_for_those_of_each_send() {
        let but = all_but(&["headers.x-nonce"]);
        let of = |headers: &[(&str, &str)]| request(headers, "", "", "{}");
        let one = of(&[
            ("x-nonce", "1"),
            ("date", "a"),
            ("x-forwarded-for", "b"),
            ("x-kind", "k"),
        ]);
        let again = of(&[
            ("x-kind", "k"),
            ("x-nonce", "2"),
            ("date", "c"),
            ("host", "d"),
        ]);
        assert!(same(&but, &one, &again));
        assert!(!same(&but, &one, &of(&[("x-kind", "other")])));
        let all = all_but(&["headers"]);
        assert!(same(&all, &one, &of(&[("x-kind", "other")])));
    }

    #[test]
    fn a_form_has_fields_by_name() {
        let form = |body: &str| {
            let kind = "application/x-www-form-urlencoded; charset=utf-8";
            request(&[("content-type", kind)], "", "", body)
        };
        let by_id = only(&["body.user id"]);
        assert!(same(
            &by_id,
            &form("user+id=%41&t=1"),
            &form("t=2&user%20id=A")
        ));
        assert!(!same(
            &by_id,
            &form("user+id=A"),
            &form("user+id=A&user+id=B")
        ));
        let but = all_but(&["body.t"]);
        assert!(same(&but, &form("a=1&t=1"), &form("t=2&a=1")));
        assert!(!same(&but, &form("a=1&t=1"), &form("a=2&t=1")));
        assert_eq!(
            print(&by_id, &body("user+id=A")),
            None,
            "it says that it is a form"
        );
    }

    #[test]
    fn xml_has_fields_by_structure_and_what_is_compressed_has_none() {
        let xml = |body: &str| request(&[("content-type", "text/xml")], "", "", body);
        let by_id = only(&["body.order.id"]);
        let one = xml("<order><id>7</id><at>1</at></order>");
        assert!(same(
            &by_id,
            &one,
            &xml("<order> <at>2</at><id>7</id></order>")
        ));
        assert!(!same(&by_id, &one, &xml("<order><id>8</id></order>")));
        assert!(same(
            &all_but(&["body.order.at"]),
            &one,
            &xml("<order><id>7</id></order>")
        ));
        let headers = [("content-encoding", "gzip")];
        let packed = request(&headers, "", "", r#"{"order":{"id":7}}"#);
        assert_eq!(print(&by_id, &packed), None);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_field() {
        let by_id = only(&["body.id"]);
        assert!(same(
            &by_id,
            &body("{\"id\":7}"),
            &body("\u{feff}{\"id\":7}")
        ));
    }

    #[test]
    fn the_order_of_the_fields_in_a_rule_is_of_no_account() {
        let rule = |included: &[&str]| DeduplicateRule {
            window: 1_000,
            include_fields: fields(included),
            exclude_fields: Vec::new(),
        };
        let a = Selection::of(&rule(&["body.a", "path", "body.a"]));
        assert_eq!(a, Selection::of(&rule(&["path", "body.a"])));
        assert_eq!(a, only(&["body.a", "path"]));
    }

    #[test]
    fn what_is_on_disk_stays() {
        let one = request(
            &[("x-id", "1"), ("x-b", "2")],
            "a=1&b=2",
            "/p",
            r#"{"id":[7,"é"]}"#,
        );
        let shown: Vec<String> = [
            Selection::Whole,
            only(&["body.id", "headers.x-id", "query.c"]),
            all_but(&["body.x", "headers.x-b", "query.b"]),
        ]
        .iter()
        .map(|selection| format!("{:?}", print(selection, &one).expect("a fingerprint")))
        .collect();
        assert_eq!(
            shown,
            [
                "Fingerprint(140548cdc1abc73ba2b66e93e44267f7)",
                "Fingerprint(3868aba5d834c63b6757814cce8352f2)",
                "Fingerprint(154e0864542323f1f8950fab7362a20b)"
            ]
        );
    }
}
