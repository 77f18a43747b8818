//! The admin API as the command line asks it.

use actix_web::http::header::HeaderValue;
use api::principal::PROJECT_HEADERS;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// The version of the API in every path.
const BASE: &str = "/2025-07-01";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

pub(super) struct Api {
    pub(super) client: awc::Client,
    origin: String,
    token: String,
}

impl Api {
    /// `project`: by its id or name; none: the default one.
    pub(super) fn new(admin: &Url, token: &str, project: Option<&HeaderValue>) -> Self {
        let mut client = awc::Client::builder().timeout(ANSWER_WITHIN);
        if let Some(project) = project {
            client = client.add_default_header((PROJECT_HEADERS[0], project.clone()));
        }
        Self {
            client: client.finish(),
            origin: admin.as_str().trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{BASE}{path}", self.origin)
    }

    /// Makes an API call with any method.
    ///
    /// # Errors
    /// Why there is no answer, in words: the API's own where it answered.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let url = self.url(path);
        let method = method
            .parse()
            .map_err(|_| format!("{method} is no method"))?;
        let request = self.client.request(method, &url).bearer_auth(&self.token);
        let sent = match body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        };
        let mut response = sent.map_err(|error| format!("asking {url}: {error}"))?;
        let status = response.status();
        let read = response.json::<Value>().limit(ANSWER_MAX).await;
        match read {
            Ok(answer) if status == 200 => Ok(answer),
            Ok(answer) => {
                let why = answer["message"].as_str().unwrap_or_default();
                Err(format!("{url} answered {}: {why}", status.as_u16()))
            }
            Err(error) => Err(format!("reading the answer of {url} ({status}): {error}")),
        }
    }
}
