//! The project that a request's headers name.

use actix_web::HttpRequest;
use api::{principal::PROJECT_HEADERS, problem::Problem};

/// The longest name of a project that is looked for.
const MAX_PROJECT: usize = 155;

/// The projects that headers name, each once.
pub(crate) fn projects_named(request: &HttpRequest) -> Result<Vec<&str>, Problem> {
    let mut named = Vec::new();
    for header in PROJECT_HEADERS {
        for value in request.headers().get_all(header) {
            let value = value.to_str().ok().map(str::trim);
            let value = value.filter(|value| !value.is_empty() && value.len() <= MAX_PROJECT);
            let value =
                value.ok_or_else(|| Problem::invalid(header, "expected a project's id or name"))?;
            if !named.contains(&value) {
                named.push(value);
            }
        }
    }
    Ok(named)
}
