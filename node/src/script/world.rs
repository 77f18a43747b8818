//! The globals of a script: what it finds beyond the language, laid out in each fresh context before it.

use super::{
    console::{Console, Line},
    dice::Dice,
    execution::LineType,
    wire::Job,
};
use parking_lot::Mutex;
use rquickjs::{
    Array, Coerced, Ctx, Error, Function, Object, String as JsString, Value, function::Rest,
    object::Property,
};
use std::{cell::RefCell, sync::Arc};

const PRELUDE: &str = include_str!("prelude.js");
/// Clocks, the moments of the collector, threads, and jobs that nobody would run.
const TAKEN_AWAY: [&str; 6] = [
    "performance",
    "WeakRef",
    "FinalizationRegistry",
    "SharedArrayBuffer",
    "Atomics",
    "queueMicrotask",
];
const WRITERS: [LineType; 6] = [
    LineType::Debug,
    LineType::Log,
    LineType::Info,
    LineType::Warn,
    LineType::Error,
    LineType::Fatal,
];

/// Lays it out. Returns the list that the script's handlers will be in.
///
/// No function of ours holds a value of the script's: the collector can't look into it, and a circle through it would
/// never be let go.
pub(super) fn lay_out<'js>(
    ctx: &Ctx<'js>,
    job: &Job,
    env: Value<'js>,
    console: &Arc<Mutex<Console>>,
) -> Result<Array<'js>, Error> {
    let globals = ctx.globals();
    for name in TAKEN_AWAY {
        globals.remove(name)?;
    }
    // Call sites hand out the functions on the stack, and the real Date can be one of them.
    globals
        .get::<_, Object>("Error")?
        .remove("prepareStackTrace")?;

    let writers = Object::new(ctx.clone())?;
    for line_type in WRITERS {
        writers.set(line_type.name(), writer(ctx, line_type, console)?)?;
    }
    put(&globals, "console", writers)?;

    let process = Object::new(ctx.clone())?;
    process.set("env", env)?;
    put(&globals, "process", process)?;

    let dice = RefCell::new(Dice::new(job.seed));
    let random = Function::new(ctx.clone(), move || dice.borrow_mut().fraction())?;
    random.set_name("random")?;
    put(&globals.get("Math")?, "random", random)?;

    let prelude: Function = ctx.eval(PRELUDE)?;
    prelude.call((job.at_ms as f64,))
}

/// As the language's own globals are: replaceable, and not listed by `for … in`.
fn put<'js>(on: &Object<'js>, name: &str, value: impl rquickjs::IntoJs<'js>) -> Result<(), Error> {
    on.prop(name, Property::from(value).writable().configurable())
}

fn writer<'js>(
    ctx: &Ctx<'js>,
    line_type: LineType,
    console: &Arc<Mutex<Console>>,
) -> Result<Function<'js>, Error> {
    let console = console.clone();
    let write = move |ctx: Ctx<'js>, values: Rest<Value<'js>>| {
        // What does not fit is not looked at, let alone copied: values may be as large as all of the script's memory.
        let mut line = Line::of(console.lock().room());
        for (place, value) in values.0.into_iter().enumerate() {
            if place > 0 {
                line.push(" ");
            }
            if line.is_full() {
                break;
            }
            show(&ctx, value, &mut line);
        }
        console.lock().write(line_type, line.text());
    };
    Function::new(ctx.clone(), write)?.with_name(line_type.name())
}

/// Writes a value as the console shows it.
fn show<'js>(ctx: &Ctx<'js>, value: Value<'js>, line: &mut Line) {
    let is_shown = match &value {
        value if value.is_symbol() => {
            let symbol = value.as_symbol().map(|symbol| symbol.description());
            let description = symbol.and_then(|it| it.ok()?.get::<JsString<'js>>().ok());
            line.push("Symbol(");
            push(description, line);
            line.push(")");
            true
        }
        value if value.is_function() => {
            line.push("[function ");
            push(property(value, "name"), line);
            line.push("]");
            true
        }
        value if value.is_error() => {
            push_error(value, line);
            true
        }
        value if value.is_object() => false,
        value if value.is_big_int() => {
            let is_shown = push(coerced(value), line);
            line.push("n");
            is_shown
        }
        value => push(coerced(value), line),
    };
    if !is_shown {
        push_json(ctx, value, line);
    }
}

fn coerced<'js>(value: &Value<'js>) -> Option<JsString<'js>> {
    value
        .get::<Coerced<JsString<'js>>>()
        .ok()
        .map(|text| text.0)
}

fn property<'js>(value: &Value<'js>, name: &str) -> Option<JsString<'js>> {
    value.as_object()?.get(name).ok()
}

/// Writes as much of a text as there is room for. False where there is none, or where it is no Unicode.
fn push(text: Option<JsString<'_>>, line: &mut Line) -> bool {
    let Some(Ok(text)) = text.map(JsString::to_cstring) else {
        return false;
    };
    line.push_bytes(text.as_ref())
}

fn push_error(error: &Value<'_>, line: &mut Line) {
    let name = property(error, "name");
    if !push(name, line) {
        line.push("Error");
    }
    line.push(": ");
    push(property(error, "message"), line);
    if let Some(stack) = property(error, "stack") {
        line.push("\n");
        push(Some(stack), line);
    }
    line.trim_end();
}

fn push_json<'js>(ctx: &Ctx<'js>, value: Value<'js>, line: &mut Line) {
    match ctx.json_stringify(value) {
        Ok(Some(text)) => {
            push(Some(text), line);
        }
        Ok(None) => line.push("[object]"),
        Err(_) => {
            // A script that is being stopped is stopped at its next look at the clock.
            let thrown = ctx.catch();
            line.push("[object: ");
            if thrown.is_exception() || thrown.is_error() {
                push(property(&thrown, "message"), line);
            }
            line.push("]");
        }
    }
}
