//! Says what the body is to be: JSON, a form, or by another name what it is.

use super::{Fault, Fields, Work};
use crate::policy::transform::{header, structure::Structure};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SetContentType {
    value: String,
}

impl SetContentType {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["value"])?;
        let value = fields.text("value")?.trim();
        header::check_value(value.as_bytes()).map_err(|e| fields.fault("value", e))?;
        let essence = value.split(';').next().unwrap_or_default().trim();
        let is_type = essence
            .split_once('/')
            .is_some_and(|(kind, name)| header::is_token(kind) && header::is_token(name));
        if !is_type {
            return Err(fields.fault("value", "expected a type such as application/json"));
        }
        Ok(Self {
            value: value.to_owned(),
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) {
        work.message.set_header("content-type", &self.value);
        work.declared = Some(Structure::of(Some(&self.value)));
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::{
        Message,
        cases::{fails, message, refused, run},
    };
    use serde_json::{Value, json};

    const FORM: &str = "application/x-www-form-urlencoded";

    fn after(steps: &[Value], content_type: &str, body: &'static str) -> Message {
        run(steps, message(content_type, body)).expect("runs")
    }

    fn becomes(content_type: &str) -> Value {
        json!({"op": "set_content_type", "value": content_type})
    }

    #[test]
    fn a_body_becomes_what_the_step_says() {
        for (from, body, to, expected) in [
            (
                "application/json",
                r#"{"a":1.50,"b":["x y",true]}"#,
                FORM,
                "a=1.50&b=x+y&b=true",
            ),
            (
                FORM,
                "a=1&b=x+y",
                "application/json",
                r#"{"a":"1","b":"x y"}"#,
            ),
            // Another name for the same bytes.
            (
                "text/plain",
                r#"{ "a": 1 }"#,
                "application/json",
                r#"{ "a": 1 }"#,
            ),
            (
                "application/json",
                r#"{ "a": 1 }"#,
                "application/vnd.a+json",
                r#"{ "a": 1 }"#,
            ),
            ("application/xml", "<a/>", "text/xml; charset=utf-8", "<a/>"),
            (
                "text/plain",
                "\u{fffd}",
                "application/octet-stream",
                "\u{fffd}",
            ),
            ("application/json", "", FORM, ""),
        ] {
            let after = after(&[becomes(to)], from, body);
            assert_eq!(after.body, expected, "{from} {to}");
            assert_eq!(after.header("content-type").as_deref(), Some(to));
        }
    }

    #[test]
    fn a_changed_form_is_json_unless_it_is_to_be_a_form() {
        let step = json!({"op": "set", "field": "body.c", "value": 1});
        let changed = after(std::slice::from_ref(&step), FORM, "a=1");
        assert_eq!(changed.body, r#"{"a":"1","c":1}"#);
        assert_eq!(
            changed.header("content-type").as_deref(),
            Some("application/json")
        );
        let changed = after(&[step.clone(), becomes(FORM)], FORM, "a=1");
        assert_eq!(changed.body, "a=1&c=1");
        let kept = after(&[], FORM, "a=%41&&b");
        assert_eq!(kept.body, "a=%41&&b");
        let changed = after(&[step], "application/cloudevents+json", "{}");
        let kept = changed.header("content-type");
        assert_eq!(kept.as_deref(), Some("application/cloudevents+json"));
    }

    #[test]
    fn xml_has_a_structure_and_is_written_as_json_once_it_changes() {
        let xml = r#"<paid id="7"><to>Bob</to><n>1</n><n>2</n></paid>"#;
        assert_eq!(after(&[], "text/xml", xml).body, xml);
        let step = json!({"op": "move", "from": "body.paid.to", "to": "body.name"});
        let changed = after(&[step], "application/xml", xml);
        let body: Value = serde_json::from_slice(&changed.body).expect("JSON");
        assert_eq!(body["name"], "Bob");
        assert_eq!(body["paid"]["n"], json!(["1", "2"]));
        assert_eq!(
            changed.header("content-type").as_deref(),
            Some("application/json")
        );
        let broken = run(
            &[becomes("application/json")],
            message("text/xml", "<a><b></a>"),
        );
        let failure = broken.expect_err("not XML").to_string();
        assert!(failure.contains("not XML"), "{failure}");
    }

    #[test]
    fn a_text_can_be_the_whole_body() {
        let step = json!({"op": "set", "field": "body", "template": "paid: {{body.a}}"});
        let text = after(
            &[step, becomes("text/plain")],
            "application/json",
            r#"{"a":1}"#,
        );
        assert_eq!(text.body, "paid: 1");
        let step = json!({"op": "set", "field": "body.a", "value": 2});
        let object = run(
            &[step, becomes("text/plain")],
            message("application/json", "{}"),
        );
        let failure = object.expect_err("an object is no text").to_string();
        assert!(failure.contains("only be written as JSON"), "{failure}");
        fails(&becomes(FORM), r#"{"a":{"b":1}}"#);
    }

    #[test]
    fn a_type_has_two_parts() {
        for value in ["json", "", "a/", "application/json\r\nx: y", "a b/c"] {
            refused(&becomes(value), "steps[0].value");
        }
    }
}
