//! The rules that run at delivery, one after the other: transformations, and the filters behind them.

use super::{
    programs::{Prepared, Program},
    script_call,
};
use crate::{
    gateway::Gateway,
    script::{self, Call, Payload, Ran},
    world,
};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Connection, Rule},
    ids::{ConnectionId, EventId, GroupId},
    machine::Run,
    policy::{
        document::Document,
        filter::{self, Filter},
        forwarding::Forwarding,
        transform::{Limits, Message},
    },
    state::tables::TableError,
    traffic::{
        ConsoleLine, IgnoreCause, IgnoredMeta, LineLevel, LogLevel, RequestRecord,
        TransformationUse, kept_lines,
    },
};
use serde_json::{Map, Value, json};
use std::{collections::VecDeque, sync::Arc};

/// Whose turn it is when somebody looks at what scripts come to.
const LOOKS: &str = "look";

/// A request on its way through the rules.
pub(crate) struct Pipeline {
    pub(crate) connection: ConnectionId,
    pub(crate) event: EventId,
    pub(crate) record: RequestRecord,
    pub(crate) body: Bytes,
    pub(crate) forwarding: Forwarding,
    pub(crate) stages: VecDeque<Stage>,
}

/// A stage of the pipeline: one rule, ready to run.
pub(crate) enum Stage {
    Transform(TransformationUse, Arc<Prepared>),
    /// The version is nowhere.
    Missing(TransformationUse),
    Filter(Arc<Filter>),
}

/// The result of a pipeline that ran all its rules.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) runs: Vec<Run>,
    pub(crate) end: End,
}

#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// This is to be sent.
    Message(Message),
    Ignored {
        cause: IgnoreCause,
        meta: Option<IgnoredMeta>,
    },
}

/// The error of a pipeline that was halted: nothing is known of what the rules come to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halted {
    #[error("too many scripts wait for their turn")]
    Busy,
    #[error("running a transformation: the node is stopping")]
    Stopping,
}

/// The stages of a connection's rules at delivery. `pinned` are versions that must run again where they still exist.
pub(crate) fn stages(
    gateway: &Gateway,
    catalog: &Catalog,
    connection: &Arc<Connection>,
    pinned: &[TransformationUse],
) -> Result<VecDeque<Stage>, TableError> {
    let view = gateway.cluster.view(GroupId::CONTROL);
    let filters = gateway.transforms.filters(connection);
    let mut stages = VecDeque::new();
    for (place, rule) in connection.rules_at_delivery().iter().enumerate() {
        if let Rule::Transform { transformation_id } = rule {
            let known = catalog.transformations.get(transformation_id);
            let current = TransformationUse {
                id: *transformation_id,
                version: known.map_or(0, |transformation| transformation.version()),
            };
            let before = pinned.iter().find(|used| used.id == *transformation_id);
            let mut stage = Stage::Missing(current);
            for used in before.into_iter().chain([&current]) {
                if let Some(version) = gateway.transforms.version(&view, *used)? {
                    stage = Stage::Transform(*used, version);
                    break;
                }
            }
            stages.push_back(stage);
        } else if let Some(Some(filter)) = filters.get(place) {
            stages.push_back(Stage::Filter(filter.clone()));
        }
    }
    Ok(stages)
}

/// The stages of a chain of versions and nothing else, to see again what they made.
pub(crate) fn chain(
    gateway: &Gateway,
    versions: &[TransformationUse],
) -> Result<VecDeque<Stage>, TableError> {
    let view = gateway.cluster.view(GroupId::CONTROL);
    let stages = versions.iter().map(|used| {
        let version = gateway.transforms.version(&view, *used)?;
        Ok(match version {
            Some(version) => Stage::Transform(*used, version),
            None => Stage::Missing(*used),
        })
    });
    stages.collect()
}

/// Where a pipeline has come to.
struct Progress {
    pipeline: Pipeline,
    message: Message,
    runs: Vec<Run>,
    limits: Limits,
    /// Nothing is sent of it.
    is_to_look_at: bool,
}

/// Why it can't go on by itself.
enum Pause {
    End(End),
    Script(TransformationUse, Arc<Prepared>),
}

impl Pipeline {
    /// Runs all stages. Steps and filters run beside the reactor, scripts in their pool.
    pub(crate) async fn run(self, gateway: &Gateway) -> Result<Passed, Halted> {
        self.run_as(gateway, false).await
    }

    /// Runs all stages for somebody who looks at what it comes to: no delivery of the connection stands behind it.
    pub(crate) async fn run_to_look_at(self, gateway: &Gateway) -> Result<Passed, Halted> {
        self.run_as(gateway, true).await
    }

    async fn run_as(self, gateway: &Gateway, is_to_look_at: bool) -> Result<Passed, Halted> {
        let limits = Limits::for_bodies_of(gateway.config.ingest.max_body_bytes);
        let mut progress = Progress {
            message: Message::of(&self.record, self.body.clone(), &self.forwarding),
            pipeline: self,
            runs: Vec::new(),
            limits,
            is_to_look_at,
        };
        loop {
            let pause;
            (progress, pause) = progress.advance(gateway).await?;
            let end = match pause {
                Pause::End(end) => Some(end),
                Pause::Script(used, version) => progress.script(gateway, used, &version).await?,
            };
            if let Some(end) = end {
                return Ok(Passed {
                    runs: progress.runs,
                    end,
                });
            }
        }
    }
}

impl Progress {
    async fn advance(mut self, gateway: &Gateway) -> Result<(Self, Pause), Halted> {
        // A script comes first, or nothing: no other thread is needed for that.
        if let Some(pause) = self.pause() {
            return Ok((self, pause));
        }
        let permit = gateway.transforms.runs.acquire().await;
        let advanced = tokio::task::spawn_blocking(move || {
            loop {
                if let Some(pause) = self.pause() {
                    return (self, pause);
                }
                if let Some(end) = self.step() {
                    return (self, Pause::End(end));
                }
            }
        });
        let advanced = advanced.await.map_err(|_| Halted::Stopping);
        drop(permit);
        advanced
    }

    /// What is next, unless it is a stage that runs here.
    fn pause(&mut self) -> Option<Pause> {
        match self.pipeline.stages.front() {
            None => Some(Pause::End(End::Message(std::mem::take(&mut self.message)))),
            Some(Stage::Transform(used, version)) => match &version.program {
                Program::Code(_) => {
                    let pause = Pause::Script(*used, version.clone());
                    self.pipeline.stages.pop_front();
                    Some(pause)
                }
                Program::Steps(_) | Program::Unreadable(_) => None,
            },
            Some(Stage::Missing(_) | Stage::Filter(_)) => None,
        }
    }

    /// Runs one stage that is no script.
    fn step(&mut self) -> Option<End> {
        match self.pipeline.stages.pop_front()? {
            Stage::Missing(used) => {
                let version = used.version;
                Some(self.failed(used, format!("version {version} is not kept any more")))
            }
            Stage::Transform(used, version) => match &version.program {
                Program::Steps(steps) => {
                    let message = std::mem::take(&mut self.message);
                    match steps.run(message, &version.env, self.limits) {
                        Ok(message) => {
                            self.message = message;
                            self.ran(used, Vec::new(), LogLevel::Info);
                            None
                        }
                        Err(failure) => Some(self.failed(used, failure.to_string())),
                    }
                }
                Program::Unreadable(fault) => {
                    let reason = format!("this node can't read the steps: {fault}");
                    Some(self.failed(used, reason))
                }
                Program::Code(_) => None,
            },
            Stage::Filter(filter) => self.filter(&filter),
        }
    }

    fn filter(&mut self, filter: &Filter) -> Option<End> {
        let record = self.message.as_record(&self.pipeline.record);
        let document = Document::of(&record, &self.message.body);
        let failing = filter.failing(&document, &mut filter::Steps::of_request());
        (!failing.is_empty()).then(|| End::Ignored {
            cause: IgnoreCause::Filtered,
            meta: Some(IgnoredMeta::Filtered(failing)),
        })
    }

    async fn script(
        &mut self,
        gateway: &Gateway,
        used: TransformationUse,
        version: &Prepared,
    ) -> Result<Option<End>, Halted> {
        let Program::Code(code) = &version.program else {
            return Ok(None);
        };
        let connection = self.pipeline.connection;
        let mut key = connection.to_string();
        let _inside = match self.is_to_look_at {
            // Who looks waits in one line with others who look, and leaves the connection its turns.
            true => {
                key = LOOKS.to_owned();
                None
            }
            false => match gateway.transforms.gates.enter(connection).await {
                Some(inside) => Some(inside),
                None => return Err(Halted::Busy),
            },
        };
        let request = script_call::request(&self.message);
        let given = request.body.clone();
        let event = self.pipeline.event.to_string();
        let call = Call {
            key,
            code: code.clone(),
            env: version.env.clone(),
            request,
            context: self.context(),
            at: self.pipeline.record.received_at,
            seed: script::seed_of(&event),
        };
        let Ran::Ended(execution) = gateway.scripts.run(call).await else {
            return Err(Halted::Busy);
        };
        let log_level = level(execution.log_level);
        let lines = execution.logs.into_iter().map(|line| ConsoleLine {
            level: line_level(line.line_type),
            message: line.message,
        });
        let lines: Vec<_> = lines.collect();
        Ok(match execution.outcome {
            Err(_) => Some(self.ended(used, lines)),
            Ok(made) => self.made(used, lines, log_level, &given, made),
        })
    }

    fn made(
        &mut self,
        used: TransformationUse,
        lines: Vec<ConsoleLine>,
        log_level: LogLevel,
        given: &Payload,
        made: script::Reshaped,
    ) -> Option<End> {
        match script_call::message(&self.message, given, made) {
            Ok(message) => {
                self.message = message;
                self.ran(used, lines, log_level);
                None
            }
            Err(reason) => {
                let mut lines = lines;
                lines.push(fatal(format!(
                    "the handler's result can't be sent: {reason}"
                )));
                Some(self.ended(used, lines))
            }
        }
    }

    /// What a handler is called with beside the request: nothing that could be another at the next attempt.
    fn context(&self) -> Map<String, Value> {
        let Pipeline {
            connection,
            event,
            record,
            ..
        } = &self.pipeline;
        let mut context = Map::new();
        context.insert("connection".into(), json!({ "id": connection }));
        context.insert("source".into(), json!({"id": record.source_id}));
        context.insert("request".into(), json!({"id": event.request()}));
        context.insert("event".into(), json!({ "id": event }));
        context
    }

    fn ran(&mut self, used: TransformationUse, lines: Vec<ConsoleLine>, log_level: LogLevel) {
        self.runs.push(Run {
            used,
            at: world::now(),
            failed: false,
            log_level,
            logs: kept_lines(lines),
        });
    }

    fn failed(&mut self, used: TransformationUse, reason: String) -> End {
        self.ended(used, vec![fatal(reason)])
    }

    /// A run that came to no request; the last of its lines says why.
    fn ended(&mut self, used: TransformationUse, lines: Vec<ConsoleLine>) -> End {
        self.runs.push(Run {
            used,
            at: world::now(),
            failed: true,
            log_level: LogLevel::Fatal,
            logs: kept_lines(lines),
        });
        End::Ignored {
            cause: IgnoreCause::TransformationFailed,
            meta: Some(IgnoredMeta::TransformationFailed(used)),
        }
    }
}

fn fatal(message: String) -> ConsoleLine {
    ConsoleLine {
        level: LineLevel::Fatal,
        message,
    }
}

fn level(level: script::LogLevel) -> LogLevel {
    match level {
        script::LogLevel::Debug => LogLevel::Debug,
        script::LogLevel::Info => LogLevel::Info,
        script::LogLevel::Warn => LogLevel::Warn,
        script::LogLevel::Error => LogLevel::Error,
        script::LogLevel::Fatal => LogLevel::Fatal,
    }
}

fn line_level(line: script::LineType) -> LineLevel {
    match line {
        script::LineType::Debug => LineLevel::Debug,
        script::LineType::Log => LineLevel::Log,
        script::LineType::Info => LineLevel::Info,
        script::LineType::Warn => LineLevel::Warn,
        script::LineType::Error => LineLevel::Error,
        script::LineType::Fatal => LineLevel::Fatal,
    }
}
