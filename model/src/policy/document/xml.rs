//! XML as an object: `<order id="7"><item>a</item><item>b</item></order>` is
//! `{"order": {"@id": "7", "item": ["a", "b"]}}`.
//!
//! - The root element is the one key of the object; names keep their prefixes (`soap:Body`).
//! - An element with neither attributes nor elements in it is its text, an empty one `""`.
//! - Attributes have an `@` before their names; the text of an element that is an object is `#text`.
//! - Elements of one name within another are a list. All values are strings.
//! - Text is trimmed, CDATA too; comments, instructions and the document type are skipped.
//! - Character references and the five predefined entities are resolved. Any other entity, an encoding other than UTF-8,
//!   and whatever is not well-formed leave the body without structure: nothing is ever expanded or fetched.

use super::{DEPTH_MAX, VALUES_MAX};
use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesDecl, BytesRef, BytesStart, Event},
};
use serde_json::{Map, Value};

const TEXT: &str = "#text";

/// The document; none when it is not XML or beyond the bounds.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let mut tree = Tree {
        open: Vec::new(),
        root: None,
        left: VALUES_MAX,
    };
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => tree.open(&start)?,
            Event::Empty(start) => {
                tree.open(&start)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(entity) => tree.text(&resolve(&entity)?)?,
            Event::Decl(declaration) => is_utf8(&declaration).then_some(())?,
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// An element whose end was not seen yet.
struct Element {
    name: String,
    text: String,
    fields: Map<String, Value>,
}

struct Tree {
    open: Vec<Element>,
    root: Option<(String, Value)>,
    /// Values that may still come.
    left: usize,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Option<()> {
        // The object around the root counts too.
        if self.open.len() + 1 >= DEPTH_MAX || self.open.is_empty() && self.root.is_some() {
            return None;
        }
        self.count()?;
        let mut fields = Map::new();
        // The reader's own search for doubles takes quadratic time.
        for attribute in start.attributes().with_checks(false) {
            self.count()?;
            let attribute = attribute.ok()?;
            let name = format!("@{}", attribute.key.as_ref());
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            if fields.insert(name, value.into_owned().into()).is_some() {
                return None;
            }
        }
        self.open.push(Element {
            name: start.name().as_ref().to_owned(),
            text: String::new(),
            fields,
        });
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            // Around the root there may be white space and nothing else.
            None if text.trim().is_empty() => {}
            None => return None,
        }
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Element {
            name,
            text,
            mut fields,
        } = self.open.pop()?;
        let text = text.trim();
        let value = if fields.is_empty() {
            text.into()
        } else {
            if !text.is_empty() {
                self.count()?;
                fields.insert(TEXT.to_owned(), text.into());
            }
            Value::Object(fields)
        };
        let Some(parent) = self.open.last_mut() else {
            self.root = Some((name, value));
            return Some(());
        };
        match parent.fields.get_mut(&name) {
            None => {
                parent.fields.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(known) => *known = Value::Array(vec![known.take(), value]),
        }
        Some(())
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn finish(self) -> Option<Value> {
        // The reader does not mind an end without its end tags.
        if !self.open.is_empty() {
            return None;
        }
        let (name, value) = self.root?;
        Some(Value::Object(Map::from_iter([(name, value)])))
    }
}

fn resolve(entity: &BytesRef<'_>) -> Option<String> {
    match entity.resolve_char_ref().ok()? {
        Some(character) => Some(character.into()),
        None => resolve_xml_entity(&entity.xml10_content()).map(str::to_owned),
    }
}

fn is_utf8(declaration: &BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(encoding)) => ["utf-8", "utf8", "us-ascii", "ascii"]
            .iter()
            .any(|known| encoding.eq_ignore_ascii_case(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn elements_attributes_and_text_have_their_places() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- an order --><!DOCTYPE order>
            <order id="7" a:note="x &amp; y"> about
                <item>one</item><item qty='2'>two</item><item/>
                <address><city> K&#246;ln </city></address>
                <raw><![CDATA[<b>]]></raw>
            </order>"#;
        let expected = json!({"order": {
            "@id": "7",
            "@a:note": "x & y",
            "item": ["one", {"@qty": "2", "#text": "two"}, ""],
            "address": {"city": "Köln"},
            "raw": "<b>",
            "#text": "about",
        }});
        assert_eq!(read(text.as_bytes()), Some(expected));
    }

    #[test]
    fn only_predefined_entities_are_resolved() {
        let entities = "&lt;&gt;&amp;&quot;&apos;&#65;&#x42;";
        assert_eq!(
            read(format!("<a>{entities}</a>").as_bytes()),
            Some(json!({"a": "<>&\"'AB"}))
        );
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "c"><!ENTITY x SYSTEM "file:///etc/passwd">]>"#;
        for body in ["<a>&b;</a>", "<a>&x;</a>", r#"<a b="&b;"/>"#, "<a>&#0;</a>"] {
            assert_eq!(read(format!("{bomb}{body}").as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_is_not_well_formed_has_no_structure() {
        for text in [
            "",
            "a",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>b",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<a><b></a></b>",
            "<a>&</a>",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            "{}",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(read(nested(DEPTH_MAX - 1).as_bytes()).is_some());
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_none());
        let list = |values: usize| format!("<a>{}</a>", "<b/>".repeat(values));
        assert!(read(list(VALUES_MAX - 1).as_bytes()).is_some());
        assert!(read(list(VALUES_MAX).as_bytes()).is_none());
        let attributes: String = (0..50_000).map(|n| format!(" a{n}=''")).collect();
        assert!(read(format!("<a{attributes}/>").as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;=\"' !?\\[\\]-]{0,40}", bytes: Vec<u8>) {
            let _ = read(text.as_bytes());
            let _ = read(&bytes);
        }
    }
}
