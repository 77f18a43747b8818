//! A connection as clients name it, with its source and destination by id or inline.

use super::{
    destination, rules, source,
    transform_rule::{Rulebook, Stored},
    transformation,
};
use crate::{
    body::{Fields, Given, SHOWN},
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalog, Connection, Destination, Item, Source},
    ids::{ConnectionId, DestinationId, SourceId},
    time::Timestamp,
};
use std::sync::Arc;

/// Ids and keys for what may have to be made; drawn by the caller.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub connection: ConnectionId,
    pub source: SourceId,
    pub destination: destination::Fresh,
    /// For inline transformations, in turn.
    pub transformations: Vec<transformation::Fresh>,
    /// What an inline source's secret needs at least.
    pub min_secret_bytes: usize,
}

/// The target of a body: a new connection, an upsert by name, or a known one.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    New,
    /// The one of that name, or a new one.
    Upsert,
    This(&'a Connection),
}

/// A connection with both its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    pub connection: Connection,
    pub source: Arc<Source>,
    pub destination: Arc<Destination>,
}

impl Connected {
    /// A connection of the catalog with its ends; none when it has lost one, which referential checks rule out.
    pub fn of(catalog: &Catalog, connection: &Connection) -> Option<Self> {
        Some(Self {
            source: catalog.sources.get(&connection.source_id)?.clone(),
            destination: catalog
                .destinations
                .get(&connection.destination_id)?
                .clone(),
            connection: connection.clone(),
        })
    }

    pub fn full_name(&self) -> String {
        let name = shown_name(&self.connection, &self.destination.name);
        format!("{} -> {name}", self.source.name)
    }
}

/// The connection afterwards, and everything that has to be written for it.
pub fn read(
    catalog: &Catalog,
    fields: &Fields<'_>,
    target: Target<'_>,
    fresh: &Fresh,
    stored: Stored<'_>,
    now: Timestamp,
) -> Result<(Connected, Vec<Item>), Problem> {
    let mut items = Vec::new();
    let source = read_source(catalog, fields, fresh, now, &mut items)?;
    let destination = read_destination(catalog, fields, fresh, now, &mut items)?;
    let given_name = names::name(fields)?;
    let kept = match target {
        Target::New => None,
        Target::This(kept) => Some(kept),
        Target::Upsert => find(
            catalog,
            &given_name,
            source.as_deref(),
            destination.as_deref(),
        )?,
    };
    let source = source
        .or_else(|| catalog.sources.get(&kept?.source_id).cloned())
        .ok_or_else(|| fields.invalid("source_id", "expected a source's id, or a source"))?;
    let destination = destination
        .or_else(|| catalog.destinations.get(&kept?.destination_id).cloned())
        .ok_or_else(|| {
            fields.invalid(
                "destination_id",
                "expected a destination's id, or a destination",
            )
        })?;
    let mut book = Rulebook::new(catalog, stored, &fresh.transformations);
    let rules = rules::read(fields, kept, &mut book)?;
    items.append(&mut book.items);
    let connection = Connection {
        id: kept.map_or(fresh.connection, |kept| kept.id),
        name: given_name.or_kept(kept.and_then(|kept| kept.name.clone())),
        description: names::description(fields, kept.and_then(|k| k.description.clone()))?,
        source_id: source.id,
        destination_id: destination.id,
        rules,
        disabled_at: kept.and_then(|kept| kept.disabled_at),
        paused_at: kept.and_then(|kept| kept.paused_at),
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    };
    let connected = Connected {
        connection,
        source,
        destination,
    };
    check_name(catalog, &connected)?;
    fields.pass_over(&[&SHOWN]);
    if !kept.is_some_and(|kept| is_as(&connected.connection, kept)) {
        items.push(Item::Connection(connected.connection.clone()));
    }
    Ok((connected, items))
}

/// Whether a connection is what is kept, but for when it was changed.
fn is_as(connection: &Connection, kept: &Connection) -> bool {
    let updated_at = kept.updated_at;
    Connection {
        updated_at,
        ..connection.clone()
    } == *kept
}

/// The name that a connection has among those of its source.
fn shown_name<'a>(connection: &'a Connection, destination: &'a str) -> &'a str {
    connection.name.as_deref().unwrap_or(destination)
}

fn find<'a>(
    catalog: &'a Catalog,
    name: &Given<String>,
    source: Option<&Source>,
    destination: Option<&Destination>,
) -> Result<Option<&'a Connection>, Problem> {
    let found = match (name, source, destination) {
        (Given::Value(name), ..) => {
            let of_source = |connection: &&Arc<Connection>| {
                source.is_none_or(|source| source.id == connection.source_id)
            };
            let mut found = catalog.connections_named(name).filter(of_source);
            (found.next(), found.next())
        }
        (_, Some(source), Some(destination)) => {
            let mut found = catalog.unnamed_connections(source.id, destination.id);
            (found.next(), found.next())
        }
        _ => (None, None),
    };
    match found {
        (Some(_), Some(_)) => Err(Problem::invalid(
            "name",
            "several connections have this name; expected source_id too",
        )),
        (found, _) => Ok(found.map(AsRef::as_ref)),
    }
}

/// Refuses a name that another connection of the source has.
fn check_name(catalog: &Catalog, connected: &Connected) -> Result<(), Problem> {
    let name = shown_name(&connected.connection, &connected.destination.name);
    let mut others = catalog.connections_shown_as(connected.source.id, name);
    let other = others.find(|other| other.id != connected.connection.id);
    match other {
        None => Ok(()),
        Some(other) => Err(Problem::invalid(
            "name",
            format!(
                "the connection {} is named \"{} -> {name}\" already",
                other.id, connected.source.name
            ),
        )),
    }
}

/// Of two ends that differ one would be passed over.
fn refuse_second(fields: &Fields<'_>, id: &str, inline: &str) -> Result<(), Problem> {
    match fields.value(id) {
        Given::Absent | Given::Null => Ok(()),
        Given::Value(_) => Err(fields.invalid(id, format!("expected {id} or {inline}, not both"))),
    }
}

fn read_source(
    catalog: &Catalog,
    fields: &Fields<'_>,
    fresh: &Fresh,
    now: Timestamp,
    items: &mut Vec<Item>,
) -> Result<Option<Arc<Source>>, Problem> {
    if let Some(inline) = fields.object("source")?.value() {
        refuse_second(fields, "source_id", "source")?;
        // An existing name is updated: upserts of connections rely on it.
        let name = names::required(&inline, None)?;
        let kept = catalog.source_named(&name);
        let source = source::read(
            &inline,
            kept.map(AsRef::as_ref),
            fresh.source,
            now,
            fresh.min_secret_bytes,
        )?;
        if let Some(kept) = kept {
            let updated_at = kept.updated_at;
            if (Source {
                updated_at,
                ..source.clone()
            }) == **kept
            {
                return Ok(Some(kept.clone()));
            }
        }
        items.push(Item::Source(source.clone()));
        return Ok(Some(Arc::new(source)));
    }
    let Some(id) = fields.text("source_id", 255)?.value() else {
        return Ok(None);
    };
    let known = id
        .parse()
        .ok()
        .and_then(|id: SourceId| catalog.sources.get(&id));
    match known {
        Some(source) => Ok(Some(source.clone())),
        None => Err(fields.invalid("source_id", format!("there is no source {id:?}"))),
    }
}

fn read_destination(
    catalog: &Catalog,
    fields: &Fields<'_>,
    fresh: &Fresh,
    now: Timestamp,
    items: &mut Vec<Item>,
) -> Result<Option<Arc<Destination>>, Problem> {
    if let Some(inline) = fields.object("destination")?.value() {
        refuse_second(fields, "destination_id", "destination")?;
        let name = names::required(&inline, None)?;
        let kept = destination::named(catalog, &name);
        let fresh = &fresh.destination;
        let read = destination::read(&inline, kept.map(AsRef::as_ref), fresh, now)?;
        if let Some(kept) = kept {
            let updated_at = kept.updated_at;
            if (Destination {
                updated_at,
                ..read.clone()
            }) == **kept
            {
                return Ok(Some(kept.clone()));
            }
        }
        items.push(Item::Destination(read.clone()));
        return Ok(Some(Arc::new(read)));
    }
    let Some(id) = fields.text("destination_id", 255)?.value() else {
        return Ok(None);
    };
    let known = id
        .parse()
        .ok()
        .and_then(|id: DestinationId| catalog.destinations.get(&id));
    match known {
        Some(destination) => Ok(Some(destination.clone())),
        None => Err(fields.invalid("destination_id", format!("there is no destination {id:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use model::policy::egress::Reach;
    use serde_json::{Value, json};

    fn upsert(
        catalog: &Catalog,
        seed: u128,
        body: Value,
    ) -> Result<(Connected, Vec<Item>), Problem> {
        let fresh = Fresh {
            min_secret_bytes: 16,
            connection: ConnectionId(seed),
            source: SourceId(seed),
            destination: destination::Fresh {
                id: DestinationId(seed),
                key: [1; 32],
                reach: Reach::default(),
                try_tls: |_| Ok(()),
            },
            transformations: Vec::new(),
        };
        read(
            catalog,
            &Body::of(body).fields(),
            Target::Upsert,
            &fresh,
            &|_| Ok(None),
            Timestamp(7),
        )
    }

    fn inline() -> Value {
        json!({
            "name": "c",
            "source": {"name": "s"},
            "destination": {"name": "d", "config": {"url": "https://a.example"}},
            "rules": [{"type": "delay", "delay": 5}],
        })
    }

    fn with(items: Vec<Item>) -> Catalog {
        let mut catalog = Catalog::default();
        items.into_iter().for_each(|item| catalog.insert(item));
        catalog
    }

    #[test]
    fn both_ends_may_be_made_with_the_connection() {
        let (connected, items) = upsert(&Catalog::default(), 1, inline()).expect("a connection");
        assert_eq!(items.len(), 3);
        assert_eq!(connected.connection.source_id, connected.source.id);
    }

    #[test]
    fn the_same_upsert_again_changes_nothing() {
        let (first, items) = upsert(&Catalog::default(), 1, inline()).expect("a connection");
        let catalog = with(items);
        let (second, items) = upsert(&catalog, 2, inline()).expect("the same");
        assert_eq!(
            first,
            Connected {
                connection: first.connection.clone(),
                ..second
            }
        );
        assert!(items.is_empty(), "{items:?}");
    }

    #[test]
    fn a_partial_upsert_keeps_rules_and_ends() {
        let (first, items) = upsert(&Catalog::default(), 1, inline()).expect("a connection");
        let catalog = with(items);
        let (second, items) =
            upsert(&catalog, 2, json!({"name": "c", "description": "d"})).expect("a connection");
        assert_eq!(items.len(), 1);
        assert_eq!(second.connection.rules, first.connection.rules);
        assert_eq!(second.connection.id, first.connection.id);
        assert_eq!(second.connection.description.as_deref(), Some("d"));
    }

    #[test]
    fn names_are_unique_within_a_source() {
        let (first, items) = upsert(&Catalog::default(), 1, inline()).expect("a connection");
        let catalog = with(items);
        let fresh = Fresh {
            min_secret_bytes: 16,
            connection: ConnectionId(9),
            source: SourceId(9),
            destination: destination::Fresh {
                id: DestinationId(9),
                key: [1; 32],
                reach: Reach::default(),
                try_tls: |_| Ok(()),
            },
            transformations: Vec::new(),
        };
        let body = Body::of(json!({"name": "c", "source_id": first.source.id,
                                   "destination_id": first.destination.id}));
        let created = read(
            &catalog,
            &body.fields(),
            Target::New,
            &fresh,
            &|_| Ok(None),
            Timestamp(8),
        );
        assert!(
            created
                .expect_err("a second one")
                .message()
                .starts_with("name: ")
        );
    }

    #[test]
    fn ends_that_do_not_exist_are_named() {
        for (body, field) in [
            (json!({"name": "c"}), "source_id"),
            (json!({"name": "c", "source_id": "src_x"}), "source_id"),
            (json!({"name": "c", "source_id": SourceId(5)}), "source_id"),
            (
                json!({"name": "c", "source": {"name": "s"}}),
                "destination_id",
            ),
            (json!({"name": "c", "source": {}}), "source.name"),
            (
                json!({"name": "c", "source": {"name": "s"}, "destination": {"name": "d"}}),
                "destination.config.url",
            ),
        ] {
            let error = upsert(&Catalog::default(), 1, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
