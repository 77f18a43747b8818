//! Pools with real processes: what only the end of a process stops, fairness, and shutting down.

use super::{
    call::{Call, Payload, Request},
    engine_process::{EngineProcess, Program},
    execution::{Execution, LineType},
    failure::ScriptFailure,
    limits::Limits,
    pool::{Checked, Ran, ScriptPool},
    wire::Job,
    worker,
};
use crate::config::Config;
use bytes::Bytes;
use model::time::Timestamp;
use serde_json::{Map, json};
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Tests are a program of their own, so that one of them is the engine's process of the others: it is started with this
/// word, which no other test's name has.
const ENGINE: &str = "engine-of-other-tests";

impl Program {
    /// This test program, serving as an engine.
    pub(crate) fn of_tests() -> Self {
        let name = "script::pool_stories::an_engine_ends_with_its_node";
        Self {
            file: "/proc/self/exe".into(),
            args: ["--exact", "--nocapture", name, ENGINE]
                .map(Into::into)
                .to_vec(),
        }
    }

    /// The same, told from the engines of other tests by this word.
    fn of_test(word: &str) -> Self {
        let mut program = Self::of_tests();
        program.args.push(word.into());
        program
    }
}

#[test]
fn an_engine_ends_with_its_node() {
    if std::env::args().any(|arg| arg == ENGINE) {
        // Here this test is an engine.
        worker::serve().expect("the node speaks as agreed");
        std::process::exit(0);
    }
    let Program { file, args } = Program::of_tests();
    let engine = |stdin: Stdio| {
        let mut command = Command::new(&file);
        command
            .args(&args)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("started").success()
    };
    let (gone, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket");
    drop(gone);
    assert!(engine(Stdio::from(std::os::fd::OwnedFd::from(theirs))));
    assert!(!engine(Stdio::null()), "what is no socket is no node");
}

fn limits() -> Limits {
    Limits {
        time_ms: 300,
        memory_bytes: 16 * 1024 * 1024,
        ..Limits::of(&Config::default())
    }
}

fn pool(threads: usize, queue: usize) -> Arc<ScriptPool> {
    let pool = ScriptPool::start(threads, queue, limits(), Program::of_tests());
    Arc::new(pool.expect("threads"))
}

fn call(key: &str, code: &str) -> Call {
    Call {
        key: key.into(),
        code: code.into(),
        env: Arc::new(BTreeMap::new()),
        request: Request {
            method: "POST".into(),
            path: String::new(),
            query: String::new(),
            parsed_query: json!({}),
            headers: Map::new(),
            body: Payload::Json(Bytes::from_static(br#"{"a":1}"#)),
        },
        context: Map::new(),
        at: Timestamp(1_700_000_000_000),
        seed: 7,
    }
}

fn handler(key: &str, body: &str) -> Call {
    call(
        key,
        &format!("addHandler('transform', request => {{ {body} }})"),
    )
}

async fn ended(pool: &ScriptPool, call: Call) -> Execution {
    match pool.run(call).await {
        Ran::Ended(execution) => execution,
        Ran::Busy => panic!("busy"),
    }
}

const LOOPS: &str = "for (;;) {}";
const GOOD: &str = "request.body.a += 1; return request";

#[tokio::test]
async fn a_pool_runs_scripts_one_after_the_other_in_one_process() {
    let pool = pool(1, 10);
    for number in 0..100 {
        let execution = ended(&pool, handler("a", &format!("return {{ body: {number} }}"))).await;
        let body = execution.outcome.expect("returned").body;
        assert_eq!(body, Payload::Json(number.to_string().into()));
    }
    pool.stop().await;
}

#[tokio::test]
async fn what_never_looks_at_the_clock_ends_with_its_process() {
    let pool = pool(2, 10);
    for body in [
        LOOPS,
        "[].reverse.call({ length: 2 ** 53 - 1 })",
        "[].join.call({ length: 2 ** 32 - 1 })",
        "'a'.repeat(7e6).indexOf('a'.repeat(3e6) + 'b')",
        "'a'.repeat(5e6).split('a'.repeat(2e6) + 'b')",
        "const big = 2n ** 500000n - 1n; for (;;) String(big)",
        "const big = 2n ** 500000n - 1n; let all = 1n; for (;;) all = big * big / big",
        "const [a, b] = [1, 2].map(n => 'a'.repeat(4e6) + n); for (;;) if (a < b === 5) break",
        "const a = 'a'.repeat(3e6), b = a + 'b', c = a + 'c'; Array.from({ length: 3e5 }, (_, n) => n % 2 ? b : c).sort()",
        "for (;;) 'é'.repeat(2e6).normalize('NFD').toUpperCase()",
        "[].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0)",
        "[].splice.call({ length: 2 ** 53 - 1 }, 0, 2 ** 52)",
        "[].unshift.call({ length: 2 ** 53 - 2 }, 1)",
        "[].concat.call([], { length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true })",
        "[].flat.call({ length: 2 ** 53 - 1 })",
        "[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)",
        "[].toLocaleString.call({ length: 2 ** 32 - 1 })",
        "JSON.stringify(new Proxy([], { get: (t, k) => k === 'length' ? 2 ** 53 - 1 : 1 }))",
        "return { body: new Proxy([], { get: (t, k) => k === 'length' ? 2 ** 53 - 1 : undefined }) }",
        "String.raw({ raw: { length: 2 ** 53 - 1 } })",
        "Reflect.ownKeys(new Proxy({}, { ownKeys: () => ({ length: 2 ** 53 - 1 }) }))",
        "Math.max.apply(null, { length: 2 ** 53 - 1 })",
        "/(?:a*)*$/.exec('a'.repeat(1e6) + 'b')",
        "/(x+x+)+y/.test('x'.repeat(1e5))",
        "new RegExp('(?:a?){30}'.repeat(2000) + 'b').test('a'.repeat(1e5))",
        "new RegExp('(((a{1,1000}){1,1000}){1,1000}){1,1000}').test('a'.repeat(1e6))",
        "new Set(Array.from({ length: 1e5 }, (_, n) => n)).union({ size: 1 / 0, has: () => true, keys: () => ({ next: () => ({ value: 1 }) }) })",
    ] {
        let started = Instant::now();
        let execution = ended(&pool, handler("evil", body)).await;
        let took = started.elapsed();
        // Its limit, what a process is given beyond it, and a slow machine's time to start another one.
        assert!(
            took < Duration::from_millis(300 + 250 + 4_000),
            "{body}: {took:?}"
        );
        // Some run into another wall first; none of them gets through.
        let failure = execution.outcome.expect_err(body);
        assert_ne!(failure, ScriptFailure::Engine, "{body}");
        let execution = ended(&pool, handler("good", GOOD)).await;
        execution.outcome.expect(body);
    }
    pool.stop().await;
}

#[tokio::test]
async fn what_a_given_up_script_wrote_is_kept() {
    let pool = pool(1, 10);
    let body = "console.warn('before'); [].reverse.call({ length: 2 ** 53 - 1 })";
    let execution = ended(&pool, handler("a", body)).await;
    assert_eq!(
        execution.outcome,
        Err(ScriptFailure::Time { limit_ms: 300 })
    );
    let said: Vec<_> = execution
        .logs
        .iter()
        .map(|l| (l.line_type, l.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (LineType::Warn, "before"),
            (LineType::Fatal, "stopped after 300 ms")
        ]
    );
    assert!(execution.took_us >= 300_000);
}

#[tokio::test]
async fn looping_scripts_hold_up_nobody_else() {
    let pool = pool(3, 100);
    let hogs_ended = Arc::new(AtomicUsize::new(0));
    let hog = |key: usize| {
        let (pool, hogs_ended) = (pool.clone(), hogs_ended.clone());
        tokio::spawn(async move {
            ended(&pool, handler(&format!("hog {key}"), LOOPS))
                .await
                .outcome
                .expect_err("loops");
            hogs_ended.fetch_add(1, Ordering::SeqCst);
        })
    };
    // The first time nobody knows them.
    for hog in (0..4).map(hog).collect::<Vec<_>>() {
        hog.await.expect("ended");
    }
    let hogs: Vec<_> = (0..40).map(|n| hog(n % 4)).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = hogs_ended.load(Ordering::SeqCst);
    for number in 0..100 {
        let key = format!("good {}", number % 5);
        ended(&pool, handler(&key, GOOD))
            .await
            .outcome
            .expect("runs");
    }
    // Forty hogs take at least six seconds on the two threads that they may share.
    let meanwhile = hogs_ended.load(Ordering::SeqCst) - before;
    assert!(meanwhile < 30, "{meanwhile} of 40 hogs came first");
    pool.stop().await;
    for hog in hogs {
        // What still waited was sent away, which `ended` takes for a panic.
        let _ = hog.await;
    }
}

#[tokio::test]
async fn a_full_queue_says_so_at_once() {
    let pool = pool(1, 2);
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { ended(&pool, handler("a", LOOPS)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(handler("a", GOOD)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(matches!(pool.run(handler("a", GOOD)).await, Ran::Busy));
    // Another key finds room: the longer queue gives way.
    ended(&pool, handler("b", GOOD))
        .await
        .outcome
        .expect("runs");
    running.await.expect("ended").outcome.expect_err("looped");
    let mut busy = 0;
    for waiting in waiting {
        busy += usize::from(matches!(waiting.await.expect("answered"), Ran::Busy));
    }
    assert_eq!(busy, 1);
    pool.stop().await;
}

#[tokio::test]
async fn a_caller_that_gave_up_costs_no_run() {
    let pool = pool(1, 10);
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { ended(&pool, handler("a", LOOPS)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..5 {
        let gave_up = tokio::time::timeout(Duration::from_millis(5), pool.run(handler("b", LOOPS)));
        assert!(gave_up.await.is_err());
    }
    running.await.expect("ended").outcome.expect_err("looped");
    let started = Instant::now();
    ended(&pool, handler("c", GOOD))
        .await
        .outcome
        .expect("runs");
    assert!(
        started.elapsed() < Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    pool.stop().await;
}

#[tokio::test]
async fn a_stopping_pool_lets_a_run_end_and_sends_the_others_away() {
    let pool = pool(1, 10);
    let run = |body: &'static str| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(handler("a", body)).await })
    };
    let running = run(LOOPS);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = run(GOOD);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    pool.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert!(matches!(running.await.expect("answered"), Ran::Ended(_)));
    assert!(matches!(waiting.await.expect("answered"), Ran::Busy));
    assert!(matches!(pool.run(handler("a", GOOD)).await, Ran::Busy));
}

#[tokio::test]
async fn a_process_that_was_killed_is_replaced() {
    const WORD: &str = "to-be-killed";
    let pool = ScriptPool::start(1, 10, limits(), Program::of_test(WORD));
    let pool = Arc::new(pool.expect("threads"));
    for _ in 0..3 {
        ended(&pool, handler("a", GOOD))
            .await
            .outcome
            .expect("runs");
        kill(&engine_of(WORD));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Under its hands it is the script's failure: it may be the script that broke it.
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { ended(&pool, handler("a", LOOPS)).await }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    kill(&engine_of(WORD));
    assert_eq!(
        running.await.expect("ended").outcome,
        Err(ScriptFailure::Engine)
    );
    ended(&pool, handler("a", GOOD))
        .await
        .outcome
        .expect("runs");
    pool.stop().await;
}

#[tokio::test]
async fn without_a_process_every_call_is_told_to_come_back() {
    let program = Program {
        file: "/nowhere".into(),
        args: Vec::new(),
    };
    let pool = ScriptPool::start(1, 10, limits(), program).expect("threads");
    for _ in 0..3 {
        assert!(matches!(pool.run(handler("a", GOOD)).await, Ran::Busy));
    }
    pool.stop().await;
}

#[tokio::test]
async fn a_program_that_talks_nonsense_is_a_broken_engine() {
    for (file, args) in [
        ("/bin/sh", vec!["-c", "head -c 100000 /dev/zero >&0"]),
        ("/bin/true", vec![]),
    ] {
        let program = Program {
            file: file.into(),
            args: args.into_iter().map(Into::into).collect(),
        };
        let pool = ScriptPool::start(1, 10, limits(), program).expect("threads");
        match pool.run(handler("a", GOOD)).await {
            Ran::Ended(execution) => assert_eq!(execution.outcome, Err(ScriptFailure::Engine)),
            // It was gone before it took the job.
            Ran::Busy => assert_eq!(file, "/bin/true"),
        }
        pool.stop().await;
    }
}

#[tokio::test]
async fn a_process_that_says_nothing_is_killed() {
    let program = Program {
        file: "/bin/sleep".into(),
        args: vec!["1000".into()],
    };
    let pool = ScriptPool::start(1, 10, limits(), program).expect("threads");
    let started = Instant::now();
    let execution = ended(&pool, handler("a", GOOD)).await;
    assert_eq!(
        execution.outcome,
        Err(ScriptFailure::Time { limit_ms: 300 })
    );
    assert!(started.elapsed() < Duration::from_secs(15));
    pool.stop().await;
    let killed = |process: &String| {
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline"));
        !command.is_ok_and(|command| command.contains("1000"))
    };
    assert!(children().iter().all(killed));
}

/// No wake-up is lost, however calls and threads fall together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_many_keys_all_get_their_answer() {
    let pool = pool(3, 64);
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    let call = handler(&format!("key {}", caller % 6), GOOD);
                    ended(&pool, call).await.outcome.expect("runs");
                    if number % 7 == caller % 7 {
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        let answered = tokio::time::timeout(Duration::from_secs(60), caller).await;
        answered.expect("no call waits for ever").expect("no panic");
    }
    pool.stop().await;
}

#[tokio::test]
async fn a_script_is_checked_without_its_handler() {
    let pool = pool(1, 10);
    let check = async |code: &str| pool.check(code.into(), Arc::new(BTreeMap::new())).await;
    assert_eq!(
        check("addHandler('transform', () => { for (;;) {} })").await,
        Checked::Fine
    );
    assert_eq!(check("").await, Checked::Wrong(ScriptFailure::NoHandler));
    let Checked::Wrong(ScriptFailure::Syntax {
        line: 2, column: 3, ..
    }) = check("\n  }").await
    else {
        panic!("a syntax error");
    };
    assert_eq!(
        check("for (;;) {}").await,
        Checked::Wrong(ScriptFailure::Time { limit_ms: 300 })
    );
    let long = "x".repeat(limits().code_bytes + 1);
    assert!(matches!(
        check(&long).await,
        Checked::Wrong(ScriptFailure::Code { .. })
    ));
    pool.stop().await;
}

/// Two processes, hundreds of times, whatever the event's id and time: the same bytes.
#[tokio::test]
async fn every_process_computes_the_same() {
    let pools = [pool(1, 10), pool(1, 10)];
    let body = "const d = new Date(); request.body = [Math.random(), d.getHours(), d.toString(), new Date(2024, 0, 1, 3).getTime(),
        Date.parse('2024-07-01T12:00:00'), Date.parse('Jul 1 2024'), d.getTimezoneOffset(), new Date(0).toLocaleString(),
        [5, 3, 1].sort(() => Math.random() - 0.5), Math.sin(Date.now()), new Error('x').stack]; return request";
    for number in 0..200u64 {
        let mut bodies = Vec::new();
        for pool in &pools {
            let mut call = handler("a", body);
            call.at = Timestamp(number * 12_345_678_901);
            call.seed = super::seed_of(&format!("evt_{number}"));
            let reshaped = ended(pool, call).await.outcome.expect("returned");
            bodies.push(reshaped.body);
        }
        assert_eq!(bodies[0], bodies[1]);
        let Payload::Json(json) = &bodies[0] else {
            panic!("JSON");
        };
        let seen: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        // In UTC, whatever the machine's zone is.
        let hours = number * 12_345_678_901 / 3_600_000 % 24;
        assert_eq!(
            (&seen[1], &seen[3], &seen[4], &seen[6]),
            (
                &json!(hours),
                &json!(1_704_078_000_000_u64),
                &json!(1_719_835_200_000_u64),
                &json!(0)
            )
        );
    }
    for pool in pools {
        pool.stop().await;
    }
}

#[tokio::test]
async fn an_engine_has_nothing_of_its_nodes() {
    const WORD: &str = "to-be-looked-at";
    let ours = tempfile::NamedTempFile::new().expect("a file that stays open");
    let pool = ScriptPool::start(1, 10, limits(), Program::of_test(WORD)).expect("threads");
    ended(&pool, handler("a", GOOD))
        .await
        .outcome
        .expect("runs");
    let engine = engine_of(WORD);
    let environment = std::fs::read_to_string(format!("/proc/{engine}/environ")).expect("environ");
    let names = environment
        .split('\0')
        .filter_map(|pair| pair.split('=').next());
    let given = [
        "TZ",
        "MALLOC_ARENA_MAX",
        "MALLOC_TRIM_THRESHOLD_",
        "MALLOC_MMAP_THRESHOLD_",
        "",
    ];
    for name in names {
        assert!(given.contains(&name), "{name}");
    }
    let open = std::fs::read_dir(format!("/proc/{engine}/fd")).expect("fd");
    for file in open {
        let to = std::fs::read_link(file.expect("an entry").path()).expect("a link");
        assert_ne!(to, ours.path());
    }
    pool.stop().await;
    assert!(
        !std::path::Path::new(&format!("/proc/{engine}")).exists(),
        "it ends with its pool"
    );
}

/// The fast form of `tidegate script FILE --request FILE --repeat 100000`.
#[test]
fn the_memory_of_an_engine_stays_flat() {
    let code = "let all = []; for (let i = 0; i < 50; i++) { const o = { i }; o.o = o; all.push(o) }
                addHandler('transform', (request) => { request.body.more = all.length; return request })";
    let mut engine = EngineProcess::start(&Program::of_tests()).expect("an engine");
    let call = call("a", code);
    let job = Job {
        limits: limits(),
        env: call.env,
        request: Some(call.request),
        context: call.context,
        at_ms: 0,
        seed: 0,
    };
    let mut some = |calls: u32| {
        for number in 0..calls {
            // Each way of ending leaves nothing behind.
            let code = match number % 10 {
                0 => "throw new Error('x')",
                1 => "function f() { f() } f()",
                2 => "let a = ;",
                _ => code,
            };
            engine.send(&job, code).expect("sent");
            let report = engine.receive(&job).expect("a report");
            assert!(!report.is_last);
        }
        resident_kib(&engine.id().to_string())
    };
    let warm = some(1_000);
    let after = some(8_900);
    assert!(after < warm + 1_024, "{warm} KiB grew to {after} KiB");
}

#[test]
fn the_console_copies_no_more_than_it_keeps() {
    // Two hundred times a text of 4 MiB: 800 MiB for each of the lines, were they copied.
    let code = "const long = 'x'.repeat(4 << 20); const error = new Error(long);
                console.log(...Array(200).fill(long)); console.warn(...Array(200).fill(error));
                console.log(...Array(200).fill({ long }));
                addHandler('transform', (request) => request)";
    let mut engine = EngineProcess::start(&Program::of_tests()).expect("an engine");
    let call = call("a", code);
    let job = Job {
        limits: Limits {
            memory_bytes: 48 * 1024 * 1024,
            time_ms: 5_000,
            ..limits()
        },
        env: call.env,
        request: Some(call.request),
        context: call.context,
        at_ms: 0,
        seed: 0,
    };
    engine.send(&job, code).expect("sent");
    let report = engine.receive(&job).expect("a report");
    assert_eq!(report.failure, None);
    assert!(
        report.logs[0].message.ends_with("(cut)"),
        "{:?}",
        report.logs.len()
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.id()));
    let status = status.expect("its status");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most = most.and_then(|most| most.trim().trim_end_matches(" kB").parse::<usize>().ok());
    let most = most.expect("a number");
    assert!(most < 160 * 1024, "{most} KiB");
}

/// The processes that this one started.
fn children() -> Vec<String> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").expect("tasks") {
        let children = task.expect("a task").path().join("children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        found.extend(children.split_whitespace().map(str::to_owned));
    }
    found
}

/// The one engine of this process that was started with a word.
fn engine_of(word: &str) -> String {
    let mut found = children();
    found.retain(|process| {
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline"));
        command.is_ok_and(|command| command.split('\0').any(|arg| arg == word))
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn kill(process: &str) {
    let done = Command::new("kill").args(["-9", process]).status();
    assert!(done.expect("kill").success());
}

/// What of a process lies in memory.
fn resident_kib(process: &str) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("statm");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number") * 4
}
