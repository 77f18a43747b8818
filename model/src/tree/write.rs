//! Writes a tree as JSON, up to a bound. What was read is spelled as it was, but for the white space around it.

use super::{Text, Tree};
use std::io::{self, Write};

/// The tree as compact JSON; none when that takes more than `bytes_max`.
#[must_use]
pub fn write(tree: &Tree, bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Bounded {
        bytes: Vec::new(),
        bytes_max,
    };
    value(tree, &mut out).ok()?;
    Some(out.bytes)
}

struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if more.len() > self.bytes_max - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn value(tree: &Tree, out: &mut Bounded) -> io::Result<()> {
    match tree {
        Tree::Null => out.write_all(b"null"),
        Tree::Bool(true) => out.write_all(b"true"),
        Tree::Bool(false) => out.write_all(b"false"),
        Tree::Number(digits) => out.write_all(digits.as_str().as_bytes()),
        Tree::Text(text) => string(text, out),
        Tree::List(items) => {
            out.write_all(b"[")?;
            for (place, item) in items.iter().enumerate() {
                comma(place, out)?;
                value(item, out)?;
            }
            out.write_all(b"]")
        }
        Tree::Object(fields) => {
            out.write_all(b"{")?;
            for (place, (key, item)) in fields.iter().enumerate() {
                comma(place, out)?;
                string(key, out)?;
                out.write_all(b":")?;
                value(item, out)?;
            }
            out.write_all(b"}")
        }
    }
}

fn comma(place: usize, out: &mut Bounded) -> io::Result<()> {
    match place {
        0 => Ok(()),
        _ => out.write_all(b","),
    }
}

fn string(text: &Text, out: &mut Bounded) -> io::Result<()> {
    let Some(raw) = text.raw() else {
        return serde_json::to_writer(out, text.as_str()).map_err(Into::into);
    };
    out.write_all(b"\"")?;
    out.write_all(raw)?;
    out.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_not_break_out_of_its_quotes() {
        let tree = Tree::object([("a\"b".into(), Tree::text("\",\"x\":1\n\u{0}"))]);
        let written = write(&tree, usize::MAX).expect("fits");
        assert_eq!(
            String::from_utf8_lossy(&written),
            r#"{"a\"b":"\",\"x\":1\n\u0000"}"#
        );
    }

    #[test]
    fn nothing_is_written_beyond_the_bound() {
        let tree = Tree::List(vec![Tree::text("abc"), Tree::Null]);
        let whole = write(&tree, usize::MAX).expect("fits");
        assert_eq!(write(&tree, whole.len()), Some(whole.clone()));
        for bound in 0..whole.len() {
            assert_eq!(write(&tree, bound), None);
        }
    }
}
