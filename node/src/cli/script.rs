//! `tidegate script`: tries a transformation's script here, as a node would run it.

use super::Failed;
use crate::{
    config::Config,
    script::{self, Call, Checked, Execution, Payload, Program, Ran, Reshaped, ScriptPool},
};
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Try a transformation's script: check it, or run it over a request.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The script: JavaScript with one addHandler("transform", (request, context) => …)
    #[arg(value_name = "FILE")]
    code: PathBuf,
    /// A request as JSON, {"headers": {…}, "body": …, "path": "/…", "query": "…"}; without one the script is only checked
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// What the script finds in process.env
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The event's id, which decides what Math.random draws
    #[arg(long, value_name = "ID", default_value = "evt_try")]
    event: String,
    /// The event's time, which is all that Date tells: milliseconds since 1970
    #[arg(long, value_name = "MS", default_value_t = 0)]
    at: u64,
    /// Run it this often and say how fast that was and what it took
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
}

/// What a request's file may say.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    method: Option<String>,
    path: String,
    query: String,
    headers: Map<String, Value>,
    body: Value,
}

pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let code: Arc<str> = read(&args.code)?.into();
    let env = Arc::new(environment(&args.env)?);
    let request = args.request.as_deref().map(request).transpose()?;
    let pool = ScriptPool::of(&Config::default(), Program::this()).map_err(Failed::running)?;
    actix::System::new().block_on(async {
        let done = match request {
            None => check(&pool, code, env).await,
            Some(request) => {
                let call = Call {
                    key: "try".into(),
                    code,
                    env,
                    request,
                    context: context(&args.event),
                    at: Timestamp(args.at),
                    seed: script::seed_of(&args.event),
                };
                match args.repeat {
                    None => once(&pool, call).await,
                    Some(times) => repeat(&pool, &call, times).await,
                }
            }
        };
        pool.stop().await;
        done
    })
}

fn read(file: &Path) -> Result<String, Failed> {
    fs::read_to_string(file)
        .map_err(|error| Failed::usage(format!("reading {}: {error}", file.display())))
}

fn environment(pairs: &[String]) -> Result<BTreeMap<String, String>, Failed> {
    let pair = |pair: &String| {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failed::usage(format!("--env {pair}: expected NAME=VALUE")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    pairs.iter().map(pair).collect()
}

fn request(file: &Path) -> Result<script::Request, Failed> {
    let given: Given = serde_json::from_str(&read(file)?)
        .map_err(|error| Failed::usage(format!("{}: {error}", file.display())))?;
    Ok(script::Request {
        method: given.method.unwrap_or_else(|| "POST".into()),
        path: given.path,
        parsed_query: script::parsed(&given.query),
        query: given.query,
        headers: given.headers,
        body: match given.body {
            Value::Null => Payload::Empty,
            Value::String(text) => Payload::Text(text.into()),
            body => Payload::Json(body.to_string().into()),
        },
    })
}

fn context(event: &str) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert("event".into(), json!({"id": event}));
    context.insert("connection".into(), json!({"id": "web_try", "name": "try"}));
    context
}

async fn check(
    pool: &ScriptPool,
    code: Arc<str>,
    env: Arc<BTreeMap<String, String>>,
) -> Result<(), Failed> {
    match pool.check(code, env).await {
        Checked::Fine => {
            println!("the script can be used");
            Ok(())
        }
        Checked::Wrong(failure) => Err(Failed::running(failure)),
        Checked::Busy => Err(not_run()),
    }
}

async fn once(pool: &ScriptPool, call: Call) -> Result<(), Failed> {
    let Ran::Ended(execution) = pool.run(call).await else {
        return Err(not_run());
    };
    println!("{:#}", shown(&execution));
    match execution.outcome {
        Ok(_) => Ok(()),
        Err(failure) => Err(Failed::running(failure)),
    }
}

/// In the shape of `PUT /transformations/run`.
fn shown(execution: &Execution) -> Value {
    json!({
        "log_level": execution.log_level,
        "request": execution.outcome.as_ref().ok().map(shown_request),
        "console": execution.logs,
    })
}

fn shown_request(reshaped: &Reshaped) -> Value {
    let headers: Map<String, Value> = reshaped
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "method": reshaped.method,
        "path": reshaped.path,
        "query": reshaped.query,
        "parsed_query": script::parsed(&reshaped.query),
        "headers": headers,
        "body": match &reshaped.body {
            Payload::Empty => Value::Null,
            Payload::Json(json) => serde_json::from_slice(json).unwrap_or(Value::Null),
            Payload::Text(text) => String::from_utf8_lossy(text).into(),
        },
    })
}

fn not_run() -> Failed {
    Failed::running("the script was not run: its engine did not start")
}

/// Lines that a repetition prints.
const STRETCHES: u32 = 10;

async fn repeat(pool: &ScriptPool, call: &Call, times: u32) -> Result<(), Failed> {
    println!("   calls  calls/s  p50 µs  p99 µs  in the engine, p50 µs  this KiB  engine KiB");
    let mut done = 0;
    for stretch in 1..=STRETCHES {
        let until = u32::try_from(u64::from(times) * u64::from(stretch) / u64::from(STRETCHES));
        let until = until.unwrap_or(times);
        let started = Instant::now();
        let (mut took, mut engine) = (Vec::new(), Vec::new());
        while done < until {
            let asked = Instant::now();
            let Ran::Ended(execution) = pool.run(call.clone()).await else {
                return Err(not_run());
            };
            execution.outcome.map_err(Failed::running)?;
            took.push(asked.elapsed());
            engine.push(Duration::from_micros(execution.took_us));
            done += 1;
        }
        let rate = took.len() as f64 / started.elapsed().as_secs_f64().max(f64::EPSILON);
        took.sort_unstable();
        engine.sort_unstable();
        println!(
            "{done:8} {rate:8.0} {:7} {:7} {:22} {:9} {:11}",
            part(&took, 50).as_micros(),
            part(&took, 99).as_micros(),
            part(&engine, 50).as_micros(),
            resident_kib("self"),
            engines_kib(),
        );
    }
    Ok(())
}

fn part(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// What of a process lies in memory; zero where the system does not tell.
fn resident_kib(process: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0)
}

/// The same of all processes that this one started.
fn engines_kib() -> usize {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let children = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children
        .flat_map(|ids| ids.split_whitespace().map(resident_kib).collect::<Vec<_>>())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(code: &Path, request: Option<PathBuf>) -> Args {
        Args {
            code: code.to_owned(),
            request,
            env: vec!["A=b=c".into()],
            event: "evt_1".into(),
            at: 0,
            repeat: None,
        }
    }

    fn told(failed: Result<(), Failed>) -> String {
        failed.expect_err("fails").error.to_string()
    }

    #[test]
    fn a_script_is_checked_and_run_where_it_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let code = dir.path().join("transform.js");
        let request = dir.path().join("request.json");
        fs::write(&code, "addHandler('transform', r => r.body.a ? r : null)").expect("written");
        fs::write(&request, r#"{"headers": {}, "body": {"a": 1}}"#).expect("written");
        assert!(run(&args(&code, None)).is_ok());
        assert!(run(&args(&code, Some(request.clone()))).is_ok());
        let mut repeated = args(&code, Some(request.clone()));
        repeated.repeat = Some(20);
        assert!(run(&repeated).is_ok());

        fs::write(&request, r#"{"headers": {}, "body": {}}"#).expect("written");
        assert!(told(run(&args(&code, Some(request)))).contains("the handler returned null"));
        fs::write(&code, "}").expect("written");
        assert!(told(run(&args(&code, None))).starts_with("line 1, column 1"));
    }

    #[test]
    fn wrong_arguments_say_what_was_expected() {
        let dir = tempfile::tempdir().expect("a directory");
        let code = dir.path().join("transform.js");
        assert!(told(run(&args(&code, None))).contains("reading"));
        fs::write(&code, "").expect("written");
        let request = dir.path().join("request.json");
        fs::write(&request, r#"{"heads": {}}"#).expect("written");
        assert!(told(run(&args(&code, Some(request)))).contains("unknown field `heads`"));
        let mut wrong = args(&code, None);
        wrong.env = vec!["A".into()];
        assert_eq!(told(run(&wrong)), "--env A: expected NAME=VALUE");
    }

    #[test]
    fn results_are_shown_as_the_admin_api_shows_them() {
        let reshaped = Reshaped {
            method: "POST".into(),
            path: "/a".into(),
            query: "b=1".into(),
            headers: vec![("c".into(), "d".into())],
            body: Payload::Text("e".into()),
        };
        assert_eq!(
            shown_request(&reshaped),
            json!({"method": "POST", "path": "/a", "query": "b=1", "parsed_query": {"b": "1"}, "headers": {"c": "d"}, "body": "e"})
        );
    }
}
