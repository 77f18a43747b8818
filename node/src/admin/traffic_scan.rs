//! Rows of one table over all partitions, merged by key, with a bound on how many are looked at.

use super::api_error::ApiError;
use bytes::Bytes;
use model::state::kv::{KvError, Read, Row, Table};
use std::collections::VecDeque;

/// Rows that one look reads at most, over all partitions. A filter that keeps little gets a short page and a cursor.
pub(super) const MAX_LOOKED_AT: usize = 50_000;
/// Rows read from a partition at a time.
const CHUNK: usize = 128;

/// Keys `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) rows: Vec<(Bytes, T)>,
    /// There may be more behind this key. None: this was all.
    pub(super) more: Option<Bytes>,
}

/// What is still unread of one partition.
struct Unread<'a, V> {
    view: &'a V,
    span: Span,
    waiting: VecDeque<Row>,
    dry: bool,
}

impl<V: Read> Unread<'_, V> {
    fn fill(&mut self, table: Table, way: Way) -> Result<(), KvError> {
        if self.dry || !self.waiting.is_empty() {
            return Ok(());
        }
        let (from, to) = (&self.span.from, &self.span.to);
        let rows = match way {
            Way::Up => self.view.scan(table, from, to, CHUNK)?,
            Way::Down => self.view.scan_back(table, from, to, CHUNK)?,
        };
        self.dry = rows.len() < CHUNK;
        if let Some((last, _)) = rows.last() {
            match way {
                Way::Up => self.span.from = behind(last),
                Way::Down => self.span.to = last.to_vec(),
            }
        }
        self.waiting = rows.into();
        Ok(())
    }
}

/// The smallest key behind `key`.
pub(super) fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// At most `limit` rows that `read` keeps, in the order of their keys over all views.
pub(super) fn scan<V: Read, T>(
    views: &[V],
    table: Table,
    span: &Span,
    way: Way,
    limit: usize,
    mut read: impl FnMut(&V, &Row) -> Result<Option<T>, ApiError>,
) -> Result<Found<T>, ApiError> {
    let mut parts: Vec<_> = views
        .iter()
        .map(|view| Unread {
            view,
            span: span.clone(),
            waiting: VecDeque::new(),
            dry: false,
        })
        .collect();
    let mut rows: Vec<(Bytes, T)> = Vec::new();
    let mut last_seen = None;
    for _ in 0..MAX_LOOKED_AT {
        let Some((part, row)) = next(&mut parts, table, way)? else {
            return Ok(Found { rows, more: None });
        };
        if let Some(kept) = read(parts[part].view, &row)? {
            if rows.len() == limit {
                // One more than asked for: so there is a next page, and it begins behind the last row of this one.
                let more = rows.last().map(|(key, _)| key.clone());
                return Ok(Found { rows, more });
            }
            rows.push((row.0.clone(), kept));
        }
        last_seen = Some(row.0);
    }
    Ok(Found {
        rows,
        more: last_seen,
    })
}

/// Takes the first row over all parts.
fn next<V: Read>(
    parts: &mut [Unread<'_, V>],
    table: Table,
    way: Way,
) -> Result<Option<(usize, Row)>, KvError> {
    let mut first: Option<(usize, &Bytes)> = None;
    for part in parts.iter_mut() {
        part.fill(table, way)?;
    }
    for (place, part) in parts.iter().enumerate() {
        let Some((key, _)) = part.waiting.front() else {
            continue;
        };
        let is_first = first.is_none_or(|(_, known)| match way {
            Way::Up => key < known,
            Way::Down => key > known,
        });
        if is_first {
            first = Some((place, key));
        }
    }
    let Some((place, _)) = first else {
        return Ok(None);
    };
    Ok(parts[place].waiting.pop_front().map(|row| (place, row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::state::{kv::Kv, memory::Memory};

    /// Three partitions with the keys 0..n dealt out in turn.
    fn partitions(n: u32) -> Vec<Memory> {
        let mut views = vec![Memory::default(); 3];
        for key in 0..n {
            views[key as usize % 3].put(Table::Events, &key.to_be_bytes(), &[]);
        }
        views
    }

    fn keys(
        views: &[Memory],
        span: (u32, u32),
        way: Way,
        limit: usize,
        keep: impl Fn(u32) -> bool,
    ) -> (Vec<u32>, Option<u32>) {
        let span = Span {
            from: span.0.to_be_bytes().to_vec(),
            to: span.1.to_be_bytes().to_vec(),
        };
        let number = |key: &[u8]| u32::from_be_bytes(key.try_into().expect("four bytes"));
        let found = scan(views, Table::Events, &span, way, limit, |_, (key, _)| {
            Ok(Some(number(key)).filter(|&key| keep(key)))
        });
        let found = found.expect("memory can be read");
        let rows = found.rows.into_iter().map(|(_, row)| row).collect();
        (rows, found.more.map(|key| number(&key)))
    }

    #[test]
    fn partitions_are_merged_in_order() {
        let views = partitions(1000);
        let all = |_| true;
        assert_eq!(
            keys(&views, (10, 14), Way::Up, 9, all),
            (vec![10, 11, 12, 13], None)
        );
        assert_eq!(
            keys(&views, (0, 1000), Way::Down, 3, all),
            (vec![999, 998, 997], Some(997))
        );
        let (up, more) = keys(&views, (0, 1000), Way::Up, 1000, all);
        assert_eq!((up, more), ((0..1000).collect(), None));
    }

    #[test]
    fn a_full_page_says_whether_there_is_another() {
        let views = partitions(10);
        let even = |key| key % 2 == 0;
        assert_eq!(
            keys(&views, (0, 10), Way::Up, 5, even),
            (vec![0, 2, 4, 6, 8], None)
        );
        assert_eq!(
            keys(&views, (0, 10), Way::Up, 4, even),
            (vec![0, 2, 4, 6], Some(6))
        );
    }

    #[test]
    fn a_filter_that_keeps_nothing_stops_and_says_where() {
        let n = MAX_LOOKED_AT as u32 + 10;
        let views = partitions(n);
        let (rows, more) = keys(&views, (0, n), Way::Up, 5, |_| false);
        assert_eq!((rows, more), (vec![], Some(MAX_LOOKED_AT as u32 - 1)));
    }
}
