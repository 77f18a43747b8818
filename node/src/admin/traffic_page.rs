//! Pages of traffic: newest first over all partitions, with cursors that stay where they are while rows come and go.

use super::{
    api_error::ApiError,
    page::{Cursor, Page, PageRequest, bad_cursor},
    traffic_scan::{self, Span, Way, behind},
};
use bytes::Bytes;
use model::{
    query::Ids,
    state::kv::{Read, Row, Table},
};

/// How one kind of rows is kept and named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) table: Table,
    /// The id that stands for a key.
    pub(super) show: fn(&[u8]) -> Option<String>,
    /// The key that an id stands for.
    pub(super) read: fn(&str) -> Option<Vec<u8>>,
    /// Whether its keys begin with a time, and all projects' rows stand among each other.
    pub(super) is_shared: bool,
}

impl Span {
    /// Keys that begin with these ids.
    pub(super) fn of(ids: Ids) -> Self {
        let to = match ids.to {
            u128::MAX => vec![u8::MAX; 24],
            to => to.to_be_bytes().to_vec(),
        };
        Self {
            from: ids.from.to_be_bytes().to_vec(),
            to,
        }
    }
}

impl Kind {
    /// Reads one page.
    pub(super) fn page<V: Read, T>(
        self,
        views: &[V],
        mut span: Span,
        asked: &PageRequest,
        read: impl FnMut(&V, &Row) -> Result<Option<T>, ApiError>,
    ) -> Result<Page<String, T>, ApiError> {
        let key = |text: &str, field| (self.read)(text).ok_or_else(|| bad_cursor(field));
        let (goes_back, key) = match &asked.cursor {
            Cursor::Start => (false, None),
            Cursor::After(text) => (false, Some(key(text, "next")?)),
            Cursor::Before(text) => (true, Some(key(text, "prev")?)),
        };
        let way = match asked.ascending != goes_back {
            true => Way::Up,
            false => Way::Down,
        };
        let is_first = key.is_none();
        match (key, way) {
            (None, _) => {}
            (Some(key), Way::Up) => span.from = behind(&key).max(span.from),
            (Some(key), Way::Down) => span.to = key.min(span.to),
        }
        let found = traffic_scan::scan(views, self.table, &span, way, asked.limit, read)?;
        let mut rows = found.rows;
        let last = rows.last().map(|(key, _)| key);
        let more = found.more.map(|key| match self.is_shared {
            true => blurred(key, last, way),
            false => key,
        });
        let (next, prev);
        if goes_back {
            rows.reverse();
            // Behind this page lies the one that was left.
            next = rows.last().map(|(key, _)| key.clone());
            prev = more;
        } else {
            prev = rows
                .first()
                .filter(|_| !is_first)
                .map(|(key, _)| key.clone());
            next = more;
        }
        let shown = |key: Option<Bytes>| key.and_then(|key| (self.show)(&key));
        Ok(Page {
            next: shown(next),
            prev: shown(prev),
            rows: rows
                .into_iter()
                .filter_map(|(key, row)| Some(((self.show)(&key)?, row)))
                .collect(),
        })
    }
}

/// A place to go on from that is no row of another project: the end of the millisecond that the last row looked at is of,
/// but not before the last row that was shown.
fn blurred(key: Bytes, shown: Option<&Bytes>, way: Way) -> Bytes {
    if shown == Some(&key) {
        return key;
    }
    const TIME: usize = 6;
    let mut bytes = key.to_vec();
    let fill = match way {
        Way::Up => 0,
        Way::Down => u8::MAX,
    };
    bytes.iter_mut().skip(TIME).for_each(|byte| *byte = fill);
    let place = Bytes::from(bytes);
    match (shown, way) {
        (Some(shown), Way::Up) => place.max(shown.clone()),
        (Some(shown), Way::Down) => place.min(shown.clone()),
        (None, _) => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::query::Query;
    use model::{
        ids::{EventId, GroupId, RequestId},
        state::{kv::Kv, memory::Memory},
        time::Timestamp,
    };

    const EVENTS: Kind = Kind {
        table: Table::Events,
        show: |key| EventId::from_key(key).map(|id| id.to_string()),
        read: |text| text.parse().ok().map(|id: EventId| id.key().to_vec()),
        is_shared: true,
    };

    fn id(ms: u64) -> EventId {
        RequestId::mint(Timestamp(ms), GroupId(1 + (ms % 2) as u16), 0).event(1)
    }

    fn views(times: std::ops::Range<u64>) -> Vec<Memory> {
        let mut views = vec![Memory::default(); 2];
        for ms in times {
            views[(ms % 2) as usize].put(Table::Events, &id(ms).key(), &ms.to_be_bytes());
        }
        views
    }

    fn page(views: &[Memory], raw: &str) -> (Vec<u64>, Option<String>, Option<String>) {
        let asked = PageRequest::read(&Query::parse(raw), &["created_at"]).expect("a good query");
        let page = EVENTS.page(views, Span::of(Ids::ALL), &asked, |_, (_, value)| {
            Ok(value.as_ref().try_into().ok().map(u64::from_be_bytes))
        });
        let page = page.expect("a good cursor");
        (
            page.rows.into_iter().map(|(_, ms)| ms).collect(),
            page.next,
            page.prev,
        )
    }

    #[test]
    fn pages_walk_forward_and_back_over_partitions() {
        let views = views(1..8);
        let (rows, next, prev) = page(&views, "limit=3");
        assert_eq!((rows, prev), (vec![7, 6, 5], None));
        let (rows, next, prev) = page(&views, &format!("limit=3&next={}", next.expect("more")));
        assert_eq!(rows, [4, 3, 2]);
        let (back, forward, start) = page(&views, &format!("limit=3&prev={}", prev.expect("back")));
        assert_eq!((back, start), (vec![7, 6, 5], None));
        assert_eq!(forward, Some(id(5).to_string()));
        let (rows, next, _) = page(&views, &format!("limit=3&next={}", next.expect("more")));
        assert_eq!((rows, next), (vec![1], None));
    }

    #[test]
    fn a_cursor_stays_where_it_is_while_rows_come() {
        let (_, next, _) = page(&views(1..8), "limit=3");
        let later = views(1..100);
        let (rows, ..) = page(&later, &format!("limit=3&next={}", next.expect("more")));
        assert_eq!(rows, [4, 3, 2]);
    }

    #[test]
    fn oldest_first_is_the_same_backwards() {
        let views = views(1..6);
        let (rows, next, _) = page(&views, "dir=asc&limit=2");
        assert_eq!(rows, [1, 2]);
        let (rows, ..) = page(
            &views,
            &format!("dir=asc&limit=2&next={}", next.expect("more")),
        );
        assert_eq!(rows, [3, 4]);
    }

    #[test]
    fn a_cursor_that_is_no_id_is_refused() {
        let asked = PageRequest::read(&Query::parse("next=x"), &["created_at"]).expect("a query");
        let page = EVENTS.page(&views(1..2), Span::of(Ids::ALL), &asked, |_, _| {
            Ok(Some(()))
        });
        assert!(page.is_err());
    }
}
