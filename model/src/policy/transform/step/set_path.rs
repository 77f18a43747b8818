//! Sets the path that is appended to the destination's URL.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::Address,
    give::{Give, Target},
    template::{Part, Template},
    url,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SetPath {
    give: Give,
}

impl SetPath {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["value", "from", "template"])?;
        let give = Give::read_text(fields)?;
        let (field, sample) = match &give {
            Give::From(_) => return Ok(Self { give }),
            Give::Value(value) => ("value", value.as_text().unwrap_or_default().to_owned()),
            Give::Template(template) => ("template", sample(template)),
        };
        url::check_path(&sample).map_err(|expected| fields.fault(field, expected))?;
        Ok(Self { give })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        if let Some(path) = self.give.text(work, Target::Path)? {
            url::check_path(&path).map_err(Halt::new)?;
            work.message.path = path;
        }
        Ok(())
    }
}

/// What a template makes of harmless values.
fn sample(template: &Template) -> String {
    let parts = template.parts.iter().map(|part| match part {
        Part::Literal(text) => text.as_str(),
        Part::Placeholder(Address::Path) => "/x",
        Part::Placeholder(_) => "x",
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{fails, message, refused, run};
    use serde_json::json;

    fn path(give: (&str, &str), body: &str) -> String {
        let step = json!({"op": "set_path", give.0: give.1});
        run(&[step], message("application/json", body))
            .expect("runs")
            .path
    }

    #[test]
    fn values_of_the_payload_stay_within_their_segment() {
        let template = ("template", "/orders/{{body.id}}/x");
        for (id, expected) in [
            ("7", "/orders/7/x"),
            ("a/b", "/orders/a%2Fb/x"),
            ("?q=1#f", "/orders/%3Fq%3D1%23f/x"),
            ("é", "/orders/%C3%A9/x"),
        ] {
            assert_eq!(path(template, &json!({ "id": id }).to_string()), expected);
        }
        assert_eq!(
            path(("template", "{{path}}/{{body.id}}"), r#"{"id":1}"#),
            "/in/x/1"
        );
        assert_eq!(path(("value", "/fixed%20path"), "{}"), "/fixed%20path");
        assert_eq!(path(("from", "body.to"), r#"{"to":"/a/b"}"#), "/a/b");
        assert_eq!(path(("from", "body.none"), "{}"), "/in/x");
    }

    #[test]
    fn nobody_climbs_out_of_the_path() {
        let step = json!({"op": "set_path", "template": "/orders/{{body.id}}/x"});
        for id in [
            ".",
            "..",
            "../admin",
            "..;",
            "..\\admin",
            "%2e%2e",
            "%2e%2e%2fadmin",
        ] {
            let failure = fails(&step, &json!({ "id": id }).to_string());
            assert!(failure.contains("without . and .."), "{failure}");
        }
        for id in ["a\r\nb", "a\0", "%00"] {
            fails(&step, &json!({ "id": id }).to_string());
        }
        let copied = json!({"op": "set_path", "from": "body.id"});
        for path in [
            "/a/../b",
            "/%2e%2e/b",
            "/..%2fb",
            "//b",
            "a",
            "/a?b",
            "/a b",
        ] {
            fails(&copied, &json!({ "id": path }).to_string());
        }
        for value in ["a", "/a/../b", "/a?b", "/a\r\n"] {
            refused(&json!({"op": "set_path", "value": value}), "steps[0].value");
        }
        for template in [
            "/a?b={{path}}",
            "/a/../{{body.id}}",
            "{{body.id}}",
            "/a/{{path}}?",
        ] {
            refused(
                &json!({"op": "set_path", "template": template}),
                "steps[0].template",
            );
        }
    }
}
