//! One request from its head to its answer; the path reads as a list.

use super::{
    actor::{Admit, IngestActor, Job},
    admission::{Admission, Permit},
    answer, body,
    freshness::Freshness,
    health,
    judge::{self, Arrived, Judged, Judgement},
    keys::{KeyCache, Published},
    secret_use::SecretUse,
    target,
    tokens::RejectionBudget,
};
use crate::{admin, egress::Egress, error::Refused, gateway::Gateway, world};
use actix::{Addr, dev::SendError};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Source},
    ids::{GroupId, RequestId},
    machine::Verdict,
    policy::{forwarding, signature::Answer},
    time::Timestamp,
    traffic::{Origin, RejectionCause, RequestRecord},
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use subtle::ConstantTimeEq;
use tokio::{sync::oneshot, time::Instant};

const PUBLISH: &str = "/v1/publish";
const SOURCE_NAME: &str = "x-tidegate-source-name";
/// Larger bodies are verified beside the web's threads: a MAC over them would hold up everybody else.
const VERIFY_INLINE_MAX: usize = 256 * 1024;

/// What all handlers of the public side share.
pub(crate) struct Door {
    gateway: Arc<Gateway>,
    ingest: Addr<IngestActor>,
    admission: Arc<Admission>,
    freshness: Freshness,
    rejections: Mutex<RejectionBudget>,
    keys: Arc<KeyCache>,
    secret_use: SecretUse,
    clock: fn() -> Timestamp,
}

/// What becomes of a request, short of its commit.
enum Settled {
    Judged(Judged),
    Answered(Box<Answer>),
}

/// Documents that one request may wait for: the key, and what leads to it.
const KEYS_MAX: usize = 3;

/// The public side's routes.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route(PUBLISH, web::to(publish))
        .default_service(web::to(receive));
}

/// A post to a source's own URL.
async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, Refused> {
    let accepted = door.accept_at(&request, payload).await;
    door.counted(accepted)
}

/// A post by a program of the operator's own, with the admin token and the name of a source.
async fn publish(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, Refused> {
    let accepted = door.publish(&request, payload).await;
    door.counted(accepted)
}

impl Door {
    pub(crate) fn new(gateway: Arc<Gateway>, ingest: Addr<IngestActor>) -> Self {
        let bounds = &gateway.config.ingest;
        Self {
            ingest,
            admission: Admission::new(bounds.max_in_flight_requests, bounds.max_in_flight_bytes),
            freshness: Freshness::default(),
            rejections: Mutex::new(RejectionBudget::new(bounds.rejected_per_second_per_source)),
            keys: Arc::new(KeyCache::new(Egress::of(&gateway))),
            secret_use: SecretUse::default(),
            clock: world::now,
            gateway,
        }
    }

    /// The same door at another time, with keys that were fetched before.
    #[cfg(test)]
    pub(super) fn at(self, clock: fn() -> Timestamp, keys: Arc<KeyCache>) -> Self {
        Self {
            clock,
            keys,
            ..self
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.gateway.cluster.ready()
    }

    async fn accept_at(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Refused> {
        let declared = check_head(request, &self.gateway.config.ingest)?;
        let target = target::target(request.path()).ok_or(Refused::UnknownSource)?;
        // Sources that forward no path are no exception: what is stored may be sent elsewhere later.
        forwarding::check_path(target.path).map_err(Refused::UnsafePath)?;
        let find = |catalog: &Catalog| catalog.sources.get(&target.source).cloned();
        let (catalog, source) = self.find(find).await?;
        self.accept(&catalog, source, target.path, request, declared, payload)
            .await
    }

    async fn publish(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Refused> {
        let declared = check_head(request, &self.gateway.config.ingest)?;
        if request.method() != Method::POST {
            return Err(Refused::MethodNotAllowed("POST".into()));
        }
        if !self.may_publish(request) {
            return Err(Refused::Unauthorized);
        }
        let name = request
            .headers()
            .get(SOURCE_NAME)
            .and_then(|name| name.to_str().ok())
            .ok_or(Refused::SourceNameMissing)?;
        let (catalog, source) = self
            .find(|catalog| catalog.source_named(name).cloned())
            .await?;
        self.accept(&catalog, source, "", request, declared, payload)
            .await
    }

    /// The way of every request once its source is known.
    async fn accept(
        &self,
        catalog: &Arc<Catalog>,
        source: Arc<Source>,
        path: &str,
        request: &HttpRequest,
        declared: Option<usize>,
        payload: web::Payload,
    ) -> Result<HttpResponse, Refused> {
        let bounds = &self.gateway.config.ingest;
        // Bytes are counted as they come: a promise of many must not take the place of those that are there.
        let mut permit = self.admission.admit()?;
        let body = body::read(payload, declared, &mut permit, bounds).await?;
        let read_at = Instant::now();
        let now = (self.clock)();
        let arrived = Arrived {
            record: record(&source, path, request, now),
            body,
            vouched: is_published(request),
        };
        let judged = match self.settle(catalog, &source, arrived, now).await? {
            Settled::Judged(judged) => judged,
            Settled::Answered(answer) => return self.shake_hands(&source, &answer, now).await,
        };
        let secret = judged.secret;
        let id = match judge::refused(&source, &judged) {
            None => self.commit(judged, permit).await?,
            Some(refused) => return Err(self.reject(judged, permit, refused, now).await),
        };
        self.secret_use.note(&self.gateway, &source, secret, now);
        self.gateway.metrics.acknowledged.inc();
        self.gateway
            .metrics
            .acknowledge_seconds
            .observe(read_at.elapsed().as_secs_f64());
        Ok(answer::accepted(&source, id))
    }

    /// Finds a source. One that is not known here may have been made elsewhere a moment ago, so this node makes
    /// sure before it says no.
    async fn find(
        &self,
        find: impl Fn(&Catalog) -> Option<Arc<Source>>,
    ) -> Result<(Arc<Catalog>, Arc<Source>), Refused> {
        let catalog = self.gateway.catalog();
        if let Some(source) = find(&catalog) {
            return Ok((catalog, source));
        }
        let cluster = &self.gateway.cluster;
        self.freshness
            .confirm(|| cluster.linearize(GroupId::CONTROL))
            .await
            .map_err(|_| Refused::Unavailable)?;
        let catalog = self.gateway.catalog();
        let source = find(&catalog).ok_or(Refused::UnknownSource)?;
        Ok((catalog, source))
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
                Judgement::Judged(judged) => return Ok(Settled::Judged(judged)),
                Judgement::Answered(answer) => return Ok(Settled::Answered(answer)),
                Judgement::NeedsKey(request, again) => {
                    self.keys.fetch(&request).await?;
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
            judge::judge(
                &catalog,
                &source,
                arrived,
                now,
                &keys,
                &gateway.config.ingest,
            )
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
            // Each is a change of the catalog: a flood of them must not become a flood of those.
            if !self.rejections.lock().take(source.id, now) {
                return Err(Refused::TooMany);
            }
            if !admin::keep_handshake(&self.gateway, source.id, left).await? {
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

    /// Stores a rejected request, unless its source has had its share of those, and says what the sender is told.
    async fn reject(
        &self,
        judged: Judged,
        permit: Permit,
        refused: Refused,
        now: Timestamp,
    ) -> Refused {
        if let Verdict::Rejected { cause, .. } = &judged.verdict {
            let cause = format!("{cause:?}");
            self.gateway
                .metrics
                .rejected
                .with_label_values(&[cause.as_str()])
                .inc();
        }
        if !self.rejections.lock().take(judged.source, now) {
            self.gateway.metrics.rejected_unstored.inc();
            return refused;
        }
        match self.commit(judged, permit).await {
            Ok(_) => refused,
            // A node that is cut off may know the source as it was: it must not say no.
            Err(unavailable) => unavailable,
        }
    }

    fn may_publish(&self, request: &HttpRequest) -> bool {
        let token = self.gateway.config.admin.token.reveal().as_bytes();
        request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .is_some_and(|claimed| bool::from(claimed.ct_eq(token)))
    }

    fn counted(&self, result: Result<HttpResponse, Refused>) -> Result<HttpResponse, Refused> {
        let metrics = &self.gateway.metrics;
        metrics
            .requests_in_flight
            .set(i64::try_from(self.admission.requests()).unwrap_or(i64::MAX));
        if let Err(refused) = &result {
            metrics.refused.with_label_values(&[refused.reason()]).inc();
        }
        result
    }
}

/// Checks what stands before the body; gives the body's declared length.
fn check_head(
    request: &HttpRequest,
    bounds: &crate::config::Ingest,
) -> Result<Option<usize>, Refused> {
    let uri = request.uri();
    let uri_len = uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if uri_len > bounds.max_uri_bytes {
        return Err(Refused::UriTooLong);
    }
    let head: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if head > bounds.max_head_bytes {
        return Err(Refused::HeadTooLarge);
    }
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > bounds.max_body_bytes) {
        return Err(Refused::BodyTooLarge);
    }
    Ok(declared)
}

/// Whether a request came the operator's way, where nothing is read before its token was checked.
fn is_published(request: &HttpRequest) -> bool {
    // The route that was taken: a path may be written in several ways.
    request.match_pattern().as_deref() == Some(PUBLISH)
}

/// The request as it will be kept. What publishing needs of its head is ours and stays out of it.
fn record(source: &Source, path: &str, request: &HttpRequest, now: Timestamp) -> RequestRecord {
    let published = is_published(request);
    let headers = request
        .headers()
        .iter()
        .filter(|(name, _)| {
            !(published && (*name == header::AUTHORIZATION || *name == SOURCE_NAME))
        })
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
