//! `/cli-sessions`: developers who listen with the command line, and their sockets. A session is what its socket's headers
//! say, so any node can answer for any part of it.

use super::{
    api_error::{Answer, ApiError},
    body::{Body, Fields, Given},
    distinct,
    extract::Extract,
    freshness,
    manner::Manner,
    principal::Scoped,
    rules,
};
use crate::{
    sessions::{
        self, Lines,
        frames::{
            CONNECTIONS_HEADER, CONNECTIONS_MAX, FILTERS_HEADER, FILTERS_MAX, PROTOCOL,
            SESSION_HEADER,
        },
    },
    wire, world,
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Json, Payload},
};
use api::{
    problem::Problem,
    view::{cli_session::CliSessionView, connection::FilterView, words::Id},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{
    catalog::{Catalog, DestinationKind, FilterRule},
    ids::{CliSessionId, ConnectionId},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The field of a session's filter. What is wrong with one in a header is told by the same name.
const FILTERS_KEY: &str = "filters";

/// An id for a session, after a look at what it would listen for. Nothing is kept.
pub(super) async fn create(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<CliSessionView> {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let (connections, filter) = body.read(|fields| {
        let connections = read_connections(fields, &catalog)?;
        Ok::<_, Problem>((connections, read_filter(fields)?))
    })?;
    Ok(Json(CliSessionView {
        id: CliSessionId::mint(gateway.project(), world::now(), world::entropy()).into(),
        webhook_ids: connections.into_iter().map(Id).collect(),
        filters: filter.as_ref().map(FilterView::of),
    }))
}

fn read_connections(fields: &Fields<'_>, catalog: &Catalog) -> Result<Vec<ConnectionId>, Problem> {
    const KEY: &str = "webhook_ids";
    let list = fields.list(KEY)?.value().map_or(&[][..], Vec::as_slice);
    if list.is_empty() || list.len() > CONNECTIONS_MAX {
        let expected = format!("expected the ids of 1 to {CONNECTIONS_MAX} connections");
        return Err(fields.invalid(KEY, expected));
    }
    let mut connections = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let invalid = |expected: String| Err(fields.invalid(&format!("{KEY}[{place}]"), expected));
        let id = value.as_str().and_then(|text| text.parse().ok());
        let known = id.and_then(|id: ConnectionId| catalog.connections.get(&id));
        let Some(connection) = known else {
            return invalid(format!("there is no connection {value}"));
        };
        let destination = catalog.destinations.get(&connection.destination_id);
        let kind = destination.map(|destination| &destination.kind);
        if !matches!(kind, Some(DestinationKind::Cli(_))) {
            return invalid("expected a connection to a CLI destination".into());
        }
        connections.push(connection.id);
    }
    Ok(connections)
}

/// A session's filter. None: it takes everything.
fn read_filter(fields: &Fields<'_>) -> Result<Option<FilterRule>, Problem> {
    match fields.object(FILTERS_KEY)? {
        Given::Value(filters) => bounded_filter(&filters),
        Given::Absent | Given::Null => Ok(None),
    }
}

/// The filter that stands in an object.
fn bounded_filter(filters: &Fields<'_>) -> Result<Option<FilterRule>, Problem> {
    let filter = rules::filter(filters)?;
    if json!(filter).to_string().len() > FILTERS_MAX {
        let expected = format!("expected at most {FILTERS_MAX} bytes");
        return Err(Problem::invalid(FILTERS_KEY, expected));
    }
    Ok((filter != FilterRule::default()).then_some(filter))
}

/// The socket of a session, new or come back.
pub(super) async fn connect(
    gateway: Scoped,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let shaken = actix_ws::handle_with_protocols(&request, payload, &[PROTOCOL]);
    let (response, session, messages) = shaken.map_err(|error| {
        Problem::bad_request(format!("expected the handshake of a websocket: {error}"))
    })?;
    let header = |name| request.headers().get(name)?.to_str().ok();
    let id = session_id(header(SESSION_HEADER))?;
    let connections = connection_ids(header(CONNECTIONS_HEADER))?;
    let own = gateway.project();
    let mut projects = connections.iter().map(|connection| connection.project());
    if id.project() != own || projects.any(|project| project != own) {
        let expected = "expected a session and connections of the project that the headers name";
        return Err(Problem::invalid(SESSION_HEADER, expected).into());
    }
    let filter = header(FILTERS_HEADER).map(filters).transpose()?.flatten();
    let opened = gateway.sessions.open(id, connections, filter);
    let (place, orders) = opened.map_err(|refused| ApiError::unavailable(refused.to_string()))?;
    wire::upgraded(&request);
    actix_rt::spawn(sessions::serve(
        place,
        orders,
        Lines::new(session, messages),
    ));
    Ok(response)
}

fn session_id(given: Option<&str>) -> Result<CliSessionId, Problem> {
    given.and_then(|id| id.trim().parse().ok()).ok_or_else(|| {
        Problem::invalid(
            SESSION_HEADER,
            "expected the id that POST /cli-sessions gave",
        )
    })
}

/// Whether there are such connections was asked when the session was made, and its events ask it again.
fn connection_ids(given: Option<&str>) -> Result<BTreeSet<ConnectionId>, Problem> {
    let ids = given.unwrap_or_default().split(',').map(str::trim);
    let ids: Option<BTreeSet<_>> = ids.map(|id| id.parse().ok()).collect();
    ids.filter(|ids| ids.len() <= CONNECTIONS_MAX)
        .ok_or_else(|| {
            let expected = format!(
                "expected the ids of 1 to {CONNECTIONS_MAX} connections, separated by commas"
            );
            Problem::invalid(CONNECTIONS_HEADER, expected)
        })
}

fn filters(given: &str) -> Result<Option<FilterRule>, Problem> {
    let invalid = |expected: &str| Problem::invalid(FILTERS_HEADER, expected);
    let decoded = BASE64_STANDARD.decode(given.trim());
    let decoded = decoded.map_err(|_| invalid("expected filters as JSON in base64"))?;
    match distinct::read(&decoded) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Object(map)) => bounded_filter(&Fields::over(FILTERS_KEY.to_owned(), &map)),
        _ => Err(invalid("expected filters as JSON in base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sockets_headers_tell_the_session() {
        let id = CliSessionId(5);
        assert_eq!(session_id(Some(&id.to_string())), Ok(id));
        let ids = format!("{}, {}", ConnectionId(1), ConnectionId(2));
        assert_eq!(
            connection_ids(Some(&ids)),
            Ok([ConnectionId(1), ConnectionId(2)].into())
        );
        let given = BASE64_STANDARD.encode(r#"{"body":{"a":1},"headers":null}"#);
        let filter = filters(&given).expect("filters").expect("some");
        assert_eq!((filter.body, filter.headers), (Some(json!({"a": 1})), None));
        for none in ["null", "{}"] {
            assert_eq!(filters(&BASE64_STANDARD.encode(none)), Ok(None));
        }
    }

    #[test]
    fn headers_that_say_nothing_usable_are_named() {
        let many: Vec<_> = (0..=CONNECTIONS_MAX as u128)
            .map(|n| ConnectionId(n).to_string())
            .collect();
        let many = many.join(",");
        let encoded = |text: &str| BASE64_STANDARD.encode(text);
        let long = format!(r#"{{"path":"{}"}}"#, "x".repeat(FILTERS_MAX));
        for (error, field) in [
            (session_id(None).err(), SESSION_HEADER),
            (session_id(Some("7")).err(), SESSION_HEADER),
            (connection_ids(None).err(), CONNECTIONS_HEADER),
            (connection_ids(Some("web_1")).err(), CONNECTIONS_HEADER),
            (connection_ids(Some(&many)).err(), CONNECTIONS_HEADER),
            (filters("{}").err(), FILTERS_HEADER),
            (filters(&encoded("[]")).err(), FILTERS_HEADER),
            (filters(&encoded(r#"{"bodi":1}"#)).err(), "filters.bodi"),
            (
                filters(&encoded(r#"{"body":{"$no":1}}"#)).err(),
                "filters.body",
            ),
            (filters(&encoded(&long)).err(), "filters"),
        ] {
            let error = error.unwrap_or_else(|| panic!("{field} was taken"));
            assert!(error.message().starts_with(field), "{error}");
        }
    }
}
