//! The path of a request from its head to its answer; it reads as a list.

use super::{
    actor::{Admit, IngestActor, Job},
    admission::{self, Admission, Permit},
    answer, body, handshakes,
    judge::{self, Arrived, Judged, Judgement},
    keys::{KeyCache, Published},
    refused::Refused,
    secret_use::SecretUse,
    target,
    tokens::RejectionBudget,
};
use crate::{
    egress::Egress,
    fatal,
    gateway::Gateway,
    wire::{self, Side},
    world,
    wrong_tokens::Offered,
};
use actix::{Addr, dev::SendError};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName},
    },
    web,
};
use api::principal::{self, Named, PROJECT_HEADERS};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Catalogs, Source},
    ids::{GroupId, RequestId},
    machine::Verdict,
    policy::{forwarding, signature::Answer},
    time::Timestamp,
    traffic::{Origin, RejectionCause, RequestRecord},
};
use parking_lot::Mutex;
use raft::{Together, Unready};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// Where programs of the operator's own post.
pub(super) const PUBLISH: &str = "/v1/publish";
const SOURCE_NAME: &str = "x-tidegate-source-name";
/// Larger bodies are verified beside the web's threads: a MAC over them would hold up everybody else.
const VERIFY_INLINE_MAX: usize = 256 * 1024;
/// Before a source is called unknown, this node makes sure that it knows of every source; a flood of made-up ids costs the
/// cluster no more than one such check in so long.
const CHECKS_APART: Duration = Duration::from_millis(50);

/// The public side of a node, its admission control included: what all its handlers share.
pub struct Door {
    gateway: Arc<Gateway>,
    ingest: Addr<IngestActor>,
    admission: Arc<Admission>,
    freshness: Together,
    rejections: Mutex<RejectionBudget>,
    keys: Arc<KeyCache>,
    secret_use: SecretUse,
    clock: fn() -> Timestamp,
}

/// How much catalogs know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// What this node has heard of by now.
    Any,
    /// Everything that was acknowledged.
    Newest,
}

/// What becomes of a request, short of its commit.
enum Settled {
    Judged(Box<Judged>),
    Answered(Box<Answer>),
}

/// Documents that one request may wait for: the key, and what leads to it.
const KEYS_MAX: usize = 3;

impl Door {
    pub fn new(gateway: Arc<Gateway>, ingest: Addr<IngestActor>) -> Self {
        let bounds = &gateway.config.ingest;
        Self {
            ingest,
            admission: Admission::new(
                bounds.max_in_flight_requests,
                bounds.max_in_flight_bytes,
                gateway.metrics.requests_in_flight.clone(),
            ),
            freshness: Together::apart(CHECKS_APART),
            rejections: Mutex::new(RejectionBudget::new(bounds.rejected_per_second_per_source)),
            keys: Arc::new(KeyCache::new(Egress::of(&gateway))),
            secret_use: SecretUse::default(),
            clock: world::now,
            gateway,
        }
    }

    /// Sets the door's clock, and the keys that were fetched before.
    pub fn at(self, clock: fn() -> Timestamp, keys: Arc<KeyCache>) -> Self {
        Self {
            clock,
            keys,
            ..self
        }
    }

    pub(super) fn readiness(&self) -> Result<(), Unready> {
        self.gateway.cluster.readiness()
    }

    /// Nothing is read, judged or kept waiting that could not be committed: senders find another node, or come again.
    fn check_open(&self) -> Result<(), Refused> {
        let takes = self.gateway.cluster.takes_proposals();
        takes.map_err(|_| Refused::Unavailable)
    }

    pub(super) async fn accept_at(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, No> {
        self.check_open()?;
        let target = target::target(request.path()).ok_or(Refused::UnknownSource)?;
        // Sources that forward no path are no exception: what is stored may be sent elsewhere later.
        forwarding::check_path(target.path).map_err(Refused::UnsafePath)?;
        let find = |catalogs: &Catalogs, _| catalogs.source(target.source).cloned();
        let (catalog, source) = self.find(find).await?;
        self.accept(&catalog, source, target.path, request, payload)
            .await
    }

    pub(super) async fn publish(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, No> {
        if request.method() != Method::POST {
            return Err(Refused::MethodNotAllowed("POST".into()).into());
        }
        self.check_publisher(request)?;
        self.check_open()?;
        let name = request
            .headers()
            .get(SOURCE_NAME)
            .and_then(|name| name.to_str().ok())
            .ok_or(Refused::SourceNameMissing)?;
        let projects = wire::projects_named(request);
        let find = |catalogs: &Catalogs, age| match principal::project_named(catalogs, &projects) {
            Ok(Named::Known(project))
                if age == Age::Newest || principal::is_named_by_id(&project, &projects) =>
            {
                let catalog = catalogs.of(project.number());
                catalog.source_named(name).cloned()
            }
            Ok(_) | Err(_) => None,
        };
        let (catalog, source) = self.find(find).await?;
        self.accept(&catalog, source, "", request, payload).await
    }

    /// The way of every request once its source is known.
    async fn accept(
        &self,
        catalog: &Arc<Catalog>,
        source: Arc<Source>,
        path: &str,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, No> {
        let bounds = &self.gateway.config.ingest;
        let address = wire::address_of(request, &bounds.trusted_proxies);
        let accounts = admission::accounts(address, source.id);
        let admit = || self.admission.admit(accounts);
        let read = body::read(payload, declared_length(request), admit, bounds).await;
        let (body, permit) = match read {
            Ok(read) => read,
            Err(refused) => {
                let record = record(&source, path, request, (self.clock)());
                let refused = match (refused, wire::fault_of(request)) {
                    (Refused::BodyBroken, Some(fault)) => Refused::Malformed(fault),
                    (refused, _) => refused,
                };
                return Err(self.unread(&source, record, refused, admit()).await);
            }
        };
        let read_at = Instant::now();
        let now = (self.clock)();
        let arrived = Arrived {
            record: record(&source, path, request, now),
            body,
            vouched: is_published(request),
        };
        let judged = match self.settle(catalog, &source, arrived, now).await? {
            Settled::Judged(judged) => *judged,
            Settled::Answered(answer) => {
                return Ok(self.shake_hands(&source, &answer, now).await?);
            }
        };
        let secret = judged.secret;
        let id = match judge::refused(&source, &judged) {
            None => self.commit(judged, permit).await?,
            Some(refused) => {
                let refused = if is_published(request) {
                    refused.told_why(&judged.verdict)
                } else {
                    refused
                };
                return Err(self.reject(judged, permit, refused, now).await);
            }
        };
        self.secret_use.note(&self.gateway, &source, secret, now);
        self.gateway.metrics.acknowledged.inc();
        self.gateway
            .metrics
            .acknowledge_seconds
            .observe(read_at.elapsed().as_secs_f64());
        Ok(answer::accepted(&source, id, secret, now))
    }

    /// Finds a source, and the catalog of its project. One that is not known here may have been made elsewhere a moment
    /// ago, so this node makes sure before it says no.
    async fn find(
        &self,
        find: impl Fn(&Catalogs, Age) -> Option<Arc<Source>>,
    ) -> Result<(Arc<Catalog>, Arc<Source>), Refused> {
        let found = |catalogs: &Catalogs, age| {
            let source = find(catalogs, age)?;
            Some((catalogs.of(source.id.project()).clone(), source))
        };
        if let Some(found) = found(&self.gateway.catalog(), Age::Any) {
            return Ok(found);
        }
        let cluster = &self.gateway.cluster;
        self.freshness
            .confirm(|| cluster.linearize(GroupId::CONTROL))
            .await
            .map_err(|_| Refused::Unavailable)?;
        let applied = self.gateway.applied_catalog().await;
        let catalogs = applied.map_err(|error| {
            tracing::warn!(%error, "a source is not called unknown by a catalog that can't be read");
            Refused::Unavailable
        })?;
        found(&catalogs, Age::Newest).ok_or(Refused::UnknownSource)
    }

    /// Judges a request, and fetches the keys that this takes.
    async fn settle(
        &self,
        catalog: &Arc<Catalog>,
        source: &Arc<Source>,
        mut arrived: Arrived,
        now: Timestamp,
    ) -> Result<Settled, Refused> {
        for _ in 0..=KEYS_MAX {
            match self.judge(catalog, source, arrived, now).await? {
                Judgement::Judged(judged) => {
                    return Ok(Settled::Judged(Box::new(judged)));
                }
                Judgement::Answered(answer) => return Ok(Settled::Answered(answer)),
                Judgement::NeedsKey(request, again) => {
                    self.keys.fetch(source.id, &request).await?;
                    arrived = again;
                }
            }
        }
        Err(Refused::Unavailable)
    }

    async fn judge(
        &self,
        catalog: &Arc<Catalog>,
        source: &Arc<Source>,
        arrived: Arrived,
        now: Timestamp,
    ) -> Result<Judgement, Refused> {
        if arrived.body.len() <= VERIFY_INLINE_MAX {
            let bounds = &self.gateway.config.ingest;
            let keys = Published(&self.keys);
            return Ok(judge::judge(catalog, source, arrived, now, &keys, bounds));
        }
        let (gateway, catalog, source) = (self.gateway.clone(), catalog.clone(), source.clone());
        let keys = self.keys.clone();
        web::block(move || {
            let keys = Published(&keys);
            let bounds = &gateway.config.ingest;
            // What strangers send takes at most its own request along.
            fatal::contained(|| judge::judge(&catalog, &source, arrived, now, &keys, bounds))
        })
        .await
        .map_err(|_| Refused::Unavailable)
    }

    /// Answers a handshake, once what it leaves behind is kept.
    async fn shake_hands(
        &self,
        source: &Source,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<HttpResponse, Refused> {
        if let Some(left) = &answer.leaves {
            // Each is a commit of the control group: a flood of them must not become a flood of those.
            if !self.rejections.lock().take(source.id, now) {
                return Err(Refused::TooMany);
            }
            if !handshakes::keep(&self.gateway, source, left).await? {
                return Err(judge::refusal(source, RejectionCause::VerificationFailed));
            }
        }
        Ok(answer::handshake(answer))
    }

    /// Hands the request to the batch and waits for its commit. A handler that is dropped meanwhile changes nothing:
    /// the actor goes on with it.
    async fn commit(&self, judged: Judged, permit: Permit) -> Result<RequestId, Refused> {
        let within = Duration::from_millis(self.gateway.config.ingest.accept_timeout_ms);
        let (answer, committed) = oneshot::channel();
        let job = Job {
            judged,
            permit,
            alone: false,
            deadline: Instant::now() + within,
            answer,
        };
        self.ingest
            .try_send(Admit(job))
            .map_err(|error| match error {
                SendError::Full(_) => Refused::TooMany,
                SendError::Closed(_) => Refused::Unavailable,
            })?;
        // An actor that is gone takes its answers with it.
        committed.await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Rejects a request whose body could not be read: its head is all that is kept.
    async fn unread(
        &self,
        source: &Source,
        record: RequestRecord,
        refused: Refused,
        permit: Result<Permit, Refused>,
    ) -> No {
        let cause = match refused {
            Refused::BodyTooLarge => RejectionCause::PayloadTooLarge,
            Refused::BodyBroken | Refused::BodyTooSlow | Refused::Malformed(_) => {
                RejectionCause::IngestionFatal
            }
            _ => return refused.into(),
        };
        let received_at = record.received_at;
        let judged = judge::unread(source, record, cause, &self.gateway.config.ingest);
        match permit {
            Ok(permit) => self.reject(judged, permit, refused, received_at).await,
            Err(_) => self.rejected_unstored(cause, refused),
        }
    }

    /// Stores a rejected request, unless its source has had its share of those, and says what the sender is told.
    async fn reject(&self, judged: Judged, permit: Permit, refused: Refused, now: Timestamp) -> No {
        let Verdict::Rejected { cause, .. } = judged.verdict else {
            return refused.into();
        };
        if !self.rejections.lock().take(judged.source, now) {
            return self.rejected_unstored(cause, refused);
        }
        self.count_rejected(cause);
        let refused = match self.commit(judged, permit).await {
            Ok(_) => refused,
            // A node that is cut off may know the source as it was: it must not say no.
            Err(unavailable) => unavailable,
        };
        No::counted(refused)
    }

    fn rejected_unstored(&self, cause: RejectionCause, refused: Refused) -> No {
        self.count_rejected(cause);
        self.gateway.metrics.rejected_unstored.inc();
        No::counted(refused)
    }

    fn count_rejected(&self, cause: RejectionCause) {
        let rejected = &self.gateway.metrics.rejected;
        rejected.with_label_values(&[cause.name()]).inc();
    }

    /// Publishing has tokens of its own: the admin's opens nothing on this side.
    fn check_publisher(&self, request: &HttpRequest) -> Result<(), Refused> {
        let header = request.headers().get(header::AUTHORIZATION);
        let offered = header.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let offered = offered.ok_or(Refused::Unauthorized)?;
        let gateway = &self.gateway;
        let judged = gateway.wrong_tokens.judge(
            Side::Ingest,
            wire::address_of(request, &gateway.config.ingest.trusted_proxies),
            offered,
            &gateway.config.ingest.publish_tokens,
            &gateway.metrics,
        );
        match judged {
            Offered::Right => Ok(()),
            Offered::Wrong => Err(Refused::Unauthorized),
            Offered::TooMany => Err(Refused::TooManyTokens),
        }
    }

    pub(super) fn counted(
        &self,
        result: Result<HttpResponse, No>,
    ) -> Result<HttpResponse, Refused> {
        result.map_err(
            |No {
                 refused,
                 is_counted,
             }| {
                if !is_counted {
                    let counter = &self.gateway.metrics.refused;
                    counter.with_label_values(&[refused.reason()]).inc();
                }
                refused
            },
        )
    }
}

/// Why there is no 2xx.
pub(super) struct No {
    refused: Refused,
    /// It is counted among the rejected requests of its source already.
    is_counted: bool,
}

impl No {
    fn counted(refused: Refused) -> Self {
        Self {
            refused,
            is_counted: true,
        }
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self {
            refused,
            is_counted: false,
        }
    }
}

/// The length that a body is said to have.
fn declared_length(request: &HttpRequest) -> Option<usize> {
    let declared = request.headers().get(header::CONTENT_LENGTH)?;
    declared.to_str().ok()?.parse().ok()
}

/// Whether a request came the operator's way, where nothing is read before its token was checked.
fn is_published(request: &HttpRequest) -> bool {
    // The route that was taken: a path may be written in several ways.
    request.match_pattern().as_deref() == Some(PUBLISH)
}

/// The request as it will be kept. What publishing needs of its head is ours and stays out of it.
fn record(source: &Source, path: &str, request: &HttpRequest, now: Timestamp) -> RequestRecord {
    let published = is_published(request);
    let is_ours = |name: &HeaderName| {
        *name == header::AUTHORIZATION
            || *name == SOURCE_NAME
            || PROJECT_HEADERS.contains(&name.as_str())
    };
    let headers = request
        .headers()
        .iter()
        .filter(|(name, _)| !(published && is_ours(name)))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        })
        .collect();
    RequestRecord {
        source_id: source.id,
        received_at: now,
        method: request.method().as_str().to_owned(),
        path: path.to_owned(),
        query: request.query_string().to_owned(),
        headers,
        origin: Origin::Unproven,
    }
}
