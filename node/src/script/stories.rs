//! Stories of scripts, run on this thread: what they see, return and can't do. What only a process can stop is in
//! `pool_stories`.

use super::{
    call::{Payload, Request},
    console::Console,
    engine,
    execution::{ConsoleLine, LineType, Reshaped},
    failure::ScriptFailure,
    limits::Limits,
    returned,
    wire::Job,
};
use crate::config::Config;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

fn job() -> Job {
    let Value::Object(headers) = json!({"content-type": "application/json", "x-shop": "a"}) else {
        unreachable!()
    };
    let Value::Object(context) = json!({"connection": {"id": "web_1"}, "event": {"id": "evt_1"}})
    else {
        unreachable!()
    };
    Job {
        limits: Limits::of(&Config::default()),
        env: Arc::new(BTreeMap::from([("REGION".into(), "eu".into())])),
        request: Some(Request {
            method: "POST".into(),
            path: "/orders".into(),
            query: "a=1".into(),
            parsed_query: json!({"a": "1"}),
            headers,
            body: Payload::Json(Bytes::from_static(
                br#"{"id": 7, "lines": [{"price": 2.5}], "__proto__": {"x": 1}}"#,
            )),
        }),
        context,
        at_ms: 1_700_000_000_123,
        seed: 7,
    }
}

fn ran(job: &Job, code: &str) -> (Result<Option<Reshaped>, ScriptFailure>, Vec<ConsoleLine>) {
    let console = Arc::new(Mutex::new(Console::new(&job.limits)));
    let outcome = engine::run(job, code, &console).and_then(|returned| match &job.request {
        None => Ok(None),
        Some(request) => returned::read(&returned, request).map(Some),
    });
    let logs = console.lock().take();
    (outcome, logs)
}

/// Runs a handler's body.
fn handler(body: &str) -> Result<Reshaped, ScriptFailure> {
    let code = format!("addHandler('transform', (request, context) => {{ {body} }})");
    ran(&job(), &code)
        .0
        .map(|it| it.expect("a run gives a request"))
}

/// What a handler made of an expression: its value as JSON.
fn value_of(expression: &str) -> Value {
    let reshaped = handler(&format!(
        "request.body = {{ it: {expression} }}; return request"
    ));
    let Payload::Json(json) = reshaped.expect("returned").body else {
        panic!("no JSON");
    };
    serde_json::from_slice::<Value>(&json).expect("JSON")["it"].take()
}

fn failure_of(body: &str) -> ScriptFailure {
    handler(body).expect_err("fails")
}

#[test]
fn a_handler_changes_the_request() {
    let reshaped = handler(
        "request.headers['X-Total'] = request.body.lines[0].price;
         request.body.id += 1;
         request.path = '/v2' + request.path;
         request.parsed_query.b = [2, 3];
         return request;",
    )
    .expect("returned");
    assert_eq!(reshaped.path, "/v2/orders");
    assert_eq!(reshaped.query, "a=1&b=2&b=3");
    assert_eq!(reshaped.method, "POST");
    assert_eq!(
        reshaped.headers,
        [
            ("content-type", "application/json"),
            ("x-shop", "a"),
            ("x-total", "2.5")
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let expected = br#"{"id":8,"lines":[{"price":2.5}],"__proto__":{"x":1}}"#;
    assert_eq!(reshaped.body, Payload::Json(Bytes::from_static(expected)));
}

#[test]
fn bodies_are_parsed_where_they_are_json_and_texts_else() {
    let seen = |body: Payload| {
        let mut job = job();
        job.request.as_mut().expect("a run").body = body;
        let code = "addHandler('transform', r => ({ body: [typeof r.body, r.body] }))";
        match ran(&job, code).0.expect("returned").expect("a run").body {
            Payload::Json(json) => String::from_utf8(json.to_vec()).expect("UTF-8"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(seen(Payload::Empty), r#"["object",null]"#);
    assert_eq!(
        seen(Payload::Json(Bytes::from_static(b"[1]"))),
        r#"["object",[1]]"#
    );
    assert_eq!(
        seen(Payload::Text(Bytes::from_static(b"a\0b"))),
        r#"["string","a\u0000b"]"#
    );
    assert_eq!(
        seen(Payload::Text(Bytes::from_static(b"\xff"))),
        "[\"string\",\"\u{fffd}\"]"
    );
}

#[test]
fn the_context_names_connection_and_event_and_the_environment_is_in_both_places() {
    assert_eq!(
        value_of("context.connection.id + context.event.id"),
        json!("web_1evt_1")
    );
    assert_eq!(
        value_of("[process.env.REGION, context.env.REGION]"),
        json!(["eu", "eu"])
    );
    assert_eq!(value_of("process.env.MISSING"), Value::Null);
}

#[test]
fn a_key_named_proto_is_a_key() {
    assert_eq!(
        value_of("[Object.keys(request.body), ({}).x === undefined]"),
        json!([["id", "lines", "__proto__"], true])
    );
}

#[test]
fn the_console_is_captured_with_its_levels() {
    let code = "console.debug('a', 1, {b: [2]}); console.log(undefined, null, 3n, Symbol('s'));
                console.info(function f() {}); console.warn(new TypeError('no')); console.error([]);
                console.fatal('\\ud800'); let o = {}; o.o = o; console.log(o);
                addHandler('transform', r => r)";
    let (outcome, logs) = ran(&job(), code);
    outcome.expect("runs");
    let shown: Vec<(LineType, &str)> = logs
        .iter()
        .map(|l| (l.line_type, l.message.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (LineType::Debug, "a 1 {\"b\":[2]}"),
            (LineType::Log, "undefined null 3n Symbol(s)"),
            (LineType::Info, "[function f]"),
            (
                LineType::Warn,
                "TypeError: no\n    at <eval> (transformation.js:2:65)"
            ),
            (LineType::Error, "[]"),
            (LineType::Fatal, "\"\\ud800\""),
            (LineType::Log, "[object: circular reference]"),
        ]
    );
}

#[test]
fn logs_are_kept_when_the_script_fails() {
    let (outcome, logs) = ran(&job(), "console.log('before'); throw 1");
    assert!(outcome.is_err());
    assert_eq!(logs[0].message, "before");
}

#[test]
fn nothing_returned_is_a_failure_that_names_it() {
    for (returned, was) in [
        ("", "undefined"),
        ("undefined", "undefined"),
        ("null", "null"),
        ("false", "false"),
        ("0", "0"),
        ("-0", "0"),
        ("NaN", "NaN"),
        ("''", "an empty string"),
    ] {
        assert_eq!(
            failure_of(&format!("return {returned}")),
            ScriptFailure::Nothing { was: was.into() },
        );
    }
}

#[test]
fn only_an_object_is_a_request() {
    for (returned, was) in [
        ("'text'", "a string"),
        ("1", "a number"),
        ("1n", "a bigint"),
        ("true", "true"),
        ("[request]", "an array"),
        ("() => request", "a function"),
        ("Symbol()", "a symbol"),
        (
            "({ toJSON: () => undefined })",
            "an object that is nothing in JSON",
        ),
        (
            "({ toJSON: () => 'text' })",
            "an object whose toJSON gives none",
        ),
    ] {
        assert_eq!(
            failure_of(&format!("return {returned}")),
            ScriptFailure::NotAnObject { was: was.into() },
        );
    }
}

#[test]
fn a_promise_is_refused_as_such() {
    for body in [
        "return Promise.resolve(request)",
        "return (async () => request)()",
        "return { then() {} }",
        "return { get then() { return () => {} } }",
    ] {
        assert_eq!(failure_of(body), ScriptFailure::Promise, "{body}");
    }
    let code = "addHandler('transform', async request => request)";
    assert_eq!(ran(&job(), code).0, Err(ScriptFailure::Promise));
}

#[test]
fn exactly_one_handler_is_expected() {
    assert_eq!(ran(&job(), "").0, Err(ScriptFailure::NoHandler));
    let twice = "addHandler('transform', r => r); addHandler('transform', r => r)";
    assert_eq!(
        ran(&job(), twice).0,
        Err(ScriptFailure::SeveralHandlers { count: 2 })
    );
    for (code, problem) in [
        (
            "addHandler('transfrom', r => r)",
            "TypeError: addHandler: expected \"transform\", was transfrom",
        ),
        (
            "addHandler('transform', 1)",
            "TypeError: addHandler: expected a function, was number",
        ),
    ] {
        let failure = ran(&job(), code).0.expect_err("refused");
        assert_eq!(failure.to_string(), problem);
    }
}

#[test]
fn a_check_runs_no_handler() {
    let mut job = job();
    job.request = None;
    assert_eq!(
        ran(&job, "addHandler('transform', () => { for (;;) {} })").0,
        Ok(None)
    );
    assert_eq!(ran(&job, "1").0, Err(ScriptFailure::NoHandler));
}

#[test]
fn syntax_errors_name_line_and_column() {
    for (code, line, column) in [
        ("let a = ;", 1, 9),
        ("// one\nfunction (", 2, 10),
        ("addHandler('transform', r => r)\n\n  }", 3, 3),
        ("import x from 'y'", 1, 8),
        ("export default 1", 1, 1),
        ("a\0", 1, 1),
    ] {
        let Err(ScriptFailure::Syntax {
            line: l,
            column: c,
            message,
        }) = ran(&job(), code).0
        else {
            panic!("{code}");
        };
        assert_eq!((l, c), (line, column), "{code}: {message}");
    }
    let own = ran(&job(), "\nJSON.parse('{')").0.expect_err("throws");
    assert!(
        matches!(&own, ScriptFailure::Threw { message, .. } if message.starts_with("SyntaxError")),
        "{own:?}"
    );
}

#[test]
fn what_was_thrown_is_told_with_its_stack() {
    let code = "function price(line) {\n  return line.price.amount.value\n}\naddHandler('transform', r => price(r.body.lines[0]))";
    let Err(ScriptFailure::Threw { message, stack }) = ran(&job(), code).0 else {
        panic!("threw");
    };
    assert_eq!(
        message,
        "TypeError: cannot read property 'value' of undefined"
    );
    assert_eq!(
        stack.lines().next(),
        Some("    at price (transformation.js:2:10)"),
        "{stack}"
    );

    let told = |body: &str| failure_of(body).to_string();
    assert_eq!(told("throw 'text'"), "threw text");
    assert_eq!(told("throw {a: 1}"), "threw {\"a\":1}");
    assert_eq!(told("throw undefined"), "threw undefined");
    assert_eq!(told("throw Symbol('x')"), "threw symbol");
    assert_eq!(
        told("class Mine extends Error { name = 'Mine' }; throw new Mine('own')"),
        "Mine: own"
    );
    assert!(told("throw new Error('x'.repeat(1e6))").len() < 5_000);
    assert!(told("throw 'x'.repeat(1e6)").len() < 5_000);
}

#[test]
fn results_that_cannot_be_sent_name_their_field() {
    for (body, field) in [
        ("request.headers = 1; return request", "headers"),
        (
            "request.headers['a\\nb'] = 'c'; return request",
            "headers.a\nb",
        ),
        (
            "request.headers.a = 'b\\r\\nc: d'; return request",
            "headers.a",
        ),
        ("request.path = {}; return request", "path"),
        ("request.body = '\\udc00'; return request", "body"),
    ] {
        let ScriptFailure::Unsendable { field: found, .. } = failure_of(body) else {
            panic!("{body}");
        };
        assert_eq!(found, field);
    }
}

/// Everything that a script finds beside its own names. A new version of the engine that brings more is looked at first.
#[test]
fn the_world_of_a_script_is_this_and_nothing_else() {
    let found = value_of("Object.getOwnPropertyNames(globalThis).sort()");
    let expected = "AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean \
        DOMException DataView Date DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array InternalError \
        Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String \
        SuppressedError Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap \
        WeakSet addHandler atob btoa console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval \
        globalThis isFinite isNaN parseFloat parseInt process undefined unescape";
    let found: Vec<&str> = found
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn nothing_can_be_loaded_or_waited_for() {
    for body in [
        "return require('fs')",
        "setTimeout(() => {}, 1)",
        "fetch('http://127.0.0.1')",
        "return std.open('x')",
        "return os.now()",
        "return performance.now()",
        "return new WeakRef(request)",
        "queueMicrotask(() => {})",
    ] {
        assert!(
            failure_of(body).to_string().starts_with("ReferenceError"),
            "{body}"
        );
    }
    // Nobody runs what a promise would do next.
    assert_eq!(
        value_of(
            "(() => { let ran = 'no'; import('fs').catch(() => { ran = 'yes' }); return ran })()"
        ),
        json!("no")
    );
}

#[test]
fn time_is_the_events_time() {
    assert_eq!(
        value_of(
            "[Date.now(), +new Date(), new Date().toISOString(), Date().startsWith('Tue Nov 14 2023')]"
        ),
        json!([
            1_700_000_000_123_u64,
            1_700_000_000_123_u64,
            "2023-11-14T22:13:20.123Z",
            true
        ])
    );
    // Every way to a Date leads to the same one.
    for expression in [
        "new (new Date(5).constructor)().getTime()",
        "new Date.prototype.constructor().getTime()",
        "Reflect.construct(Date, []).getTime()",
        "new (class extends Date {})().getTime()",
        "Reflect.construct(class extends Date { constructor() { super() } }, []).getTime()",
        "new (Object.getPrototypeOf(class extends Date {}))().getTime()",
        "new (Function('return Date')())().getTime()",
        "(0, eval)('Date.now()')",
        "new (Date.bind())().getTime()",
        "Date.now.call(null)",
    ] {
        assert_eq!(
            value_of(expression),
            json!(1_700_000_000_123_u64),
            "{expression}"
        );
    }
}

#[test]
fn dates_are_what_they_were_otherwise() {
    assert_eq!(
        value_of(
            "[new Date(0).getTime(), new Date(2024, 1, 29, 12).toISOString(), new Date('2024-02-29').getTime(),
              Date.UTC(2024, 1, 29), Date.parse('2024-02-29T00:00:00Z'), Date.length, Date.name,
              new Date() instanceof Date, JSON.stringify(new Date(0)), Object.prototype.toString.call(new Date()),
              isNaN(new Date(NaN)), isNaN(new Date(undefined)), new Date(new Date(9)).getTime()]"
        ),
        json!([
            0, "2024-02-29T12:00:00.000Z", 1_709_164_800_000_u64, 1_709_164_800_000_u64, 1_709_164_800_000_u64, 7, "Date",
            true, "\"1970-01-01T00:00:00.000Z\"", "[object Date]", true, true, 9
        ])
    );
}

#[test]
fn no_trick_reaches_the_real_clock_or_the_real_dice() {
    // Call sites would hand out the functions on the stack.
    assert_eq!(
        value_of(
            "(() => { let seen; Error.prepareStackTrace = (error, sites) => { seen = sites; return 'x' };
              try { new Date({ valueOf() { throw new Error() } }) } catch (error) { error.stack }
              return seen === undefined })()"
        ),
        json!(true)
    );
    // Scripts may replace anything; what was kept aside stays in use.
    assert_eq!(
        value_of(
            "(() => { Reflect.construct = () => 1; Function.prototype.call = () => 2; Array.prototype.push = () => 3;
              Object.defineProperty = () => 4; JSON.stringify = () => 5;
              return [new Date().getTime(), Math.random() < 1] })()"
        ),
        json!([1_700_000_000_123_u64, true])
    );
    assert_eq!(
        value_of(
            "(() => { const caught = []; const thief = { apply: f => { caught.push(f) } };
              Date.prototype.toString = function () { caught.push(this.constructor === Date); return '' };
              Date(); return caught })()"
        ),
        json!([true])
    );
    assert_eq!(
        value_of("(() => { try { return Date.caller } catch (e) { return e.name } })()"),
        json!("TypeError")
    );
}

#[test]
fn chance_is_the_seeds_and_even() {
    let first = value_of("[Math.random(), Math.random()]");
    assert_eq!(first, value_of("[Math.random(), Math.random()]"));
    assert_ne!(first[0], first[1]);
    let mut other = job();
    other.seed = 8;
    let code = "addHandler('transform', r => ({ body: { it: [Math.random(), Math.random()] } }))";
    let drawn = ran(&other, code).0.expect("returned").expect("a run");
    assert_ne!(
        drawn.body,
        Payload::Json(format!("{{\"it\":{first}}}").into())
    );
}

/// What one script makes of one call never changes: not by node, attempt, run or version. Pinned.
#[test]
fn the_same_call_gives_the_same_bytes_for_ever() {
    let code = r#"
        const seen = new Map([[{}, 1], ["b", 2]]), words = new Set("the quick brown fox".split(" "));
        addHandler("transform", (request, context) => {
            const rows = Array.from({ length: 5 }, (_, n) => ({ n, at: new Date(Date.now() + n * 864e5), dice: Math.random() }));
            rows.sort((a, b) => a.dice - b.dice);
            let stack; try { null.x } catch (error) { stack = error.stack }
            request.body = { rows, stack, keys: Object.keys({ b: 1, 2: 1, a: 1, 1: 1 }), size: seen.size, words: [...words],
                local: new Date(2024, 5, 1).toString(), text: "Ünï".normalize("NFD").toUpperCase(), sum: 0.1 + 0.2,
                parts: "a-b_c".split(/[-_]/), big: String(2n ** 100n), env: process.env };
            return request;
        });"#;
    let body = || match ran(&job(), code).0.expect("returned").expect("a run").body {
        Payload::Json(json) => String::from_utf8(json.to_vec()).expect("UTF-8"),
        other => panic!("{other:?}"),
    };
    let first = body();
    for _ in 0..20 {
        assert_eq!(body(), first);
    }
    assert_eq!(first, include_str!("pinned.json").trim_end());
}

#[test]
fn nothing_leaks_from_one_call_into_the_next() {
    let code = "globalThis.count = (globalThis.count ?? 0) + 1; Array.prototype.mine = 1;
                addHandler('transform', r => ({ body: [count, 'mine' in []] }))";
    for _ in 0..3 {
        let body = ran(&job(), code).0.expect("returned").expect("a run").body;
        assert_eq!(body, Payload::Json(Bytes::from_static(b"[1,true]")));
    }
    assert_eq!(
        value_of("['count' in globalThis, 'mine' in []]"),
        json!([false, false])
    );
}

/// What is stopped by the engine itself, which keeps its process. Each with its own kind of failure.
#[test]
fn each_limit_has_its_own_failure() {
    let mut job = job();
    job.limits.time_ms = 200;
    job.limits.memory_bytes = 8 * 1024 * 1024;
    job.limits.output_bytes = 10_000;
    job.limits.code_bytes = 500;
    let limits = job.limits;
    let time = || ScriptFailure::Time {
        limit_ms: limits.time_ms,
    };
    let memory = || ScriptFailure::Memory {
        limit_bytes: limits.memory_bytes,
    };
    let stack = || ScriptFailure::Stack {
        limit_bytes: limits.stack_bytes,
    };
    for (body, expected) in [
        ("for (;;) {}", time()),
        (
            "try { for (;;) {} } catch { return request } finally { return request }",
            time(),
        ),
        ("for (;;) { try { for (;;) {} } catch {} }", time()),
        ("/(a+)+b/.test('a'.repeat(50))", time()),
        ("return { get body() { for (;;) {} } }", time()),
        ("return { toJSON() { for (;;) {} } }", time()),
        ("return { get then() { for (;;) {} } }", time()),
        (
            "return new Proxy({}, { ownKeys() { for (;;) {} } })",
            time(),
        ),
        ("throw { toJSON() { for (;;) {} } }", time()),
        (
            "throw new (class extends Error { get message() { for (;;) {} } })",
            time(),
        ),
        ("[3, 1, 2].sort(() => { for (;;) {} })", time()),
        ("Array.from({ length: 1e9 }, () => 0)", memory()),
        ("new Array(2 ** 32 - 1).forEach(() => {})", time()),
        ("[].indexOf.call({ length: 2 ** 53 - 1 }, 1)", time()),
        (
            "return { body: [...(function* () { for (;;) yield })()].length }",
            memory(),
        ),
        ("let all = []; for (;;) all.push({})", memory()),
        ("'x'.repeat(1e9)", memory()),
        ("new ArrayBuffer(1e9)", memory()),
        (
            "const grown = new ArrayBuffer(1, { maxByteLength: 1e9 }); grown.resize(9e8)",
            memory(),
        ),
        ("new Array(1e9).fill(0)", memory()),
        ("JSON.stringify('x'.repeat(4e6).split(''))", memory()),
        ("function f() { f() } f()", stack()),
        ("const f = () => [1].map(f); f()", stack()),
        ("JSON.parse('['.repeat(1e5))", stack()),
        (
            "let a = []; for (let i = 0; i < 2e4; i++) a = [a]; return { body: a }",
            stack(),
        ),
        (
            "let p = {}; for (let i = 0; i < 2e4; i++) p = new Proxy(p, {}); return p",
            stack(),
        ),
        (
            "return { body: 'x'.repeat(20000) }",
            ScriptFailure::Output {
                bytes: 20_011,
                limit_bytes: 10_000,
            },
        ),
    ] {
        let code = format!("addHandler('transform', (request, context) => {{ {body} }})");
        // What runs into another limit has the time for it, however busy the machine is.
        job.limits.time_ms = match expected {
            ScriptFailure::Time { limit_ms } => limit_ms,
            _ => 20_000,
        };
        let started = std::time::Instant::now();
        let outcome = ran(&job, &code).0;
        assert_eq!(outcome, Err(expected), "{body}");
        assert!(
            started.elapsed().as_millis() < 15_000,
            "{body}: {:?}",
            started.elapsed()
        );
    }
    let long = format!("addHandler('transform', r => r) // {}", "x".repeat(500));
    assert!(matches!(
        ran(&job, &long).0,
        Err(ScriptFailure::Code {
            limit_bytes: 500,
            ..
        })
    ));
    // After all of this a small script still runs.
    ran(&job, "addHandler('transform', r => r)")
        .0
        .expect("runs");
}

#[test]
fn tricks_that_only_look_bad_are_ordinary_errors() {
    for (body, starts) in [
        (
            "let o = {}; o.o = o; return o",
            "TypeError: circular reference",
        ),
        ("return { body: 1n }", "TypeError"),
        ("2n ** 10000000n", "RangeError: BigInt is too large"),
        // Joined texts take room only when they are looked into.
        (
            "let all = ''; for (;;) all += 'x' + all",
            "InternalError: string too long",
        ),
        ("new Array(-1)", "RangeError"),
        (
            "request.body = new Proxy({}, { get() { throw new Error('no') } , ownKeys() { return ['a'] }, getOwnPropertyDescriptor() { return { enumerable: true, configurable: true } } }); return request",
            "Error: no",
        ),
        ("throw null", "needed more than its"),
    ] {
        let told = failure_of(body).to_string();
        assert!(told.starts_with(starts), "{body}: {told}");
    }
    // A prototype with names of the request is no request's field.
    let reshaped =
        handler("Object.prototype.path = '/evil'; return { body: 1 }").expect("returned");
    assert_eq!(reshaped.path, "");
    let reshaped =
        handler("return JSON.parse('{\"__proto__\": {\"path\": \"/evil\"}, \"body\": 1}')")
            .expect("returned");
    assert_eq!(reshaped.path, "");
    // A proxy that behaves is an object like any other.
    let reshaped = handler("return new Proxy(request, {})").expect("returned");
    assert_eq!(reshaped.path, "/orders");
}

#[test]
fn printing_without_end_is_cut_visibly_and_stopped() {
    let mut job = job();
    job.limits.time_ms = 200;
    let (outcome, logs) = ran(&job, "for (;;) console.log('x'.repeat(1000))");
    assert_eq!(outcome, Err(ScriptFailure::Time { limit_ms: 200 }));
    let bytes: usize = logs.iter().map(|line| line.message.len()).sum();
    assert!(bytes < job.limits.log_bytes + 200, "{bytes}");
    let last = &logs.last().expect("lines").message;
    assert!(last.contains("more lines were cut"), "{last}");
}

#[test]
fn environments_and_contexts_are_data() {
    let mut job = job();
    let mut context = Map::new();
    context.insert("__proto__".into(), json!({"polluted": true}));
    job.context = context;
    job.env = Arc::new(BTreeMap::from([
        ("__proto__".into(), "x".into()),
        ("a\"b".into(), "</script>".into()),
    ]));
    let code = "addHandler('transform', (r, c) => ({ body: [c.polluted, ({}).polluted, process.env['a\"b'], Object.keys(process.env)] }))";
    let body = ran(&job, code).0.expect("returned").expect("a run").body;
    assert_eq!(
        body,
        Payload::Json(Bytes::from_static(
            br#"[null,null,"</script>",["__proto__","a\"b"]]"#
        ))
    );
}
