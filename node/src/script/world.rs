//! What a script finds beyond the language, laid out in each fresh context before it.

use super::{console::Console, dice::Dice, execution::LineType, wire::Job};
use parking_lot::Mutex;
use rquickjs::{
    Array, Coerced, Ctx, Error, Exception, Function, Object, Value, function::Rest,
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
        let texts: Vec<String> = values.0.into_iter().map(|v| shown(&ctx, v)).collect();
        console.lock().write(line_type, &texts.join(" "));
    };
    Function::new(ctx.clone(), write)?.with_name(line_type.name())
}

/// A value as the console shows it.
fn shown<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> String {
    let text = match &value {
        value if value.is_symbol() => {
            let symbol = value.as_symbol().map(|symbol| symbol.description());
            let description = symbol.and_then(|it| it.ok()?.get::<String>().ok());
            return format!("Symbol({})", description.unwrap_or_default());
        }
        value if value.is_function() => {
            let name = value
                .as_object()
                .map(|function| function.get::<_, String>("name"));
            name.map(|name| format!("[function {}]", name.unwrap_or_default()))
        }
        value if value.is_error() => value.as_object().map(|error| {
            let exception = Exception::from_object(error.clone());
            exception.map(|it| error_text(&it)).unwrap_or_default()
        }),
        value if value.is_object() => None,
        value if value.is_big_int() => coerced(value).map(|digits| format!("{digits}n")),
        value => coerced(value),
    };
    text.unwrap_or_else(|| json(ctx, value))
}

/// None where the text is no Unicode.
fn coerced(value: &Value<'_>) -> Option<String> {
    value.get::<Coerced<String>>().ok().map(|text| text.0)
}

fn error_text(error: &Exception<'_>) -> String {
    let name = error.as_object().get::<_, String>("name");
    let name = name.unwrap_or_else(|_| "Error".into());
    let message = error.message().unwrap_or_default();
    let stack = error.stack().unwrap_or_default();
    format!("{name}: {message}\n{stack}").trim_end().to_owned()
}

fn json<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> String {
    match ctx.json_stringify(value) {
        Ok(Some(text)) => text.to_string().unwrap_or_default(),
        Ok(None) => "[object]".into(),
        Err(_) => {
            // A script that is being stopped is stopped at its next look at the clock.
            let thrown = ctx.catch();
            let message = thrown.as_exception().and_then(Exception::message);
            format!("[object: {}]", message.unwrap_or_default())
        }
    }
}
