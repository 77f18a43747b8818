//! The engine: one run of one script, in a fresh runtime that ends with it.

use super::{
    call::{Payload, Request},
    console::Console,
    failure::ScriptFailure,
    wire::Job,
    world,
};
use parking_lot::Mutex;
use rquickjs::{
    Context, Ctx, Error, Exception, Function, Object, Runtime, Type, Value, context::EvalOptions,
};
use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

/// What stacks and syntax errors call the script.
const FILE: &str = "transformation.js";
/// Bytes of a message or a stack that are kept.
const TEXT_MAX: usize = 4 * 1024;

/// What ends a run early: JavaScript's exception, or our own judgement.
enum Stop {
    Script(Error),
    Failed(ScriptFailure),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Script(error)
    }
}

impl From<ScriptFailure> for Stop {
    fn from(failure: ScriptFailure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs the code and its handler over the job's request, and gives the JSON of what it returned. Without a request it
/// only sees to it that there is a handler, and gives an empty text.
///
/// Nothing outlives the call. What QuickJS does not look up from (some of its own functions loop without a look at the
/// clock) is not stopped here but by the process around it.
pub(super) fn run(
    job: &Job,
    code: &str,
    console: &Arc<Mutex<Console>>,
) -> Result<String, ScriptFailure> {
    let limits = &job.limits;
    if code.len() > limits.code_bytes {
        return Err(ScriptFailure::Code {
            bytes: code.len(),
            limit_bytes: limits.code_bytes,
        });
    }
    let no_memory = |_| ScriptFailure::Memory {
        limit_bytes: limits.memory_bytes,
    };
    let runtime = Runtime::new().map_err(no_memory)?;
    runtime.set_memory_limit(limits.memory_bytes);
    runtime.set_max_stack_size(limits.stack_bytes);
    let timed_out = Rc::new(Cell::new(false));
    runtime.set_interrupt_handler(Some({
        let timed_out = timed_out.clone();
        let deadline = Instant::now() + limits.time();
        Box::new(move || {
            if Instant::now() >= deadline {
                timed_out.set(true);
            }
            timed_out.get()
        })
    }));
    let context = Context::full(&runtime).map_err(no_memory)?;
    context.with(|ctx| {
        let ran = transform(&ctx, job, code, console);
        let failure = match ran {
            Ok(returned) => return Ok(returned),
            Err(Stop::Failed(failure)) => failure,
            Err(Stop::Script(error)) => explain(&ctx, &error, job),
        };
        // Reading an error may run more of the script, which may hang too.
        Err(if timed_out.get() {
            ScriptFailure::Time {
                limit_ms: limits.time_ms,
            }
        } else {
            failure
        })
    })
}

fn transform<'js>(
    ctx: &Ctx<'js>,
    job: &Job,
    code: &str,
    console: &Arc<Mutex<Console>>,
) -> Result<String, Stop> {
    let env: Value = parse(ctx, &job.env)?;
    let handlers = world::lay_out(ctx, job, env.clone(), console)?;
    evaluate(ctx, code)?;
    let handler: Function = match handlers.len() {
        0 => return Err(ScriptFailure::NoHandler.into()),
        1 => handlers.get(0)?,
        count => return Err(ScriptFailure::SeveralHandlers { count }.into()),
    };
    let Some(request) = &job.request else {
        return Ok(String::new());
    };
    let context: Object = parse(ctx, &job.context)?;
    context.set("env", env)?;
    let result: Value = handler.call((request_object(ctx, request)?, context))?;
    returned_text(ctx, result, job.limits.output_bytes)
}

/// Runs the script itself, which registers its handler.
fn evaluate(ctx: &Ctx<'_>, code: &str) -> Result<(), Stop> {
    if let Some(at) = code.find('\0') {
        let line = code[..at].matches('\n').count() + 1;
        return Err(ScriptFailure::Syntax {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: 1,
            message: "a NUL character".into(),
        }
        .into());
    }
    let mut options = EvalOptions::default();
    // As browsers and the field's engines run scripts.
    options.strict = false;
    options.filename = Some(FILE.into());
    let Err(error) = ctx.eval_with_options::<(), _>(code, options) else {
        return Ok(());
    };
    if !matches!(error, Error::Exception) {
        return Err(error.into());
    }
    let thrown = ctx.catch();
    match syntax_error(&thrown) {
        Some(failure) => Err(failure.into()),
        None => Err(ctx.throw(thrown).into()),
    }
}

/// A syntax error of the script's own text. One that its code met, as in `JSON.parse`, has another place on top.
fn syntax_error(thrown: &Value<'_>) -> Option<ScriptFailure> {
    let exception = Exception::from_object(thrown.as_object()?.clone())?;
    if name_of(&exception) != "SyntaxError" {
        return None;
    }
    let stack = exception.stack()?;
    let place = stack.lines().next()?.trim().strip_prefix("at ")?;
    let (line, column) = place
        .strip_prefix(FILE)?
        .strip_prefix(':')?
        .split_once(':')?;
    Some(ScriptFailure::Syntax {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
        message: clip(exception.message().unwrap_or_default()),
    })
}

fn request_object<'js>(ctx: &Ctx<'js>, request: &Request) -> Result<Object<'js>, Error> {
    let object: Object = parse(ctx, request)?;
    let body = match &request.body {
        Payload::Empty => Value::new_null(ctx.clone()),
        Payload::Json(bytes) => ctx.json_parse(bytes.as_ref())?,
        Payload::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            rquickjs::String::from_str(ctx.clone(), &text)?.into_value()
        }
    };
    object.set("body", body)?;
    Ok(object)
}

/// The JSON of what the handler returned, if it is an object. Getters, proxies and `toJSON` run here, within the limits.
fn returned_text<'js>(
    ctx: &Ctx<'js>,
    result: Value<'js>,
    output_bytes: usize,
) -> Result<String, Stop> {
    if let Some(was) = falsy(&result) {
        return Err(ScriptFailure::Nothing { was: was.into() }.into());
    }
    let object = match result.as_object() {
        None => return Err(not_an_object(primitive(&result))),
        Some(_) if result.is_array() => return Err(not_an_object("an array")),
        Some(_) if result.is_function() => return Err(not_an_object("a function")),
        Some(object) => object,
    };
    if result.is_promise() || object.get::<_, Value>("then")?.is_function() {
        return Err(ScriptFailure::Promise.into());
    }
    let Some(text) = ctx.json_stringify(result)? else {
        return Err(not_an_object("an object that is nothing in JSON"));
    };
    let text = text.to_string()?;
    if text.len() > output_bytes {
        return Err(ScriptFailure::Output {
            bytes: text.len(),
            limit_bytes: output_bytes,
        }
        .into());
    }
    Ok(text)
}

fn not_an_object(was: &str) -> Stop {
    ScriptFailure::NotAnObject { was: was.into() }.into()
}

fn primitive(value: &Value<'_>) -> &'static str {
    match value.type_of() {
        Type::Bool => "true",
        Type::Int | Type::Float => "a number",
        Type::BigInt => "a bigint",
        Type::String => "a string",
        Type::Symbol => "a symbol",
        _ => "no object",
    }
}

fn falsy(value: &Value<'_>) -> Option<&'static str> {
    let is_zero = value.as_number().is_some_and(|n| n == 0.0);
    let is_empty = || {
        let text = value.as_string().map(rquickjs::String::to_string);
        text.is_some_and(|text| text.is_ok_and(|text| text.is_empty()))
    };
    Some(match value {
        _ if value.is_undefined() => "undefined",
        _ if value.is_null() => "null",
        _ if value.as_bool() == Some(false) => "false",
        _ if value.as_number().is_some_and(f64::is_nan) => "NaN",
        _ if is_zero => "0",
        _ if is_empty() => "an empty string",
        _ => return None,
    })
}

/// What an exception says, as a failure.
fn explain(ctx: &Ctx<'_>, error: &Error, job: &Job) -> ScriptFailure {
    let memory = ScriptFailure::Memory {
        limit_bytes: job.limits.memory_bytes,
    };
    match error {
        Error::Exception => {}
        // The second: no room for the text of a string.
        Error::Allocation | Error::Unknown => return memory,
        other => return threw(other.to_string(), String::new()),
    }
    let thrown = ctx.catch();
    // With no room even for the error, QuickJS throws null.
    if thrown.is_null() {
        return memory;
    }
    let Some(exception) = thrown
        .clone()
        .into_object()
        .and_then(Exception::from_object)
    else {
        let text = match thrown.as_string() {
            Some(text) => text.to_string().ok(),
            None => stringified(ctx, thrown.clone()),
        };
        let text = text.unwrap_or_else(|| thrown.type_name().into());
        return threw(format!("threw {text}"), String::new());
    };
    let name = name_of(&exception);
    let message = exception.message().unwrap_or_default();
    match (name.as_str(), message.as_str()) {
        ("InternalError", text) if text.starts_with("out of memory") => memory,
        ("RangeError", "Maximum call stack size exceeded") => ScriptFailure::Stack {
            limit_bytes: job.limits.stack_bytes,
        },
        _ => threw(
            format!("{name}: {message}"),
            exception.stack().unwrap_or_default(),
        ),
    }
}

fn threw(message: String, stack: String) -> ScriptFailure {
    ScriptFailure::Threw {
        message: clip(message),
        stack: clip(stack).trim_end().to_owned(),
    }
}

fn name_of(exception: &Exception<'_>) -> String {
    let name = exception.as_object().get::<_, String>("name");
    name.unwrap_or_else(|_| "Error".into())
}

fn stringified<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Option<String> {
    ctx.json_stringify(value).ok()??.to_string().ok()
}

fn clip(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        text.push('…');
    }
    text
}

/// Puts a value of ours into the script's world by way of JSON, so that no object of ours is ever in there.
fn parse<'js, T: rquickjs::FromJs<'js>>(
    ctx: &Ctx<'js>,
    value: &impl serde::Serialize,
) -> Result<T, Error> {
    let json = serde_json::to_vec(value).map_err(|_| Error::Unknown)?;
    T::from_js(ctx, ctx.json_parse(json)?)
}
