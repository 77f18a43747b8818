//! Documents with keys that senders publish: fetched through the guarded client, cached within bounds, refreshed before
//! they are needed. A sender's request can make this node fetch, but only from where its scheme allows and at a bounded
//! rate.

use super::refused::Refused;
use crate::{
    egress::{self, Client, Egress, GrantError},
    world,
};
use awc::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use lru::LruCache;
use model::{
    catalog::{ClientAuth, ClientCredentials},
    ids::SourceId,
    policy::signature::{Access, Document, KeyRequest, Keys},
    time::Timestamp,
};
use parking_lot::Mutex;
use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Documents that are kept. One that its owner refused makes room, else the one that was not used for longest.
const DOCUMENTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
const DOCUMENT_MAX_BYTES: usize = 256 * 1024;
/// A document that is used when it is older is fetched anew behind the request's back.
const FRESH_MS: u64 = 3_600_000;
/// A document that is older is not used any more.
const USABLE_MS: u64 = 24 * 3_600_000;
/// A document that its owner refused is not asked for again so soon.
const REFUSED_MS: u64 = 30_000;
/// Nor is one that lacks the key of a request, which may have been made up.
const LACKING_MS: u64 = 60_000;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Fetches at once, over all sources.
const FETCHES_MAX: usize = 16;
/// Fetches at once of one source: whoever makes keys up takes nobody else's place.
const FETCHES_OF_SOURCE_MAX: usize = 2;

/// The cache of one node.
pub struct KeyCache {
    documents: Mutex<LruCache<String, Entry>>,
    fetches: Semaphore,
    by_source: Mutex<HashMap<SourceId, usize>>,
    egress: Arc<Egress>,
}

struct Entry {
    /// None: its owner refused it.
    document: Option<Bytes>,
    at: Timestamp,
    refreshing: bool,
    /// It lacks a key: what is known serves until another one is there.
    outdated: bool,
    /// When it was last asked for because it lacked one.
    asked_anew: Timestamp,
}

/// Why a document is not there.
enum Failure {
    /// Its owner says that there is none.
    Refused,
    /// Nobody can tell: the sender is asked to try again.
    Unreachable(String),
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused(_) => Self::Refused,
            GrantError::Unavailable(why) => Self::Unreachable(why),
        }
    }
}

impl KeyCache {
    pub(crate) fn new(egress: Arc<Egress>) -> Self {
        Self {
            documents: Mutex::new(LruCache::new(DOCUMENTS_MAX)),
            fetches: Semaphore::new(FETCHES_MAX),
            by_source: Mutex::default(),
            egress,
        }
    }

    /// A cache beside no cluster: it knows what it is given, and fetches the rest from the public web only.
    pub fn without_cluster() -> Self {
        Self::new(egress::closed())
    }

    /// Fetches a document and keeps what came of it.
    ///
    /// # Errors
    /// When nobody can tell whether there is such a document: the request is to be tried again.
    pub(crate) async fn fetch(
        &self,
        source: SourceId,
        request: &KeyRequest,
    ) -> Result<(), Refused> {
        let known = || {
            self.documents
                .lock()
                .peek(&key(request))
                .is_some_and(|entry| entry.usable() && !entry.outdated)
        };
        // Requests that wait for a place here can only be a flood: they are told to come again.
        let place = self.place(source).ok_or(Refused::Unavailable)?;
        let permit = self
            .fetches
            .try_acquire()
            .map_err(|_| Refused::Unavailable)?;
        if known() {
            return Ok(());
        }
        let fetched = get(&self.egress, request).await;
        drop((permit, place));
        match fetched {
            Ok(document) => self.keep(request, Some(document)),
            Err(Failure::Refused) => self.keep(request, None),
            Err(Failure::Unreachable(error)) => {
                self.asked_in_vain(request);
                tracing::warn!(url = %request.url, error, "a sender's key could not be fetched");
                return Err(Refused::Unavailable);
            }
        }
        Ok(())
    }

    /// A place among those that one source may have.
    fn place(&self, source: SourceId) -> Option<Place<'_>> {
        let mut by_source = self.by_source.lock();
        let taken = by_source.entry(source).or_default();
        if *taken >= FETCHES_OF_SOURCE_MAX {
            return None;
        }
        *taken += 1;
        Some(Place {
            cache: self,
            source,
        })
    }

    pub fn keep(&self, request: &KeyRequest, document: Option<Bytes>) {
        let mut documents = self.documents.lock();
        let key = key(request);
        if documents.len() >= DOCUMENTS_MAX.get() && !documents.contains(&key) {
            // Whoever makes keys up takes nobody else's place.
            let mut from_the_oldest = documents.iter().rev();
            let refused = from_the_oldest.find(|(_, entry)| entry.document.is_none());
            if let Some(refused) = refused.map(|(key, _)| key.clone()) {
                documents.pop(&refused);
            }
        }
        let entry = Entry {
            document,
            at: world::now(),
            refreshing: false,
            outdated: false,
            asked_anew: world::now(),
        };
        documents.put(key, entry);
    }

    /// Takes note that a stale document is to be fetched; only one caller is told so.
    fn must_refresh(&self, request: &KeyRequest) -> bool {
        let mut documents = self.documents.lock();
        let Some(entry) = documents.get_mut(&key(request)) else {
            return false;
        };
        let stale = world::now().since_ms(entry.at) > FRESH_MS;
        let must = stale && !entry.refreshing && entry.document.is_some();
        entry.refreshing |= must;
        must
    }

    /// Takes note that a document lacks a key; false when it was fetched or asked for a moment ago.
    fn mark_outdated(&self, request: &KeyRequest) -> bool {
        let mut documents = self.documents.lock();
        let Some(entry) = documents.get_mut(&key(request)) else {
            return false;
        };
        entry.outdated |= world::now().since_ms(entry.asked_anew) > LACKING_MS;
        entry.outdated
    }

    fn asked_in_vain(&self, request: &KeyRequest) {
        if let Some(entry) = self.documents.lock().get_mut(&key(request)) {
            entry.outdated = false;
            entry.asked_anew = world::now();
        }
    }

    fn refreshed(&self, request: &KeyRequest) {
        if let Some(entry) = self.documents.lock().get_mut(&key(request)) {
            entry.refreshing = false;
        }
    }
}

struct Place<'a> {
    cache: &'a KeyCache,
    source: SourceId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut by_source = self.cache.by_source.lock();
        let Some(taken) = by_source.get_mut(&self.source) else {
            return;
        };
        *taken -= 1;
        if *taken == 0 {
            by_source.remove(&self.source);
        }
    }
}

/// The cache as the engine sees it: what is used and old is fetched anew behind its back.
pub(super) struct Published<'a>(pub(super) &'a Arc<KeyCache>);

impl Keys for Published<'_> {
    fn document(&self, request: &KeyRequest) -> Document {
        let found = {
            let mut documents = self.0.documents.lock();
            match documents.get(&key(request)).filter(|entry| entry.usable()) {
                None => Document::Unknown,
                Some(Entry {
                    document: Some(document),
                    ..
                }) => Document::Known(document.clone()),
                Some(_) => Document::Failed,
            }
        };
        if matches!(found, Document::Known(_)) && self.0.must_refresh(request) {
            let (cache, request) = (self.0.clone(), request.clone());
            // Large bodies are judged beside the actix threads, where nothing can be spawned: the next one refreshes.
            if actix_rt::Arbiter::try_current().is_some() {
                actix_rt::spawn(async move {
                    if let Ok(document) = get(&cache.egress, &request).await {
                        cache.keep(&request, Some(document));
                    } else {
                        cache.refreshed(&request);
                    }
                });
            } else {
                self.0.refreshed(&request);
            }
        }
        found
    }

    fn may_be_outdated(&self, request: &KeyRequest) -> bool {
        self.0.mark_outdated(request)
    }
}

impl Entry {
    fn usable(&self) -> bool {
        let bound = if self.document.is_some() {
            USABLE_MS
        } else {
            REFUSED_MS
        };
        world::now().since_ms(self.at) <= bound
    }
}

/// The same URL under another credential is another document.
fn key(request: &KeyRequest) -> String {
    let access = match &request.access {
        Access::Public => "",
        Access::Bearer(secret) | Access::Post(secret) => secret.reveal(),
        Access::ClientCredentials { client_secret, .. } => client_secret.reveal(),
    };
    format!("{} {access}", request.url)
}

async fn get(egress: &Arc<Egress>, request: &KeyRequest) -> Result<Bytes, Failure> {
    let client = egress.plain_client();
    let exchange = async {
        let get = |client: &Client| client.get(request.url.as_str()).no_decompress();
        match &request.access {
            Access::Public => send(get(&client), None).await,
            Access::Bearer(token) => send(get(&client).bearer_auth(token.reveal()), None).await,
            Access::Post(body) => {
                let post = client.post(request.url.as_str()).no_decompress();
                let post = post.insert_header((header::CONTENT_TYPE, "application/json"));
                send(post, Some(body.reveal().to_owned())).await
            }
            Access::ClientCredentials {
                token_url,
                client_id,
                client_secret,
                scope,
            } => {
                let credentials = ClientCredentials {
                    auth_server: token_url.clone(),
                    client_id: client_id.reveal().to_owned(),
                    client_secret: client_secret.clone(),
                    scope: Some(scope.clone()),
                    authentication_type: ClientAuth::Basic,
                };
                let granted = egress::grant(&client, &credentials).await?;
                send(get(&client).bearer_auth(granted.token.reveal()), None).await
            }
        }
    };
    tokio::time::timeout(FETCH_TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(Failure::Unreachable("it took too long".into())))
}

async fn send(request: awc::ClientRequest, body: Option<String>) -> Result<Bytes, Failure> {
    let unreachable = |error: &dyn std::fmt::Display| Failure::Unreachable(error.to_string());
    let sent = match body {
        Some(body) => request.send_body(body).await,
        None => request.send().await,
    };
    let mut response = sent.map_err(|error| unreachable(&error))?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            return Err(Failure::Refused);
        }
        status => return Err(unreachable(&status)),
    }
    let mut document = BytesMut::new();
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| unreachable(&error))?;
        if document.len() + chunk.len() > DOCUMENT_MAX_BYTES {
            return Err(Failure::Refused);
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress;
    use model::catalog::Secret;
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::mpsc,
        thread,
    };

    const SOURCE: SourceId = SourceId(1);

    fn request(url: &str) -> KeyRequest {
        KeyRequest {
            url: url.into(),
            access: Access::Public,
        }
    }

    /// Gives these answers, one a connection, and tells what was asked.
    fn serve(answers: Vec<String>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, asked) = mpsc::channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut head = [0; 4096];
                let length = stream.read(&mut head).expect("a request");
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                sender.send(head).expect("the test listens");
                stream
                    .write_all(answer.as_bytes())
                    .expect("the client reads");
            }
        });
        (format!("http://{address}"), asked)
    }

    fn answer(status: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    }

    fn cache() -> Arc<KeyCache> {
        Arc::new(KeyCache::new(egress::loopback()))
    }

    #[test]
    fn the_cache_has_a_bound_and_drops_what_was_refused_first() {
        let cache = Arc::new(KeyCache::new(egress::closed()));
        cache.keep(
            &request("https://a.example/good"),
            Some(Bytes::from_static(b"key")),
        );
        for number in 0..2 * DOCUMENTS_MAX.get() {
            cache.keep(&request(&format!("https://a.example/{number}")), None);
        }
        assert_eq!(cache.documents.lock().len(), DOCUMENTS_MAX.get());
        let kept = Published(&cache).document(&request("https://a.example/good"));
        assert_eq!(kept, Document::Known(Bytes::from_static(b"key")));
        let unknown = Published(&cache).document(&request("https://a.example/never"));
        assert_eq!(unknown, Document::Unknown);
    }

    #[actix_rt::test]
    async fn a_document_is_asked_for_once() {
        let (url, asked) = serve(vec![answer("200 OK", "key"), answer("200 OK", "other")]);
        let (cache, request) = (cache(), request(&url));
        for _ in 0..2 {
            assert_eq!(cache.fetch(SOURCE, &request).await, Ok(()));
            let known = Published(&cache).document(&request);
            assert_eq!(known, Document::Known(Bytes::from_static(b"key")));
        }
        assert_eq!(asked.try_iter().count(), 1);
    }

    #[actix_rt::test]
    async fn an_address_inside_is_never_asked() {
        let (url, asked) = serve(vec![answer("200 OK", "key")]);
        let guarded = KeyCache::new(egress::closed());
        let fetched = guarded.fetch(SOURCE, &request(&url)).await;
        assert_eq!(fetched, Err(Refused::Unavailable));
        assert_eq!(asked.try_iter().count(), 0);
    }

    #[actix_rt::test]
    async fn what_its_owner_refuses_is_remembered_and_what_nobody_knows_is_not() {
        let large = "x".repeat(DOCUMENT_MAX_BYTES + 1);
        for (given, expected) in [
            (answer("404 Not Found", ""), Document::Failed),
            (answer("200 OK", &large), Document::Failed),
            (answer("503 Service Unavailable", ""), Document::Unknown),
            (
                answer("302 Found\r\nlocation: http://127.0.0.1:1/", ""),
                Document::Unknown,
            ),
        ] {
            let (url, _asked) = serve(vec![given.clone()]);
            let (cache, request) = (cache(), request(&url));
            let fetched = cache.fetch(SOURCE, &request).await;
            assert_eq!(fetched.is_ok(), expected == Document::Failed);
            assert_eq!(Published(&cache).document(&request), expected);
        }
    }

    #[actix_rt::test]
    async fn credentials_are_granted_first() {
        let granted = r#"{"access_token":"granted"}"#;
        let (url, asked) = serve(vec![answer("200 OK", granted), answer("200 OK", "key")]);
        let request = KeyRequest {
            url: format!("{url}/key"),
            access: Access::ClientCredentials {
                token_url: format!("{url}/token"),
                client_id: Secret::new("id".into()),
                client_secret: Secret::new("secret".into()),
                scope: "all of it".into(),
            },
        };
        assert_eq!(cache().fetch(SOURCE, &request).await, Ok(()));
        let heads: Vec<String> = asked
            .iter()
            .take(2)
            .map(|head| head.to_lowercase())
            .collect();
        assert!(heads[0].starts_with("post /token"), "{heads:?}");
        assert!(
            heads[0].contains("authorization: basic awq6c2vjcmv0"),
            "{heads:?}"
        );
        assert!(heads[1].starts_with("get /key"), "{heads:?}");
        assert!(
            heads[1].contains("authorization: bearer granted"),
            "{heads:?}"
        );
    }

    #[actix_rt::test]
    async fn a_set_that_lacks_a_key_is_asked_for_anew_but_not_at_once() {
        let (url, asked) = serve(vec![answer("200 OK", "old"), answer("200 OK", "new")]);
        let (cache, request) = (cache(), request(&url));
        cache.fetch(SOURCE, &request).await.expect("there");
        assert!(!Published(&cache).may_be_outdated(&request), "it is fresh");

        let long_ago = Timestamp(world::now().0 - LACKING_MS - 1);
        if let Some(entry) = cache.documents.lock().get_mut(&key(&request)) {
            entry.asked_anew = long_ago;
        }
        assert!(Published(&cache).may_be_outdated(&request));
        let old = Published(&cache).document(&request);
        assert_eq!(
            old,
            Document::Known(Bytes::from_static(b"old")),
            "it serves others"
        );
        cache.fetch(SOURCE, &request).await.expect("there");
        let new = Published(&cache).document(&request);
        assert_eq!(new, Document::Known(Bytes::from_static(b"new")));
        assert!(
            !Published(&cache).may_be_outdated(&request),
            "it was just asked for"
        );
        assert_eq!(asked.try_iter().count(), 2);
    }

    #[actix_rt::test]
    async fn one_sources_made_up_keys_take_no_place_of_another_source() {
        let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let hangs = format!("http://{}", silent.local_addr().expect("an address"));
        let cache = cache();
        let mut made_up = Vec::new();
        for number in 0..40 {
            let (cache, request) = (cache.clone(), request(&format!("{hangs}/{number}")));
            made_up.push(actix_rt::spawn(async move {
                cache.fetch(SOURCE, &request).await
            }));
        }
        tokio::task::yield_now().await;
        let (url, _asked) = serve(vec![answer("200 OK", "key")]);
        let fetched = cache.fetch(SourceId(2), &request(&url)).await;
        assert_eq!(fetched, Ok(()));
        for task in made_up {
            task.abort();
            let _ = task.await;
        }
        assert!(cache.by_source.lock().is_empty());
    }
}
