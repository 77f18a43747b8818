//! Pages of a list: what was asked for, where a page begins and ends, and the envelope of the answer.

use crate::view::list::{Direction, List, Pagination};
use crate::{problem::Problem, query::Query};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 255;

/// The cursor of a list: where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    Start,
    After(String),
    Before(String),
}

#[derive(Clone, Debug)]
pub struct PageRequest {
    pub limit: usize,
    pub order_by: &'static str,
    pub ascending: bool,
    pub cursor: Cursor,
}

/// A page, with the keys to ask for its neighbours.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<K, T> {
    pub rows: Vec<(K, T)>,
    pub next: Option<K>,
    pub prev: Option<K>,
}

impl PageRequest {
    /// The newest so many.
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            order_by: "created_at",
            ascending: false,
            cursor: Cursor::Start,
        }
    }

    /// Reads limit, order and cursor. The first of `orders` is the default.
    pub fn read(query: &Query, orders: &'static [&'static str]) -> Result<Self, Problem> {
        let limit = match query.one("limit").map(str::parse::<u16>) {
            None => DEFAULT_LIMIT,
            // 0 too is refused, which the document allows: clients take a limit of 0 in the answer for a broken list, and
            // another one than they asked for would be a guess.
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                return Err(Problem::invalid(
                    "limit",
                    format!("expected a whole number from 1 to {MAX_LIMIT}"),
                ));
            }
        };
        let order_by = match query.one("order_by") {
            None => orders.first().copied().unwrap_or("created_at"),
            Some(wanted) => match orders.iter().find(|order| **order == wanted) {
                Some(order) => order,
                None => {
                    let expected = format!("expected one of {}", orders.join(", "));
                    return Err(Problem::invalid("order_by", expected));
                }
            },
        };
        let ascending = match query.one("dir") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(Problem::invalid("dir", "expected asc or desc")),
        };
        let cursor = match (query.one("next"), query.one("prev")) {
            (None, None) => Cursor::Start,
            (Some(key), None) => Cursor::After(key.to_owned()),
            (None, Some(key)) => Cursor::Before(key.to_owned()),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid("next", "expected next or prev, not both"));
            }
        };
        Ok(Self {
            limit: usize::from(limit),
            order_by,
            ascending,
            cursor,
        })
    }

    /// The answer of a list.
    pub fn envelope<T>(
        &self,
        models: Vec<T>,
        next: Option<String>,
        prev: Option<String>,
    ) -> List<T> {
        List {
            pagination: Pagination {
                order_by: self.order_by,
                dir: match self.ascending {
                    true => Direction::Asc,
                    false => Direction::Desc,
                },
                limit: self.limit,
                next,
                prev,
            },
            count: models.len(),
            models,
            missing: None,
        }
    }

    /// Cuts one page out of all rows. A cursor's own row may be gone: its key still says where the page begins.
    pub fn cut<K: Ord + Clone, T>(
        &self,
        mut rows: Vec<(K, T)>,
        read: impl Fn(&str) -> Option<K>,
    ) -> Result<Page<K, T>, Problem> {
        rows.sort_by(|(a, _), (b, _)| if self.ascending { a.cmp(b) } else { b.cmp(a) });
        let is_before = |a: &K, b: &K| if self.ascending { a < b } else { a > b };
        let (begin, end) = match &self.cursor {
            Cursor::Start => (0, self.limit),
            Cursor::After(text) => {
                let key = read(text).ok_or_else(|| bad_cursor("next"))?;
                let begin = rows.partition_point(|(row, _)| !is_before(&key, row));
                (begin, begin + self.limit)
            }
            Cursor::Before(text) => {
                let key = read(text).ok_or_else(|| bad_cursor("prev"))?;
                let end = rows.partition_point(|(row, _)| is_before(row, &key));
                (end.saturating_sub(self.limit), end)
            }
        };
        let (has_next, has_prev) = (rows.len() > end, begin > 0);
        rows.truncate(end);
        let rows = rows.split_off(begin.min(rows.len()));
        let key = |row: Option<&(K, T)>| row.map(|(key, _)| key.clone());
        Ok(Page {
            next: key(rows.last()).filter(|_| has_next),
            prev: key(rows.first()).filter(|_| has_prev),
            rows,
        })
    }
}

pub fn bad_cursor(field: &str) -> Problem {
    Problem::invalid(field, "expected a cursor of a former answer to this list")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(raw: &str) -> PageRequest {
        PageRequest::read(&Query::parse(raw), &["created_at", "name"]).expect("a good query")
    }

    fn cut(raw: &str, rows: &[u32]) -> (Vec<u32>, Option<u32>, Option<u32>) {
        let rows = rows.iter().map(|&row| (row, ())).collect();
        let page = asked(raw).cut(rows, |text| text.parse().ok());
        let page = page.expect("a good cursor");
        let rows = page.rows.into_iter().map(|(row, ())| row).collect();
        (rows, page.next, page.prev)
    }

    #[test]
    fn pages_walk_forward_and_back() {
        let rows = [1, 2, 3, 4, 5];
        assert_eq!(cut("limit=2", &rows), (vec![5, 4], Some(4), None));
        assert_eq!(cut("limit=2&next=4", &rows), (vec![3, 2], Some(2), Some(3)));
        assert_eq!(cut("limit=2&next=2", &rows), (vec![1], None, Some(1)));
        assert_eq!(cut("limit=2&prev=1", &rows), (vec![3, 2], Some(2), Some(3)));
        assert_eq!(cut("limit=2&prev=3", &rows), (vec![5, 4], Some(4), None));
        assert_eq!(
            cut("dir=asc&limit=2&next=2", &rows),
            (vec![3, 4], Some(4), Some(3))
        );
    }

    #[test]
    fn a_cursor_outlives_its_row_and_rows_that_come_between() {
        assert_eq!(
            cut("limit=2&next=4", &[1, 2, 3, 5]),
            (vec![3, 2], Some(2), Some(3))
        );
        assert_eq!(cut("limit=2&next=4", &[1, 2, 3, 5, 6, 7]).0, [3, 2]);
    }

    #[test]
    fn a_page_beyond_the_end_is_empty() {
        assert_eq!(cut("next=0", &[1, 2]), (vec![], None, None));
        assert_eq!(cut("", &[]), (vec![], None, None));
    }

    #[test]
    fn bad_paging_names_its_parameter() {
        for (raw, field) in [
            ("limit=many", "limit"),
            ("limit=256", "limit"),
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("order_by=color", "order_by"),
            ("dir=up", "dir"),
            ("next=a&prev=b", "next"),
        ] {
            let error = PageRequest::read(&Query::parse(raw), &["created_at"]).expect_err(raw);
            assert!(error.message().starts_with(field), "{error}");
        }
        assert!(
            asked("next=x")
                .cut(vec![(1, ())], |text| text.parse().ok())
                .is_err()
        );
    }

    #[test]
    fn the_envelope_always_has_a_limit_and_plain_strings() {
        let envelope = asked("").envelope(vec![1], Some("n".into()), None);
        assert_eq!(
            crate::view::tests::json(envelope),
            json!({
                "pagination": {"order_by": "created_at", "dir": "desc", "limit": 100, "next": "n"},
                "count": 1,
                "models": [1],
            })
        );
    }
}
