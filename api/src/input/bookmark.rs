//! A bookmark as clients name it: whose copy, over which connection, under which words.

use crate::{
    body::{Fields, Given, SHOWN},
    input::over,
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalog, Connection},
    ids::{ConnectionId, EventId, RequestId},
    traffic::{Bookmark, RequestRecord},
};

const SHOWN_BOOKMARK: [&str; 2] = ["alias", "last_used_at"];
const MAX_LABEL: usize = 255;

/// The validated input for a bookmark. Of what it leaves out a kept bookmark has its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    pub request: Option<RequestId>,
    pub connection: ConnectionId,
    pub label: String,
    pub name: Option<String>,
}

pub fn read(fields: &Fields<'_>, kept: Option<&Bookmark>) -> Result<Wanted, Problem> {
    let request = request(fields)?;
    if request.is_none() && kept.is_none() {
        return Err(fields.invalid(
            "event_data_id",
            "expected an event's event_data_id, or its id",
        ));
    }
    let connection = match fields.text("webhook_id", 255)? {
        Given::Value(text) => Some(text.parse().map_err(|_| {
            fields.invalid(
                "webhook_id",
                format!("expected a connection's id, got {text:?}"),
            )
        })?),
        Given::Absent | Given::Null => kept.map(|kept| kept.connection_id),
    };
    let label = match fields.text("label", MAX_LABEL)? {
        Given::Value(label) if !label.is_empty() => Some(label.to_owned()),
        Given::Absent => kept.map(|kept| kept.label.clone()),
        Given::Null | Given::Value(_) => None,
    };
    let name = names::name(fields)?.or_kept(kept.and_then(|kept| kept.name.clone()));
    fields.pass_over(&[&SHOWN, &SHOWN_BOOKMARK]);
    Ok(Wanted {
        request,
        connection: connection
            .ok_or_else(|| fields.invalid("webhook_id", "expected a connection's id"))?,
        label: label.ok_or_else(|| {
            fields.invalid("label", format!("expected 1 to {MAX_LABEL} characters"))
        })?,
        name,
    })
}

/// The data of an event are those of its request: either id names them.
fn request(fields: &Fields<'_>) -> Result<Option<RequestId>, Problem> {
    let Some(text) = fields.text("event_data_id", 255)?.value() else {
        return Ok(None);
    };
    let event = || text.parse().map(EventId::request);
    text.parse().or_else(|_| event()).map(Some).map_err(|_| {
        let expected = format!("expected an event's event_data_id, or its id, got {text:?}");
        fields.invalid("event_data_id", expected)
    })
}

/// The connection that a copy can be sent over.
pub fn connection<'a>(
    catalog: &'a Catalog,
    id: ConnectionId,
    record: &RequestRecord,
) -> Result<&'a Connection, Problem> {
    over::connection_of(catalog, id, record.source_id)
        .map_err(|expected| Problem::invalid("webhook_id", expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use bytes::Bytes;
    use model::time::Timestamp;
    use serde_json::{Value, json};

    fn kept() -> Bookmark {
        Bookmark {
            connection_id: ConnectionId(1),
            request_id: RequestId(16 << 16),
            label: "kept".into(),
            name: Some("n".into()),
            record: Bytes::new(),
            last_used_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn wanted(body: Value, kept: Option<&Bookmark>) -> Result<Wanted, Problem> {
        Body::of(body).read(|fields| read(fields, kept))
    }

    #[test]
    fn the_data_are_named_by_a_request_or_by_one_of_its_events() {
        let request = RequestId(16 << 16);
        for id in [request.to_string(), request.event(3).to_string()] {
            let body = json!({"event_data_id": id, "webhook_id": ConnectionId(1), "label": "l"});
            let read = wanted(body, None).expect("a bookmark");
            assert_eq!((read.request, read.name), (Some(request), None));
        }
    }

    #[test]
    fn what_an_update_leaves_out_stays() {
        let read = wanted(json!({"label": "new"}), Some(&kept())).expect("a bookmark");
        let expected = Wanted {
            request: None,
            connection: ConnectionId(1),
            label: "new".into(),
            name: Some("n".into()),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let (request, connection) = (RequestId(16 << 16), ConnectionId(1));
        for (body, field) in [
            (json!({}), "event_data_id"),
            (json!({"event_data_id": "x"}), "event_data_id"),
            (json!({"event_data_id": request}), "webhook_id"),
            (
                json!({"event_data_id": request, "webhook_id": "x"}),
                "webhook_id",
            ),
            (
                json!({"event_data_id": request, "webhook_id": connection}),
                "label",
            ),
            (
                json!({"event_data_id": request, "webhook_id": connection, "label": ""}),
                "label",
            ),
            (
                json!({"event_data_id": request, "webhook_id": connection, "label": "l", "name": "a b"}),
                "name",
            ),
        ] {
            let error = wanted(body, None).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
