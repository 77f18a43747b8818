//! XML as an object: `<order id="7"><item>a</item><item>b</item></order>` is
//! `{"order": {"@id": "7", "item": ["a", "b"]}}`.
//!
//! - The root element is the one key of the object; names keep their prefixes (`soap:Body`).
//! - An element with neither attributes nor elements in it is its text, an empty one `""`.
//! - Attributes have an `@` before their names; the text of an element that is an object is `#text`.
//! - Elements of one name within another are a list. All values are strings.
//! - Text is trimmed, CDATA too; comments, instructions and the document type are skipped.
//! - Character references and the five predefined entities are resolved. Any other entity and whatever is not well-formed
//!   leave the body without structure: nothing is ever expanded or fetched.
//! - Its characters are told by a byte order mark, the content type or its own declaration, in this order (RFC 7303).

use crate::tree::{DEPTH_MAX, Gathered, Tree, VALUES_MAX, charset};
use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesRef, BytesStart, Event},
};

const TEXT: &str = "#text";
/// Bytes that a declaration is looked for in.
const DECLARATION_MAX: usize = 256;

/// The document; none when it is not XML or beyond the bounds.
pub(crate) fn read(content_type: Option<&str>, body: &[u8]) -> Option<Tree> {
    let named = content_type.and_then(|kind| charset::parameter(kind, "charset"));
    let charset = named.or_else(|| declared(body));
    let kind = charset.map(|charset| format!("text/xml; charset=\"{charset}\""));
    let text = charset::decoded(body, kind.as_deref());
    let mut reader = Reader::from_str(std::str::from_utf8(&text).ok()?);
    let mut tree = Growing {
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
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// An element whose end was not seen yet.
struct Element {
    name: String,
    text: String,
    fields: Gathered,
}

struct Growing {
    open: Vec<Element>,
    root: Option<(String, Tree)>,
    /// Values that may still come.
    left: usize,
}

impl Growing {
    fn open(&mut self, start: &BytesStart<'_>) -> Option<()> {
        // The object around the root counts too.
        if self.open.len() + 1 >= DEPTH_MAX || self.open.is_empty() && self.root.is_some() {
            return None;
        }
        self.count()?;
        let mut fields = Gathered::default();
        // The reader's own search for doubles takes quadratic time.
        for attribute in start.attributes().with_checks(false) {
            self.count()?;
            let attribute = attribute.ok()?;
            let name = format!("@{}", attribute.key.as_ref());
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            if fields.has(&name) {
                return None;
            }
            fields.add(name, Tree::text(value.into_owned()));
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
            Tree::text(text)
        } else {
            if !text.is_empty() {
                self.count()?;
                fields.add(TEXT, Tree::text(text));
            }
            Tree::Object(fields.into())
        };
        let Some(parent) = self.open.last_mut() else {
            self.root = Some((name, value));
            return Some(());
        };
        parent.fields.add(name, value);
        Some(())
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn finish(self) -> Option<Tree> {
        // The reader does not mind an end without its end tags.
        if !self.open.is_empty() {
            return None;
        }
        let (name, value) = self.root?;
        Some(Tree::object([(name.into(), value)]))
    }
}

fn resolve(entity: &BytesRef<'_>) -> Option<String> {
    match entity.resolve_char_ref().ok()? {
        Some(character) => Some(character.into()),
        None => resolve_xml_entity(&entity.xml10_content()).map(str::to_owned),
    }
}

/// The encoding that a declaration names. Whoever can read that far has it in ASCII.
fn declared(body: &[u8]) -> Option<String> {
    let end = body
        .windows(2)
        .take(DECLARATION_MAX)
        .position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(&body[..end]).ok()?;
    let (_, rest) = declaration.strip_prefix("<?xml")?.split_once("encoding")?;
    let quoted = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    let (name, _) = quoted[1..].split_once(quote)?;
    Some(name.to_owned())
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
        assert_eq!(read(None, text.as_bytes()), Some(Tree::of(&expected)));
    }

    #[test]
    fn only_predefined_entities_are_resolved() {
        let entities = "&lt;&gt;&amp;&quot;&apos;&#65;&#x42;";
        assert_eq!(
            read(None, format!("<a>{entities}</a>").as_bytes()),
            Some(Tree::of(&json!({"a": "<>&\"'AB"})))
        );
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "c"><!ENTITY x SYSTEM "file:///etc/passwd">]>"#;
        for body in ["<a>&b;</a>", "<a>&x;</a>", r#"<a b="&b;"/>"#, "<a>&#0;</a>"] {
            assert_eq!(
                read(None, format!("{bomb}{body}").as_bytes()),
                None,
                "{body}"
            );
        }
    }

    #[test]
    fn characters_are_as_the_type_or_the_declaration_says() {
        let expected = Some(Tree::of(&json!({"a": "Zwölf"})));
        let latin = b"<a>Zw\xf6lf</a>";
        assert_eq!(read(Some("text/xml; charset=iso-8859-1"), latin), expected);
        assert_eq!(read(None, latin), None);
        let declared = [
            &b"<?xml version='1.0' encoding = \"ISO-8859-1\" ?>"[..],
            latin,
        ]
        .concat();
        assert_eq!(read(Some("application/xml"), &declared), expected);
        let wide: Vec<u8> = "\u{feff}<?xml version='1.0' encoding='utf-16'?><a>Zwölf</a>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(read(None, &wide), expected);
        let told = "<?xml version='1.0' encoding='iso-8859-1'?><a>Zwölf</a>";
        assert_eq!(
            read(Some("text/xml; charset=utf-8"), told.as_bytes()),
            expected
        );
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
            assert_eq!(read(None, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(read(None, nested(DEPTH_MAX - 1).as_bytes()).is_some());
        assert!(read(None, nested(DEPTH_MAX).as_bytes()).is_none());
        let list = |values: usize| format!("<a>{}</a>", "<b/>".repeat(values));
        assert!(read(None, list(VALUES_MAX - 1).as_bytes()).is_some());
        assert!(read(None, list(VALUES_MAX).as_bytes()).is_none());
        let attributes: String = (0..50_000).map(|n| format!(" a{n}=''")).collect();
        assert!(read(None, format!("<a{attributes}/>").as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;=\"' !?\\[\\]-]{0,40}", bytes: Vec<u8>) {
            let _ = read(None, text.as_bytes());
            let _ = read(None, &bytes);
        }
    }
}
