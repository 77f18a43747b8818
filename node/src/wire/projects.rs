//! The project that a request's headers name.

use actix_web::HttpRequest;
use api::principal::PROJECT_HEADERS;

/// The longest name of a project that is looked for; of a longer one this much is shown.
const MAX_PROJECT: usize = 155;

/// The projects that headers name, each once, as they are given: whether there are such is for a catalog to say.
pub(crate) fn projects_named(request: &HttpRequest) -> Vec<String> {
    let mut named = Vec::new();
    for header in PROJECT_HEADERS {
        for value in request.headers().get_all(header) {
            let text = String::from_utf8_lossy(value.as_bytes());
            // No project has so long a name, so that one that is cut is unknown as well.
            let text: String = text.trim().chars().take(MAX_PROJECT + 1).collect();
            if !named.contains(&text) {
                named.push(text);
            }
        }
    }
    named
}
