//! Turns a field into another type. What can't be turned fails, unless the step says what to take otherwise.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::BodyPath,
    budget::Budget,
    tree::{self, Tree},
    walk,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Convert {
    field: BodyPath,
    to: Type,
    otherwise: Option<Tree>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Integer,
    Boolean,
    /// A text that holds JSON becomes what it holds.
    Json,
    /// Anything becomes a text that holds it as JSON.
    JsonText,
}

const TYPES: [(&str, Type); 6] = [
    ("text", Type::Text),
    ("number", Type::Number),
    ("integer", Type::Integer),
    ("boolean", Type::Boolean),
    ("json", Type::Json),
    ("json_text", Type::JsonText),
];
/// The longest text that is read as a number.
const DIGITS_MAX: usize = 400;

impl Convert {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "to", "otherwise"])?;
        let to = fields.text("to")?;
        let known = TYPES.iter().find(|(name, _)| *name == to);
        let (_, to) = known.ok_or_else(|| {
            let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            fields.fault("to", format!("expected one of {}", names.join(", ")))
        })?;
        Ok(Self {
            field: fields.body_path("field")?,
            to: *to,
            otherwise: match fields.has("otherwise") {
                true => Some(fields.tree("otherwise")?),
                false => None,
            },
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let level = self.field.0.len();
        work.change(|tree, budget| {
            walk::each(tree, &self.field, budget, &mut |value, budget| {
                let Some(new) = self.converted(value, budget)? else {
                    return Ok(false);
                };
                budget.make(new.measure(), level)?;
                *value = new;
                Ok(true)
            })
        })
    }

    /// The value in its new type; none when it has it already.
    fn converted(&self, value: &Tree, budget: &mut Budget) -> Result<Option<Tree>, Halt> {
        let found = match self.to {
            Type::Text => match value {
                Tree::Text(_) => return Ok(None),
                Tree::Null => None,
                other => other.as_text().map(Tree::text),
            },
            Type::Number | Type::Integer => {
                let found = number(value, self.to == Type::Integer);
                if found.as_ref() == Some(value) {
                    return Ok(None);
                }
                found
            }
            Type::Boolean => match value {
                Tree::Bool(_) => return Ok(None),
                other => boolean(other),
            },
            Type::Json => match value {
                Tree::Text(text) => {
                    budget.look(text.bytes().len() / 4)?;
                    tree::read(text.bytes()).ok()
                }
                _ => return Ok(None),
            },
            Type::JsonText => {
                let measure = value.measure();
                budget.look(measure.values)?;
                // Escaping makes six bytes of one at most.
                budget.make_text(measure.bytes)?;
                let bytes_max = measure.bytes.saturating_mul(6);
                let json = tree::write(value, bytes_max);
                json.map(|json| Tree::text(String::from_utf8_lossy(&json).into_owned()))
            }
        };
        match found.or_else(|| self.otherwise.clone()) {
            Some(new) => Ok(Some(new).filter(|new| new != value)),
            None => Err(Halt::new(format!(
                "{} is {} that can't become {}",
                self.field,
                value.kind(),
                TYPES
                    .iter()
                    .find(|(_, known)| *known == self.to)
                    .map_or("", |(name, _)| name)
            ))),
        }
    }
}

/// Digits stay as they were written; only what JSON does not allow around them goes.
fn number(value: &Tree, is_integer: bool) -> Option<Tree> {
    let text = match value {
        Tree::Number(digits) => digits.as_str(),
        Tree::Text(text) if text.as_str().len() <= DIGITS_MAX => text.as_str().trim(),
        Tree::Bool(value) => return Some(Tree::Number(u64::from(*value).into())),
        _ => return None,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let whole_end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(whole_end);
    // Some write 007 and some .5.
    let whole = match whole.trim_start_matches('0') {
        "" if whole.is_empty() && !rest.starts_with('.') => return None,
        "" => "0",
        digits => digits,
    };
    let number = match is_integer {
        false => format!("{sign}{whole}{rest}"),
        true => {
            let fraction = rest.strip_prefix('.').unwrap_or(rest);
            let is_whole = fraction.bytes().all(|byte| byte == b'0');
            let has_point = rest.is_empty() || (rest.len() > 1 && rest.starts_with('.'));
            (is_whole && has_point).then(|| format!("{sign}{whole}"))?
        }
    };
    match tree::read(number.as_bytes()) {
        Ok(Tree::Number(number)) => Some(Tree::Number(number)),
        _ => None,
    }
}

fn boolean(value: &Tree) -> Option<Tree> {
    let text = value.as_text()?.trim().to_ascii_lowercase();
    match text.as_str() {
        "true" | "1" | "yes" | "on" => Some(Tree::Bool(true)),
        "false" | "0" | "no" | "off" => Some(Tree::Bool(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, fails, refused};
    use serde_json::json;

    fn converted(to: &str, before: &str) -> String {
        let step = json!({"op": "convert", "field": "body", "to": to});
        body(&step, before)
    }

    #[test]
    fn what_can_be_turned_is_turned_without_losing_a_digit() {
        for (to, before, after) in [
            ("number", r#""12.30""#, "12.30"),
            (
                "number",
                r#"" -0012345678901234567890.10 ""#,
                "-12345678901234567890.10",
            ),
            ("number", r#""+7""#, "7"),
            ("number", r#"".5""#, "0.5"),
            ("number", r#""1e3""#, "1e3"),
            ("number", "true", "1"),
            ("number", "12.30", "12.30"),
            ("integer", r#""12.00""#, "12"),
            ("integer", "7", "7"),
            ("integer", "7.0", "7"),
            ("text", "12.30", r#""12.30""#),
            ("text", "false", r#""false""#),
            ("text", r#" "a" "#, r#" "a" "#),
            ("boolean", r#""Yes""#, "true"),
            ("boolean", "0", "false"),
            ("json", r#""{\"a\":[1.10]}""#, r#"{"a":[1.10]}"#),
            ("json", r#"{"a":1}"#, r#"{"a":1}"#),
            ("json_text", r#"{"a":"\u0000"}"#, r#""{\"a\":\"\\u0000\"}""#),
        ] {
            assert_eq!(converted(to, before), after, "{to} {before}");
        }
    }

    #[test]
    fn what_can_not_be_turned_fails_or_is_otherwise() {
        for (to, before) in [
            ("number", r#""""#),
            ("number", r#""12,5""#),
            ("number", r#""1.""#),
            ("number", r#""0x1f""#),
            ("number", r#""NaN""#),
            ("number", "[]"),
            ("number", "null"),
            ("integer", "7.5"),
            ("integer", r#""1e3""#),
            ("integer", r#""7.""#),
            ("text", "null"),
            ("text", "{}"),
            ("boolean", r#""maybe""#),
            ("json", r#""{""#),
        ] {
            let step = json!({"op": "convert", "field": "body", "to": to});
            let failure = fails(&step, before);
            assert!(
                failure.ends_with(&format!("can't become {to}")),
                "{failure}"
            );
            let step = json!({"op": "convert", "field": "body", "to": to, "otherwise": "?"});
            assert_eq!(body(&step, before), r#""?""#);
        }
        let absent = json!({"op": "convert", "field": "body.a", "to": "number"});
        assert_eq!(body(&absent, "{ }"), "{ }");
        refused(
            &json!({"op": "convert", "field": "body.a", "to": "x"}),
            "steps[0].to",
        );
    }
}
