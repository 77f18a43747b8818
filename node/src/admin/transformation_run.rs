//! `PUT /transformations/run`: tries a transformation over a request. Nothing is kept and nothing is sent.

use super::{
    api_error::{Answer, ApiError},
    body::{Body, Fields, Given},
    extract::Extract,
    freshness,
    manner::Manner,
    noun,
    principal::Scoped,
    stored, traffic_data, transformation_input, transformations,
};
use crate::{
    transform::{End, Halted, Passed, Pipeline, Prepared, Stage},
    world,
};
use actix_web::web::Json;
use api::{
    problem::Problem,
    view::{
        data::MessageView,
        execution::{RunView, console},
        words::Id,
    },
};
use bytes::Bytes;
use model::{
    catalog::{Transformation, TransformationVersion},
    ids::{ConnectionId, EventId, GroupId, RequestId, SourceId, TransformationId},
    policy::{
        forwarding::Forwarding,
        transform::{check_path, check_query},
    },
    state::tables,
    traffic::{LogLevel, Origin, RequestRecord, TransformationUse},
};
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc};
use url::form_urlencoded;

/// What a request's data are shown with beside what they are made of. Of its two forms of a query, the text counts.
const SHOWN_DATA: [&str; 2] = ["is_large_payload", "url"];

/// The request that it is tried over.
struct Subject {
    request: Option<RequestId>,
    event: EventId,
    connection: ConnectionId,
    record: RequestRecord,
    body: Bytes,
}

pub(super) async fn run(
    gateway: Scoped,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<RunView> {
    let read = body.read_with(async |fields| {
        let tried = version(&gateway, fields).await?;
        Ok::<_, ApiError>((tried, subject(&gateway, fields).await?))
    });
    let ((transformation, version), subject) = read.await?;
    let used = TransformationUse {
        id: version.transformation_id,
        version: version.version,
    };
    let catalog = gateway.catalog();
    let connection = catalog.connections.get(&subject.connection);
    let destination = connection.map(|known| known.destination_id);
    let pipeline = Pipeline {
        forwarding: Forwarding::in_catalog(&catalog, subject.record.source_id, destination),
        connection: subject.connection,
        event: subject.event,
        record: subject.record,
        body: subject.body,
        stages: VecDeque::from([Stage::Transform(used, Arc::new(Prepared::of(&version)))]),
    };
    let passed = pipeline
        .run(&gateway)
        .await
        .map_err(|halted| match halted {
            Halted::Busy => {
                ApiError::unavailable("too many scripts wait for their turn; try again")
            }
            Halted::Stopping => ApiError::unavailable("the node is stopping; try again"),
        })?;
    Ok(Json(show(subject.request, transformation, &passed)))
}

fn show(
    request: Option<RequestId>,
    transformation: Option<TransformationId>,
    passed: &Passed,
) -> RunView {
    let run = passed.runs.last();
    RunView {
        request_id: request.map(Id),
        transformation_id: transformation.map(Id),
        // What is tried is not kept.
        execution_id: (),
        log_level: run.map_or(LogLevel::Info, |run| run.log_level).into(),
        request: match &passed.end {
            End::Message(message) => Some(MessageView::of(message)),
            End::Ignored { .. } => None,
        },
        console: run.map(|run| console(&run.logs)),
    }
}

/// What is tried: given code or steps, or what a transformation has, or the one over the environment of the other.
async fn version(
    gateway: &Scoped,
    fields: &Fields<'_>,
) -> Result<(Option<TransformationId>, TransformationVersion), ApiError> {
    let catalog = freshness::catalog(gateway, &Manner::default()).await?;
    let kept = match fields.text("transformation_id", 255)?.value() {
        None => None,
        Some(id) => Some(noun::known::<Transformation>(&catalog, id).map_err(|_| {
            fields.invalid(
                "transformation_id",
                format!("there is no transformation {id:?}"),
            )
        })?),
    };
    let current = match (
        kept,
        fields.whole("version", 1, u64::from(u16::MAX))?.value(),
    ) {
        (None, None) => None,
        (None, Some(_)) => {
            let expected = "expected transformation_id beside it, whose version it is";
            return Err(fields.invalid("version", expected).into());
        }
        (Some(kept), None) => Some(transformations::current(gateway, kept)?),
        (Some(kept), Some(number)) if kept.keeps(number as u16) => {
            Some(transformations::stored(gateway, kept.id, number as u16)?)
        }
        (Some(_), Some(number)) => {
            let expected = format!("expected a version that is kept, got {number}");
            return Err(fields.invalid("version", expected).into());
        }
    };
    let fresh = transformations::fresh(gateway);
    let wanted = transformation_input::tried(fields, current.as_ref(), fresh)?;
    Ok((kept.map(|kept| kept.id), wanted))
}

async fn subject(gateway: &Scoped, fields: &Fields<'_>) -> Result<Subject, ApiError> {
    let connection = match fields.text("webhook_id", 255)?.value() {
        None => None,
        Some(id) => {
            let id: Result<ConnectionId, _> = id.parse();
            Some(id.map_err(|_| fields.invalid("webhook_id", "expected a connection's id"))?)
        }
    };
    let event = fields.text("event_id", 255)?.value();
    let request = fields.text("request_id", 255)?.value();
    match (event, request, fields.object("request")?) {
        (Some(id), None, Given::Absent | Given::Null) => {
            let known = id
                .parse()
                .ok()
                .filter(|id: &EventId| freshness::is_partition(gateway, id.group()));
            let id = known
                .ok_or_else(|| fields.invalid("event_id", format!("there is no event {id:?}")))?;
            of_event(gateway, fields, id, connection).await
        }
        (None, Some(id), Given::Absent | Given::Null) => {
            let known = id
                .parse()
                .ok()
                .filter(|id: &RequestId| freshness::is_partition(gateway, id.group()));
            let id = known.ok_or_else(|| {
                fields.invalid("request_id", format!("there is no request {id:?}"))
            })?;
            of_request(gateway, fields, id, id.event(1), connection, "request_id").await
        }
        (None, None, Given::Value(given)) => Ok(inline(&given, connection)?),
        _ => {
            let expected = "expected one of request, event_id and request_id";
            Err(fields.invalid("request", expected).into())
        }
    }
}

async fn of_event(
    gateway: &Scoped,
    fields: &Fields<'_>,
    id: EventId,
    connection: Option<ConnectionId>,
) -> Result<Subject, ApiError> {
    freshness::wait(gateway, &Manner::default(), [id.group()]).await?;
    let view = gateway.cluster.view(id.group());
    // An ignored event is what scripts are mended for.
    let of_event = match stored::event(gateway, id)? {
        Some(event) => Some(event.connection_id),
        None => tables::ignored(&view, id)?.map(|ignored| ignored.connection_id),
    };
    let connection = connection.or(of_event);
    of_request(gateway, fields, id.request(), id, connection, "event_id").await
}

async fn of_request(
    gateway: &Scoped,
    fields: &Fields<'_>,
    id: RequestId,
    event: EventId,
    connection: Option<ConnectionId>,
    field: &str,
) -> Result<Subject, ApiError> {
    freshness::wait(gateway, &Manner::default(), [id.group()]).await?;
    let stored = stored::request(gateway, id)?
        .ok_or_else(|| fields.invalid(field, format!("there is no request {id}")))?;
    Ok(Subject {
        request: Some(id),
        event,
        connection: connection.unwrap_or_default(),
        record: traffic_data::record(&stored)?,
        body: traffic_data::body_of(gateway, id.group(), &stored).await?,
    })
}

/// A request as the body gives it.
fn inline(given: &Fields<'_>, connection: Option<ConnectionId>) -> Result<Subject, Problem> {
    let now = world::now();
    let id = RequestId::mint(now, GroupId(1), world::entropy());
    given.pass_over(&[&SHOWN_DATA]);
    if let Given::Value(parsed) = given.value("parsed_query")
        && !parsed.is_object()
    {
        return Err(given.invalid("parsed_query", "expected an object; what counts is query"));
    }
    let method = given.text("method", 16)?.value().unwrap_or("POST");
    let record = RequestRecord {
        source_id: SourceId::default(),
        received_at: now,
        method: method.to_ascii_uppercase(),
        path: path(given)?,
        query: query(given)?,
        headers: headers(given)?,
        origin: Origin::Unproven,
    };
    let body = match given.value("body") {
        Given::Absent | Given::Null => Bytes::new(),
        Given::Value(Value::String(text)) => Bytes::from(text.clone()),
        Given::Value(other) => Bytes::from(other.to_string()),
    };
    Ok(Subject {
        request: None,
        event: id.event(1),
        connection: connection.unwrap_or_default(),
        record,
        body,
    })
}

fn path(given: &Fields<'_>) -> Result<String, Problem> {
    let path = given.text("path", 4096)?.value().unwrap_or_default();
    let path = match path {
        "" => String::new(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    check_path(&path).map_err(|expected| given.invalid("path", expected))?;
    Ok(path)
}

fn query(given: &Fields<'_>) -> Result<String, Problem> {
    if let Some(query) = given.text("query", 8192)?.value() {
        let query = query.strip_prefix('?').unwrap_or(query);
        check_query(query).map_err(|expected| given.invalid("query", expected))?;
        return Ok(query.to_owned());
    }
    let Some(parsed) = given.object("parsed_query")?.value() else {
        return Ok(String::new());
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parsed.all() {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            match value {
                Value::String(text) => query.append_pair(name, text),
                Value::Number(_) | Value::Bool(_) => query.append_pair(name, &value.to_string()),
                _ => return Err(parsed.invalid(name, "expected a string or a list of strings")),
            };
        }
    }
    Ok(query.finish())
}

fn headers(given: &Fields<'_>) -> Result<Vec<(String, Bytes)>, Problem> {
    let Some(headers) = given.object("headers")?.value() else {
        return Ok(Vec::new());
    };
    let read = headers.all().map(|(name, value)| match value {
        Value::String(value) => Ok((name.to_ascii_lowercase(), Bytes::from(value.clone()))),
        _ => Err(headers.invalid(name, "expected a string")),
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(value: Value) -> Result<Subject, Problem> {
        Body::of(value).read(|fields| inline(fields, None))
    }

    #[test]
    fn a_request_can_be_given_with_the_run() {
        let body =
            json!({"headers": {"X-A": "1"}, "body": {"a": 1}, "path": "in", "query": "?a=1"});
        let subject = given(body).expect("a request");
        let record = &subject.record;
        assert_eq!(
            (
                record.path.as_str(),
                record.query.as_str(),
                record.method.as_str()
            ),
            ("/in", "a=1", "POST")
        );
        assert_eq!(record.headers, [("x-a".to_owned(), Bytes::from("1"))]);
        assert_eq!(subject.body, r#"{"a":1}"#);
        let parsed =
            given(json!({"headers": {}, "parsed_query": {"a": ["x y", 2]}, "body": "text"}));
        let parsed = parsed.expect("a request");
        assert_eq!(
            (parsed.record.query.as_str(), parsed.body.as_ref()),
            ("a=x+y&a=2", &b"text"[..])
        );
    }

    #[test]
    fn a_request_that_could_not_have_come_names_its_field() {
        for (body, field) in [
            (json!({"headers": {"a": 1}}), "headers.a"),
            (json!({"path": "/a/../b"}), "path"),
            (json!({"query": "a b"}), "query"),
            (json!({"parsed_query": {"a": {}}}), "parsed_query.a"),
            (json!({"headers": []}), "headers"),
        ] {
            let Err(refused) = given(body) else {
                panic!("{field} was taken")
            };
            assert!(
                refused.message().starts_with(&format!("{field}: ")),
                "{refused}"
            );
        }
    }
}
