//! The threads that run scripts, each with an engine's process of its own.

use super::{
    call::Call,
    confinement::Lack,
    engine_process::{EngineProcess, Program},
    execution::{ConsoleLine, Execution, Reshaped},
    failure::ScriptFailure,
    limits::Limits,
    returned,
    turns::{Bounds, Turn, Turns},
    wire::{Job, Report},
};
use crate::{config::Config, fatal::contained};
use parking_lot::{Condvar, Mutex};
use serde_json::Map;
use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tracing::{error, warn};

/// Runs scripts. Whoever calls waits for a thread; a script that loops holds up its own key only.
pub(crate) struct ScriptPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The outcome of asking for a run.
#[derive(Debug)]
pub(crate) enum Ran {
    Ended(Execution),
    /// Too many calls wait, or the node is stopping: nothing was run, try later.
    Busy,
}

/// The outcome of checking whether a script can be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Fine,
    Wrong(ScriptFailure),
    /// As [`Ran::Busy`].
    Busy,
}

struct Shared {
    state: Mutex<State>,
    /// Where threads wait that have a process, and those that would have to start one.
    warm: Condvar,
    cold: Condvar,
    limits: Limits,
    program: Program,
    /// Where the turns' clock starts.
    started: Instant,
    /// What the processes lack of their confinement was said.
    has_told_lacks: AtomicBool,
}

impl Shared {
    /// Whether what a process ran counts. Says once what of its confinement is not in force.
    fn is_confined(&self, lacks: &[Lack]) -> bool {
        let is_refused =
            self.limits.must_be_confined && lacks.iter().any(|lack| lack.part.is_required());
        if !lacks.is_empty() && !self.has_told_lacks.swap(true, Ordering::Relaxed) {
            for Lack { part, reason } in lacks {
                warn!(
                    ?part,
                    reason, "scripts run without a part of their confinement"
                );
            }
            if is_refused {
                error!(
                    "no script runs here: the system does not confine their processes; \
                     script.allow_unconfined lets them run all the same"
                );
            }
        }
        !is_refused
    }
}

struct State {
    turns: Turns<Box<Waiting>>,
    /// Threads that wait and have a process.
    warm: usize,
    /// Threads that ended a call and will look for the next one by themselves.
    returning: usize,
    is_stopping: bool,
}

struct Waiting {
    job: Job,
    code: Arc<str>,
    answer: oneshot::Sender<Answer>,
}

/// What a thread gives back.
struct Answer {
    /// None: a check that found nothing.
    outcome: Result<Option<Reshaped>, ScriptFailure>,
    logs: Vec<ConsoleLine>,
    took_us: u64,
}

enum Next {
    Run(Turn<Box<Waiting>>),
    /// Nothing to do for so long that the process is not worth its memory.
    Rest,
    Stop,
}

/// A call is slow, and gives way to others, from this part of its time limit on.
const SLOW_PART: u64 = 4;
/// How long a process is kept without work.
const IDLE: Duration = Duration::from_secs(60);
/// Beyond the limit of what runs, threads end within this.
const STOPS_WITHIN: Duration = Duration::from_secs(7);
/// Checks wait in a queue of their own.
const CHECKS: &str = "check";

impl ScriptPool {
    /// Starts the threads; processes follow with the first calls.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(super) fn start(
        threads: usize,
        queue: usize,
        limits: Limits,
        program: Program,
    ) -> io::Result<Self> {
        let bounds = Bounds {
            threads,
            queue,
            slow_us: limits.time_ms * 1_000 / SLOW_PART,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                turns: Turns::new(bounds),
                warm: 0,
                returning: 0,
                is_stopping: false,
            }),
            warm: Condvar::new(),
            cold: Condvar::new(),
            limits,
            program,
            started: Instant::now(),
            has_told_lacks: AtomicBool::new(false),
        });
        let pool = Self {
            shared,
            threads: Mutex::new(Vec::with_capacity(threads)),
        };
        for number in 0..threads {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new().name(format!("script-{number}"));
            pool.threads
                .lock()
                .push(thread.spawn(move || serve(&shared))?);
        }
        Ok(pool)
    }

    /// A pool as a node's configuration says.
    ///
    /// # Errors
    /// As [`ScriptPool::start`].
    pub(crate) fn of(config: &Config, program: Program) -> io::Result<Self> {
        let script = &config.script;
        let limits = Limits::of(config);
        Self::start(script.threads(), script.queue, limits, program)
    }

    /// Runs a script over a request, in its turn. A caller that is dropped meanwhile costs no run that has not begun.
    pub(crate) async fn run(&self, call: Call) -> Ran {
        let job = Job {
            limits: self.shared.limits,
            env: call.env,
            request: Some(call.request),
            context: call.context,
            at_ms: call.at.0,
            seed: call.seed,
        };
        match self.wait_for(&call.key, job, call.code).await {
            None => Ran::Busy,
            Some(answer) => Ran::Ended(Execution::ended(
                // Only checks end without a request.
                answer
                    .outcome
                    .and_then(|it| it.ok_or(ScriptFailure::Engine)),
                answer.logs,
                answer.took_us,
            )),
        }
    }

    /// Checks whether a script can be used: it is compiled, and its top level is run to see that it adds a handler.
    pub(crate) async fn check(
        &self,
        code: Arc<str>,
        env: Arc<BTreeMap<String, String>>,
    ) -> Checked {
        let job = Job {
            limits: self.shared.limits,
            env,
            request: None,
            context: Map::new(),
            at_ms: 0,
            seed: 0,
        };
        match self.wait_for(CHECKS, job, code).await {
            None => Checked::Busy,
            Some(answer) => match answer.outcome {
                Ok(_) => Checked::Fine,
                Err(failure) => Checked::Wrong(failure),
            },
        }
    }

    /// Takes no more calls, lets what runs end within its limits, and ends the threads and their processes.
    pub(crate) async fn stop(&self) {
        self.shared.stop();
        let threads = std::mem::take(&mut *self.threads.lock());
        let ending = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    error!("a script's thread ended in a panic");
                }
            }
        });
        let within = self.shared.limits.time() + STOPS_WITHIN;
        if tokio::time::timeout(within, ending).await.is_err() {
            warn!("a script's thread has not ended");
        }
    }

    /// None: there was no room, or there is no more.
    async fn wait_for(&self, key: &str, job: Job, code: Arc<str>) -> Option<Answer> {
        if code.len() > self.shared.limits.code_bytes {
            return Some(too_long(&code, &self.shared.limits));
        }
        let (answer, answered) = oneshot::channel();
        let waiting = Box::new(Waiting { job, code, answer });
        if !self.shared.push(key, waiting) {
            return None;
        }
        answered.await.ok()
    }
}

impl Drop for ScriptPool {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// False: no more calls are taken.
    fn push(&self, key: &str, waiting: Box<Waiting>) -> bool {
        let mut state = self.state.lock();
        if state.is_stopping {
            return false;
        }
        // Whoever found no room hears of it when its sender is dropped here.
        drop(state.turns.push(key, waiting));
        self.wake_one(&state);
        true
    }

    /// Wakes a thread with a process if one is free. One that has not gone to sleep yet needs no waking.
    fn wake_one(&self, state: &State) {
        if state.warm > 0 {
            self.warm.notify_one();
        } else if state.returning == 0 {
            self.cold.notify_one();
        }
    }

    fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopping = true;
        let waiting = state.turns.drain();
        drop(state);
        drop(waiting);
        self.warm.notify_all();
        self.cold.notify_all();
    }

    /// Waits for the next call. `is_returning`: since the last one ended.
    fn next(&self, has_process: bool, is_returning: bool) -> Next {
        let mut state = self.state.lock();
        state.returning -= usize::from(is_returning);
        loop {
            if state.is_stopping {
                return Next::Stop;
            }
            if let Some(turn) = state.turns.next(self.now_us()) {
                // What the last call held back may be more than one, and each who takes one wakes the next.
                if state.turns.waiting() > 0 {
                    self.wake_one(&state);
                }
                return Next::Run(turn);
            }
            if !has_process {
                self.cold.wait(&mut state);
                continue;
            }
            state.warm += 1;
            let rested = self.warm.wait_for(&mut state, IDLE).timed_out();
            state.warm -= 1;
            if rested {
                return Next::Rest;
            }
        }
    }

    fn done(&self, key: &str, started_us: u64) {
        let now_us = self.now_us();
        let mut state = self.state.lock();
        state.turns.done(key, started_us, now_us);
        state.returning += 1;
    }
}

/// One thread's life.
fn serve(shared: &Shared) {
    let mut process = None;
    let mut is_returning = false;
    loop {
        let next = shared.next(process.is_some(), is_returning);
        is_returning = false;
        let turn = match next {
            Next::Run(turn) => turn,
            Next::Rest => {
                process = None;
                continue;
            }
            Next::Stop => return,
        };
        let Waiting { job, code, answer } = *turn.job;
        let ended = if answer.is_closed() {
            None
        } else {
            let running = || run(&mut process, shared, &job, &code);
            contained(|| catch_unwind(AssertUnwindSafe(running))).unwrap_or_else(|_| {
                error!("a script's thread panicked and goes on with a fresh process");
                process = None;
                None
            })
        };
        shared.done(&turn.key, turn.started_us);
        is_returning = true;
        if let Some(ended) = ended {
            // The caller may have gone meanwhile.
            let _ = answer.send(ended);
        }
    }
}

/// Runs a job in the thread's process, in a fresh one if there is none any more. None: none could be started.
fn run(
    process: &mut Option<EngineProcess>,
    shared: &Shared,
    job: &Job,
    code: &str,
) -> Option<Answer> {
    let handed_over = process
        .as_mut()
        .is_some_and(|engine| engine.send(job, code).is_ok());
    if !handed_over {
        *process = None;
        let started = EngineProcess::start(&shared.program)
            .and_then(|mut engine| engine.send(job, code).map(|()| engine));
        match started {
            Ok(engine) => *process = Some(engine),
            Err(error) => {
                error!(%error, "no process for scripts, calls are told to come back");
                return None;
            }
        }
    }
    let engine = process.as_mut()?;
    match engine.receive(job) {
        Ok(report) => {
            if report.is_last {
                *process = None;
            }
            if !shared.is_confined(&report.lacks) {
                return None;
            }
            Some(judged(report, job))
        }
        Err(error) => {
            let last_words = process.take().map(EngineProcess::last_words);
            warn!(%error, last_words, "a script broke its engine's process");
            Some(failed(broken(&error, job)))
        }
    }
}

/// The process is not trusted with what can be sent: it ran the script.
fn judged(report: Report, job: &Job) -> Answer {
    let outcome = match (report.failure, &job.request) {
        (Some(failure), _) => Err(failure),
        (None, None) => Ok(None),
        (None, Some(request)) => returned::read(&report.returned, request).map(Some),
    };
    Answer {
        outcome,
        logs: report.logs,
        took_us: report.took_us,
    }
}

fn broken(error: &io::Error, job: &Job) -> ScriptFailure {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ScriptFailure::Time {
            limit_ms: job.limits.time_ms,
        },
        _ => ScriptFailure::Engine,
    }
}

fn too_long(code: &str, limits: &Limits) -> Answer {
    failed(ScriptFailure::Code {
        bytes: code.len(),
        limit_bytes: limits.code_bytes,
    })
}

fn failed(failure: ScriptFailure) -> Answer {
    Answer {
        outcome: Err(failure),
        logs: Vec::new(),
        took_us: 0,
    }
}
