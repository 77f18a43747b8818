//! Lists of configured things: filters that all kinds share, order and cursors.

use crate::{page::PageRequest, problem::Problem, query::Query, view::list::List};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{query::Range, time::Timestamp};

/// A position in a list: what it is ordered by, then the id.
type Key = (String, String);

/// The filters that all nouns of the catalog share.
#[derive(Debug)]
pub struct CatalogFilter {
    ids: Vec<String>,
    names: Vec<String>,
    /// Whether it must have a name, or must not.
    is_named: Option<bool>,
    leaves_disabled_out: bool,
    disabled_at: Range,
}

impl CatalogFilter {
    pub fn read(query: &Query) -> Result<Self, Problem> {
        let names = query.all("name").into_iter().map(str::to_owned).collect();
        Self::with_names(query, names)
    }

    /// Reads the filters for things that can't be switched off: ids and names alone.
    pub fn read_named(query: &Query) -> Self {
        let texts = |name| query.all(name).into_iter().map(str::to_owned).collect();
        Self {
            ids: texts("id"),
            names: texts("name"),
            is_named: None,
            leaves_disabled_out: false,
            disabled_at: Range::default(),
        }
    }

    /// Reads the filters for things whose name is free text: a comma is part of it.
    pub fn read_free(query: &Query) -> Result<Self, Problem> {
        Self::with_names(query, query.texts("name"))
    }

    fn with_names(query: &Query, names: Vec<String>) -> Result<Self, Problem> {
        Ok(Self {
            ids: query.all("id").into_iter().map(str::to_owned).collect(),
            names,
            is_named: query.any("name")?,
            // Asked for as "the disabled too": true means all, as does no answer.
            leaves_disabled_out: query.flag("disabled")? == Some(false),
            disabled_at: query.times("disabled_at")?,
        })
    }

    pub fn keeps(&self, id: &str, name: Option<&str>, disabled: Option<Timestamp>) -> bool {
        is_among(&self.ids, id)
            && (self.names.is_empty() || name.is_some_and(|name| is_among(&self.names, name)))
            && self.is_named.is_none_or(|wanted| name.is_some() == wanted)
            && !(self.leaves_disabled_out && disabled.is_some())
            && self.disabled_at.holds_time(disabled)
    }
}

/// Whether a value is one of the wanted; nothing wanted means anything.
pub fn is_among(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
}

/// A time as a key that sorts as text.
pub fn time_key(at: Timestamp) -> String {
    format!("{:020}", at.0)
}

/// The answer of a list.
///
/// # Errors
/// A cursor of another list, or a row that can't be shown.
pub fn answer<T, V, E: From<Problem>>(
    asked: &PageRequest,
    rows: Vec<(Key, T)>,
    show: impl Fn(T) -> Result<V, E>,
) -> Result<List<V>, E> {
    let page = asked.cut(rows, read_cursor)?;
    let next = page.next.as_ref().map(show_cursor);
    let prev = page.prev.as_ref().map(show_cursor);
    let models = page.rows.into_iter().map(|(_, row)| show(row));
    let models = models.collect::<Result<_, _>>()?;
    Ok(asked.envelope(models, next, prev))
}

fn show_cursor((order, id): &Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{order}\n{id}"))
}

fn read_cursor(text: &str) -> Option<Key> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (order, id) = text.split_once('\n')?;
    Some((order.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let key = (time_key(Timestamp(17)), "src_1".to_owned());
        assert_eq!(read_cursor(&show_cursor(&key)), Some(key));
        for garbage in ["", "!", "c3Jj", "____"] {
            assert_eq!(read_cursor(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn disabled_things_are_left_out_only_when_asked() {
        let at = Some(Timestamp(1));
        let keeps = |raw: &str| {
            let filter = CatalogFilter::read(&Query::parse(raw)).expect("a good query");
            (
                filter.keeps("a", Some("n"), None),
                filter.keeps("a", Some("n"), at),
            )
        };
        assert_eq!(keeps("disabled=false"), (true, false));
        assert_eq!(keeps("disabled=true"), (true, true));
        assert_eq!(keeps(""), (true, true));
        assert_eq!(keeps("disabled_at[any]=true"), (false, true));
    }

    #[test]
    fn a_free_name_keeps_its_commas_and_presence_can_be_asked_for() {
        let query = Query::parse("name=late,again");
        let free = CatalogFilter::read_free(&query).expect("a good query");
        assert!(free.keeps("a", Some("late,again"), None) && !free.keeps("a", Some("late"), None));
        let several = CatalogFilter::read(&query).expect("a good query");
        assert!(several.keeps("a", Some("late"), None) && several.keeps("a", Some("again"), None));
        let named = CatalogFilter::read(&Query::parse("name[any]=false")).expect("a good query");
        assert!(named.keeps("a", None, None) && !named.keeps("a", Some("late"), None));
    }

    #[test]
    fn a_name_is_matched_exactly() {
        let filter = CatalogFilter::read(&Query::parse("name=shop")).expect("a good query");
        assert!(filter.keeps("a", Some("shop"), None));
        assert!(!filter.keeps("a", Some("shop2"), None) && !filter.keeps("a", None, None));
    }
}
