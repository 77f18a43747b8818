//! Sets a header, and takes headers away.

use super::{FIELDS_MAX, Fault, Fields, Halt, Work};
use crate::policy::transform::{
    give::{Give, Target},
    header,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SetHeader {
    name: String,
    give: Give,
}

impl SetHeader {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["name", "value", "from", "template"])?;
        let name = fields.text("name")?.to_ascii_lowercase();
        header::check_name(&name).map_err(|expected| fields.fault("name", expected))?;
        if matches!(name.as_str(), "content-type" | "content-encoding") {
            return Err(fields.fault("name", "expected the step set_content_type for that"));
        }
        let give = Give::read_text(fields)?;
        give.check_literals(fields, |text| header::check_value(text.as_bytes()))?;
        Ok(Self { name, give })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let Some(value) = self.give.text(work, Target::Text)? else {
            return Ok(());
        };
        header::check_value(value.as_bytes())
            .map_err(|expected| Halt::new(format!("{}: {expected}", self.name)))?;
        work.message.set_header(&self.name, &value);
        if work.message.headers.len() > header::HEADERS_MAX {
            return Err(Halt::new(format!(
                "the message would have more than {} headers",
                header::HEADERS_MAX
            )));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct RemoveHeader {
    names: Vec<String>,
}

impl RemoveHeader {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["names"])?;
        let name = |name: &str| {
            header::check_name(name)?;
            Ok(name.to_ascii_lowercase())
        };
        Ok(Self {
            names: fields.texts("names", FIELDS_MAX, name)?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) {
        for name in &self.names {
            work.message.remove_header(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{fails, message, refused, run};
    use serde_json::json;

    #[test]
    fn a_header_has_one_value_afterwards_and_keeps_its_place() {
        let before = message("application/json", r#"{"kind":"paid"}"#);
        let steps = [
            json!({"op": "set_header", "name": "X-A", "template": "k={{body.kind}}"}),
            json!({"op": "set_header", "name": "x-new", "value": 5}),
            json!({"op": "set_header", "name": "x-not", "from": "body.none"}),
            json!({"op": "remove_header", "names": ["X-B", "x-none"]}),
        ];
        let after = run(&steps, before.clone()).expect("runs");
        let names: Vec<&str> = after
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["content-type", "x-a", "x-new"]);
        assert_eq!(after.header("x-a").as_deref(), Some("k=paid"));
        assert_eq!(after.header("x-new").as_deref(), Some("5"));
        assert_eq!(after.body, before.body);
    }

    #[test]
    fn a_value_from_the_payload_can_not_start_another_header() {
        let step = json!({"op": "set_header", "name": "x-kind", "template": "a{{body.k}}"});
        for value in ["1\r\nx-evil: 2", "a\nb", "a\u{0}", "é", "\u{2028}"] {
            let failure = fails(&step, &json!({ "k": value }).to_string());
            assert!(
                failure.contains("x-kind: expected a header's value"),
                "{failure}"
            );
        }
    }

    #[test]
    fn reserved_and_broken_headers_are_refused_when_they_are_configured() {
        for name in [
            "Host",
            "webhook-id",
            "X-TIDEGATE-event-id",
            "a\r\nb",
            "Content-Type",
        ] {
            let step = json!({"op": "set_header", "name": name, "value": "x"});
            refused(&step, "steps[0].name");
        }
        for (field, value) in [("value", "a\nb"), ("template", "{{body.a}}\r\nx: y")] {
            let step = json!({"op": "set_header", "name": "x-a", field: value});
            refused(&step, &format!("steps[0].{field}"));
        }
        for value in [json!({}), json!(null)] {
            let step = json!({"op": "set_header", "name": "x-a", "value": value});
            refused(&step, "steps[0].value");
        }
        refused(
            &json!({"op": "remove_header", "names": ["host"]}),
            "steps[0].names[0]",
        );
    }
}
