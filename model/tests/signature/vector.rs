//! Vectors: requests as they were received, with the source that takes them and what must become of them. The format is
//! one JSON file a provider; see `docs/testing.md`.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "two test programs share this file, and neither uses all of it"
)]
#![allow(clippy::disallowed_methods, reason = "vectors stand on the disk")]

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use model::{
    catalog::{LiveSecret, Secret, Source, Verification},
    kit,
    policy::signature::{Answer, Document, KeyRequest, Keys, registry},
    time::Timestamp,
    traffic::RequestRecord,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

#[derive(Deserialize)]
struct File {
    provider: String,
    vectors: Vec<Vector>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    #[serde(skip)]
    pub provider: String,
    pub name: String,
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    body_base64: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    key_material: Option<Map<String, Value>>,
    pub now_unix: u64,
    pub expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Expect {
    Word(String),
    Answer { respond: Respond },
}

#[derive(Clone, Debug, Deserialize)]
pub struct Respond {
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    body_match: String,
}

/// The vectors of a folder.
pub fn read(folder: &Path) -> Vec<Vector> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of the vectors")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read(path).expect("a file");
        serde_json::from_slice::<File>(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    paths
        .iter()
        .map(read)
        .flat_map(|file| {
            let provider = file.provider;
            file.vectors.into_iter().map(move |vector| Vector {
                provider: provider.clone(),
                ..vector
            })
        })
        .collect()
}

/// The folder beside the checkout, or the one that the environment names.
pub fn shared_folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let named = std::env::var_os("TIDEGATE_VECTORS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from(beside));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: {} is not there; name the folder of the vectors in TIDEGATE_VECTORS",
        folder.display()
    );
    None
}

/// The project's own vectors.
pub fn own_folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/signature/vectors"
    ))
}

impl Vector {
    pub fn title(&self) -> String {
        format!("{}/{}", self.provider, self.name)
    }

    /// The source type of a vector file: its name in capitals, unless the admin API has another.
    pub fn source_type(&self) -> String {
        let name = match self.provider.as_str() {
            "generic_hmac" => "HMAC",
            "bridge" => "BRIDGE_XYZ",
            "chargebee" => "CHARGEBEE_BILLING",
            "coinbase_commerce" => "COINBASE",
            "front" => "FRONTAPP",
            "mandrill" => "MAILCHIMP",
            "meta" => "FACEBOOK",
            "property_finder" => "PROPERTY-FINDER",
            other => return other.to_uppercase(),
        };
        name.to_owned()
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.now_unix * 1000)
    }

    pub fn body(&self) -> Bytes {
        STANDARD.decode(&self.body_base64).expect("base64").into()
    }

    /// The source as an admin would configure it for the vector.
    pub fn source(&self) -> Source {
        let source_type = self.source_type();
        let provider = registry::find(&source_type);
        let provider = provider.unwrap_or_else(|| panic!("no provider {source_type}"));
        let mut auth = Verification::of(&source_type);
        let mut secret = self.secret.clone();
        for (name, value) in self.key_material.iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            let name = match name.as_str() {
                "header" => "header_key",
                "hash" => "algorithm",
                "value" | "public_key_pem" | "public_key_base64" | "public_key_base64_der" => {
                    provider.secret
                }
                other => other,
            };
            if name == provider.secret {
                secret = Some(text);
            } else {
                auth.fields.insert(name.to_owned(), Secret::new(text));
            }
        }
        // The older forms have vectors too, and the topics of most vectors are nobody's.
        for name in ["allow_legacy", "allow_any_topic"] {
            if provider.fields.iter().any(|field| field.name == name) {
                let set = Secret::new("true".to_owned());
                auth.fields.insert(name.to_owned(), set);
            }
        }
        auth.secrets = secret
            .map(|s| LiveSecret::new(Secret::new(s)))
            .into_iter()
            .collect();
        Source {
            name: self.provider.clone(),
            verification: auth,
            ..kit::source()
        }
    }

    pub fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }

    pub fn record(&self) -> RequestRecord {
        RequestRecord {
            received_at: self.now(),
            method: self.method.clone(),
            query: self.query().to_owned(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), Bytes::from(value.clone())))
                .collect(),
            ..kit::record()
        }
    }

    /// What the providers would publish.
    pub fn keys(&self) -> Published {
        let material = self.key_material.clone().unwrap_or_default();
        let mut documents = HashMap::new();
        for name in ["certificates", "documents"] {
            for (url, document) in material
                .get(name)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let text = match document {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                documents.insert(url.clone(), Bytes::from(text));
            }
        }
        Published(documents)
    }
}

/// Documents by their URLs.
pub struct Published(pub HashMap<String, Bytes>);

impl Keys for Published {
    fn document(&self, request: &KeyRequest) -> Document {
        self.0
            .get(&request.url)
            .map_or(Document::Unknown, |document| {
                Document::Known(document.clone())
            })
    }
}

impl Respond {
    /// What is wrong with an answer.
    pub fn differs(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: &str,
    ) -> Option<String> {
        if status != self.status {
            return Some(format!("status {status} instead of {}", self.status));
        }
        for (name, expected) in &self.headers {
            let given = header(&name.to_ascii_lowercase()).unwrap_or_default();
            // A media type may have parameters.
            if given != *expected && !given.starts_with(&format!("{expected};")) {
                return Some(format!("header {name}: {given:?} instead of {expected:?}"));
            }
        }
        let same = match self.body_match.as_str() {
            "exact" => body == self.body,
            "json" => {
                serde_json::from_str::<Value>(body).ok() == serde_json::from_str(&self.body).ok()
            }
            _ => true,
        };
        (!same).then(|| format!("body {body:?} instead of {:?}", self.body))
    }

    pub fn differs_from(&self, answer: &Answer) -> Option<String> {
        let header = |name: &str| match name {
            "content-type" => answer.content_type.map(str::to_owned),
            _ => {
                let mut headers = answer.headers.iter();
                headers
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.clone())
            }
        };
        self.differs(answer.status, header, &answer.body)
    }
}
