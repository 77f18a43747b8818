//! The connections over which a request, or a copy of one, is to be sent once more.

use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::{
    catalog::{Catalog, Connection},
    ids::{ConnectionId, SourceId},
};

const KEY: &str = "webhook_ids";

/// The connections that a body names, if it names any.
pub fn read(fields: &Fields<'_>) -> Result<Option<Vec<ConnectionId>>, Problem> {
    let list = match fields.list(KEY)? {
        Given::Absent => return Ok(None),
        // An empty list names no connection, and none would be asked.
        Given::Value(list) if !list.is_empty() => list,
        Given::Null | Given::Value(_) => {
            let expected = "expected connection ids; leave it out to mean those it went over";
            return Err(fields.invalid(KEY, expected));
        }
    };
    let ids = list.iter().map(|value| {
        let id = value.as_str().and_then(|text| text.parse().ok());
        id.ok_or_else(|| fields.invalid(KEY, format!("expected connection ids, got {value}")))
    });
    ids.collect::<Result<_, _>>().map(Some)
}

/// Refuses connections over which nothing of a source can go: whoever names one would wait for an event that never comes.
/// Those that `knows` names are taken though they are gone: there is an event to be sent again.
pub fn check(
    catalog: &Catalog,
    source: SourceId,
    wanted: &[ConnectionId],
    knows: impl Fn(ConnectionId) -> bool,
) -> Result<(), Problem> {
    for (place, id) in wanted.iter().enumerate() {
        if !knows(*id) {
            connection_of(catalog, *id, source)
                .map_err(|expected| Problem::invalid(&format!("{KEY}[{place}]"), expected))?;
        }
    }
    Ok(())
}

/// A connection of a source, or what was expected instead.
pub(super) fn connection_of(
    catalog: &Catalog,
    id: ConnectionId,
    source: SourceId,
) -> Result<&Connection, String> {
    let connection = catalog.connections.get(&id);
    let connection = connection.ok_or_else(|| format!("there is no connection {id}"))?;
    if connection.source_id != source {
        return Err(format!(
            "expected a connection of the request's source {source}"
        ));
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use model::{catalog::Item, kit};
    use serde_json::{Value, json};

    const OURS: SourceId = SourceId(1);
    const OVER: ConnectionId = ConnectionId(5);
    const OTHERS: ConnectionId = ConnectionId(6);
    const GONE: ConnectionId = ConnectionId(7);

    fn named(list: &Value) -> Result<Option<Vec<ConnectionId>>, Problem> {
        Body::of(json!({ "webhook_ids": list })).read(read)
    }

    fn checked(id: ConnectionId, is_known: bool) -> Result<(), String> {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Connection(Connection {
            id: OVER,
            source_id: OURS,
            ..kit::connection()
        }));
        catalog.insert(Item::Connection(Connection {
            id: OTHERS,
            source_id: SourceId(2),
            ..kit::connection()
        }));
        check(&catalog, OURS, &[OVER, id], |_| is_known)
            .map_err(|problem| problem.message().to_owned())
    }

    #[test]
    fn connections_are_named_by_their_ids() {
        assert_eq!(named(&json!([OVER])), Ok(Some(vec![OVER])));
        assert_eq!(Body::default().read(read), Ok::<_, Problem>(None));
        for none in [json!([]), json!(null), json!(["x"]), json!([7]), json!("x")] {
            let refused = named(&none).expect_err("no ids");
            assert!(refused.message().starts_with("webhook_ids: "), "{refused}");
        }
    }

    #[test]
    fn a_connection_that_would_give_no_event_is_refused_by_its_place() {
        let place = "webhook_ids[1]";
        for (id, is_known, expected) in [
            (OVER, false, Ok(())),
            (
                GONE,
                false,
                Err(format!("{place}: there is no connection {GONE}")),
            ),
            (GONE, true, Ok(())),
            (
                OTHERS,
                false,
                Err(format!(
                    "{place}: expected a connection of the request's source {OURS}"
                )),
            ),
        ] {
            assert_eq!(checked(id, is_known), expected, "{id}, known: {is_known}");
        }
    }
}
