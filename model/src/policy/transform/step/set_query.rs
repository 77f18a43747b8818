//! Sets a parameter of the query, and takes parameters away.

use super::{FIELDS_MAX, Fault, Fields, Halt, Work};
use crate::policy::transform::{
    give::{Give, Target},
    url,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SetQuery {
    name: String,
    give: Give,
}

const NAME_LEN_MAX: usize = 256;

fn check_name(name: &str) -> Result<(), String> {
    match (1..=NAME_LEN_MAX).contains(&name.len()) {
        true => Ok(()),
        false => Err(format!(
            "expected a parameter's name of 1 to {NAME_LEN_MAX} bytes"
        )),
    }
}

impl SetQuery {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["name", "value", "from", "template"])?;
        let name = fields.text("name")?;
        check_name(name).map_err(|expected| fields.fault("name", expected))?;
        Ok(Self {
            name: name.to_owned(),
            give: Give::read_text(fields)?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        if let Some(value) = self.give.text(work, Target::Text)? {
            let query = url::with_parameter(&work.message.query, &self.name, &value);
            url::check_query(&query).map_err(Halt::new)?;
            work.message.query = query;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct RemoveQuery {
    /// Empty: all.
    names: Vec<String>,
}

impl RemoveQuery {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["names", "all"])?;
        match (fields.has("names"), fields.flag("all")?) {
            (false, true) => Ok(Self { names: Vec::new() }),
            (true, false) => Ok(Self {
                names: fields.texts("names", FIELDS_MAX, |name| {
                    check_name(name).map(|()| name.to_owned())
                })?,
            }),
            _ => Err(fields.fault("names", "expected either names or all")),
        }
    }

    pub(super) fn run(&self, work: &mut Work<'_>) {
        let query = &mut work.message.query;
        if self.names.is_empty() {
            query.clear();
        }
        for name in &self.names {
            *query = url::without_parameter(query, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{fails, message, refused, run};
    use serde_json::json;

    fn query(step: serde_json::Value, body: &str) -> String {
        run(&[step], message("application/json", body))
            .expect("runs")
            .query
    }

    #[test]
    fn a_parameter_is_set_whatever_it_holds_and_the_others_stay() {
        let step = json!({"op": "set_query", "name": "q", "template": "{{body.v}}"});
        let after = query(step, r#"{"v":"1&admin=true#\r\n"}"#);
        assert_eq!(after, "q=1%26admin%3Dtrue%23%0D%0A&tag=x&tag=y");
        let step = json!({"op": "set_query", "name": "new", "value": true});
        assert_eq!(query(step, "{}"), "q=a+b&tag=x&tag=y&new=true");
        let step = json!({"op": "remove_query", "names": ["tag"]});
        assert_eq!(query(step, "{}"), "q=a+b");
        assert_eq!(query(json!({"op": "remove_query", "all": true}), "{}"), "");
    }

    #[test]
    fn a_query_has_a_bound() {
        let step = json!({"op": "set_query", "name": "q", "from": "body.v"});
        fails(&step, &json!({"v": "x".repeat(10_000)}).to_string());
        refused(
            &json!({"op": "set_query", "name": "", "value": 1}),
            "steps[0].name",
        );
        for step in [
            json!({"op": "remove_query"}),
            json!({"op": "remove_query", "names": ["a"], "all": true}),
        ] {
            refused(&step, "steps[0].names");
        }
    }
}
