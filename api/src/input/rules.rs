//! A connection's rules, as clients name them. What none of them reads is refused: skipping it would deliver what nobody
//! wanted.

use super::{
    deduplicate,
    transform_rule::{self, Rulebook},
};
use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::{
    catalog::{Backoff, Connection, DelayRule, Field, FilterRule, RetryRule, Rule},
    policy::{document::Part, filter::Filter, retry},
};
use serde_json::Value;

pub const MAX_RULES: usize = 16;
/// The longest delay: a week, as long as anything is kept by default.
const MAX_DELAY_MS: u64 = 7 * 24 * 3_600_000;
const MAX_RETRIES: u64 = 50;
const DEFAULT_RETRIES: u16 = 5;
const DEFAULT_INTERVAL_MS: u64 = 60_000;

/// The rules afterwards: given ones replace all kept ones.
pub fn read(
    fields: &Fields<'_>,
    kept: Option<&Connection>,
    book: &mut Rulebook<'_>,
) -> Result<Vec<Rule>, Problem> {
    let list = match fields.list("rules")? {
        Given::Absent => return Ok(kept.map(|kept| kept.rules.clone()).unwrap_or_default()),
        Given::Null => return Ok(Vec::new()),
        Given::Value(list) => list,
    };
    if list.len() > MAX_RULES {
        return Err(fields.invalid("rules", format!("expected at most {MAX_RULES} rules")));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let fields = fields.item("rules", place, value)?;
        let rule = rule(&fields, book)?;
        let is_second = rules
            .iter()
            .any(|other| std::mem::discriminant(other) == std::mem::discriminant(&rule));
        if is_second && !may_repeat(&rule) {
            return Err(fields.invalid("type", "expected at most one rule of this type"));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// Whether a second rule of the type means something.
fn may_repeat(rule: &Rule) -> bool {
    match rule {
        Rule::Filter(_) | Rule::Transform { .. } => true,
        Rule::Delay(_) | Rule::Retry(_) | Rule::Deduplicate(_) => false,
    }
}

fn rule(fields: &Fields<'_>, book: &mut Rulebook<'_>) -> Result<Rule, Problem> {
    match fields.text("type", 32)? {
        Given::Value("delay") => Ok(Rule::Delay(delay(fields)?)),
        Given::Value("deduplicate") => Ok(Rule::Deduplicate(deduplicate::read(fields)?)),
        Given::Value("retry") => Ok(Rule::Retry(retry(fields)?)),
        Given::Value("filter") => Ok(Rule::Filter(Box::new(filter(fields)?))),
        Given::Value("transform") => transform_rule::read(fields, book),
        _ => Err(fields.invalid(
            "type",
            "expected filter, transform, deduplicate, delay or retry",
        )),
    }
}

/// So long, until a time that the request names, or both.
fn delay(fields: &Fields<'_>) -> Result<DelayRule, Problem> {
    let delay = fields.whole("delay", 0, MAX_DELAY_MS)?.value();
    let until = match fields.text("until", Field::LEN_MAX)?.value() {
        Some(text) => Some(deduplicate::one(fields, "until", text)?),
        None => None,
    };
    match (delay, until) {
        (None, None) => Err(fields.invalid("delay", "expected milliseconds, or until and a field")),
        (delay, until) => Ok(DelayRule {
            delay: delay.unwrap_or_default(),
            until,
        }),
    }
}

/// `null` takes a part's filter away, as everywhere; `false` is a filter.
pub fn filter(fields: &Fields<'_>) -> Result<FilterRule, Problem> {
    let is_known = |key: &str| key == "type" || Part::ALL.iter().any(|part| part.name() == key);
    // A filter under a misspelt name would let everything through.
    if let Some(unknown) = fields.keys().find(|key| !is_known(key)) {
        return Err(fields.invalid(unknown, "expected body, headers, query or path"));
    }
    let given = |part: Part| fields.value(part.name()).value().cloned();
    let rule = FilterRule {
        body: given(Part::Body),
        headers: given(Part::Headers),
        query: given(Part::Query),
        path: given(Part::Path),
    };
    Filter::read(&rule).map_err(|error| fields.invalid(&error.at, error.expected))?;
    Ok(rule)
}

fn retry(fields: &Fields<'_>) -> Result<RetryRule, Problem> {
    let strategy = match fields.text("strategy", 32)? {
        Given::Value("linear") => Backoff::Linear,
        Given::Value("exponential") => Backoff::Exponential,
        Given::Value("custom") => Backoff::Custom,
        _ => return Err(fields.invalid("strategy", "expected linear, exponential or custom")),
    };
    let schedule = schedule(fields)?;
    let count = match strategy {
        Backoff::Custom => {
            // Shown with the rule, and sent back with it: the schedule says it.
            let _ = fields.value("count");
            schedule.len() as u16
        }
        Backoff::Linear | Backoff::Exponential => {
            let count = fields.whole("count", 0, MAX_RETRIES)?.value();
            count.map_or(DEFAULT_RETRIES, |count| count as u16)
        }
    };
    let interval = fields.whole("interval", 1_000, MAX_DELAY_MS)?.value();
    let rule = RetryRule {
        strategy,
        count,
        interval: interval.unwrap_or(DEFAULT_INTERVAL_MS),
        schedule,
        response_status_codes: status_codes(fields)?,
    };
    retry::validate(&rule).map_err(|wrong| fields.invalid(wrong.field, wrong.expected))?;
    Ok(rule)
}

/// The delays of a custom strategy.
fn schedule(fields: &Fields<'_>) -> Result<Vec<u64>, Problem> {
    const KEY: &str = "schedule";
    let Some(list) = fields.list(KEY)?.value() else {
        return Ok(Vec::new());
    };
    let delays: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
    delays
        .filter(|delays| delays.len() <= MAX_RETRIES as usize)
        .ok_or_else(|| fields.invalid(KEY, "expected at most 50 delays in milliseconds"))
}

fn status_codes(fields: &Fields<'_>) -> Result<Option<Vec<String>>, Problem> {
    const KEY: &str = "response_status_codes";
    let Some(list) = fields.list(KEY)?.value() else {
        return Ok(None);
    };
    let codes = list.iter().map(|value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(fields.invalid(KEY, format!("expected a status code, got {other}"))),
    });
    codes.collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::view::{connection::RuleView, tests::json};
    use model::catalog::Catalog;
    use serde_json::json;

    fn rules(list: &Value) -> Result<Vec<Rule>, Problem> {
        let (catalog, fresh) = (Catalog::default(), Vec::new());
        let mut book = Rulebook::new(&catalog, &|_| Ok(None), &fresh);
        read(
            &Body::of(json!({ "rules": list })).fields(),
            None,
            &mut book,
        )
    }

    fn show(rule: &Rule) -> Value {
        json(RuleView::of(rule))
    }

    #[test]
    fn rules_read_back_as_they_were_given() {
        let given = json!([
            {"type": "deduplicate", "window": 60_000, "include_fields": ["body.id"]},
            {"type": "delay", "delay": 1500, "until": "body.deliver_at"},
            {"type": "retry", "strategy": "linear", "count": 3, "interval": 1000,
             "response_status_codes": ["500", "!404", "500-599", ">=429"]},
        ]);
        let custom = json!([{"type": "retry", "strategy": "custom", "count": 2, "interval": 60_000,
                             "schedule": [5000, 300_000]}]);
        let read = rules(&custom).expect("good rules");
        assert_eq!(json!(read.iter().map(show).collect::<Vec<_>>()), custom);
        let read = rules(&given).expect("good rules");
        assert_eq!(json!(read.iter().map(show).collect::<Vec<_>>()), given);
    }

    #[test]
    fn a_retry_has_defaults_and_takes_numbers_as_codes() {
        let given = json!([{"type": "retry", "strategy": "exponential", "count": null,
                            "response_status_codes": [500]}]);
        let read = rules(&given).expect("good rules");
        let shown = show(&read[0]);
        assert_eq!(shown["count"], 5);
        assert_eq!(shown["interval"], 60_000);
        assert_eq!(shown["response_status_codes"], json!(["500"]));
    }

    #[test]
    fn a_delay_until_a_time_needs_no_other() {
        let read = rules(&json!([{"type": "delay", "until": "headers.X-At"}])).expect("a rule");
        let shown = json!({"type": "delay", "delay": 0, "until": "headers.x-at"});
        assert_eq!(show(&read[0]), shown);
    }

    #[test]
    fn filters_read_back_as_they_were_given_and_may_repeat() {
        let given = json!([
            {"type": "filter", "body": {"order": {"total": {"$gte": 100}}}, "headers": {"x-a": [1]}},
            {"type": "filter", "query": "", "path": {"$startsWith": "/eu"}},
            {"type": "filter", "body": false},
            {"type": "filter"},
        ]);
        let read = rules(&given).expect("good rules");
        assert_eq!(json!(read.iter().map(show).collect::<Vec<_>>()), given);
        let nulls = json!([{"type": "filter", "body": null, "headers": null, "path": "/a"}]);
        let shown = show(&rules(&nulls).expect("a rule")[0]);
        assert_eq!(shown, json!({"type": "filter", "path": "/a"}));
    }

    #[test]
    fn a_bad_filter_names_the_place_in_it() {
        let refused = |rule: Value| rules(&json!([{"type": "filter"}, rule])).expect_err("bad");
        let error = refused(json!({"type": "filter", "body": {"order": {"$gte": []}}}));
        let message = "rules[1].body.order.$gte: expected a number or a string";
        assert_eq!(error.message(), message);
        let error = refused(json!({"type": "filter", "boddy": {"a": 1}}));
        let message = "rules[1].boddy: expected body, headers, query or path";
        assert_eq!(error.message(), message);
    }

    #[test]
    fn a_bad_rule_names_its_place_and_field() {
        for (rule, at) in [
            (json!({}), "rules[0].type"),
            (json!(7), "rules[0]"),
            (json!({"type": "delay"}), "rules[0].delay"),
            (json!({"type": "delay", "delay": -1}), "rules[0].delay"),
            (json!({"type": "delay", "until": "at"}), "rules[0].until"),
            (json!({"type": "deduplicate"}), "rules[0].window"),
            (
                json!({"type": "deduplicate", "window": 5_000, "include_fields": ["x"]}),
                "rules[0].include_fields[0]",
            ),
            (json!({"type": "retry"}), "rules[0].strategy"),
            (
                json!({"type": "retry", "strategy": "linear", "count": 51}),
                "rules[0].count",
            ),
            (
                json!({"type": "retry", "strategy": "custom"}),
                "rules[0].schedule",
            ),
            (
                json!({"type": "retry", "strategy": "linear", "interval": 1}),
                "rules[0].interval",
            ),
            (
                json!({"type": "retry", "strategy": "linear", "response_status_codes": ["600"]}),
                "rules[0].response_status_codes",
            ),
        ] {
            let error = rules(&json!([rule])).expect_err(at);
            assert!(error.message().starts_with(&format!("{at}: ")), "{error}");
        }
        let twice = json!([{"type": "delay", "delay": 1}, {"type": "delay", "delay": 2}]);
        assert!(rules(&twice).is_err());
    }
}
