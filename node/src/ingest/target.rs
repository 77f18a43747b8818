//! The target of a request, which its path names: a source by its id, and what follows it.

use model::ids::SourceId;

/// The target of a post to a source's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) source: SourceId,
    /// With its leading slash, as received; empty when nothing follows.
    pub(super) path: &'a str,
}

/// Reads `/{source id}` and `/{source id}/any/path`.
pub(super) fn target(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix('/')?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (id, path) = rest.split_at(end);
    Some(Target {
        source: id.parse().ok()?,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_source_id_is_kept_as_it_came() {
        let source = SourceId(7);
        for path in ["", "/", "/a%2Fb//c", "/a;v=1"] {
            let full = format!("/{source}{path}");
            assert_eq!(target(&full), Some(Target { source, path }));
        }
    }

    #[test]
    fn anything_else_names_no_source() {
        for path in [
            "",
            "/",
            "*",
            "/favicon.ico",
            "/src_1",
            "src_00000000000000000000000007",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
