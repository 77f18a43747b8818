//! The durable watermark: a second, independent memory of how far each group was durable, so that a node notices when
//! its database has lost what it acknowledged. Two files take turns, so that a torn write costs one of them only.
//!
//! `"TGWM" | layout u32 | sequence u64 | count u32 | (group u16 | next u64 | term u64 | node u64) × count | crc32c u32`

use crate::error::Error;
use bytes::{Buf, BufMut};
use model::ids::GroupId;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 4] = b"TGWM";
const LAYOUT: u32 = 1;
const FILES: [&str; 2] = ["durable.0", "durable.1"];
const MARK: usize = 26;

/// The watermark of one group: how far it is durable at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The log ends before this index.
    pub(crate) next: u64,
    /// Term and node of the vote.
    pub(crate) rank: (u64, u64),
}

pub(crate) type Marks = BTreeMap<GroupId, Mark>;

/// The watermarks that the files hold at open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Marks { sequence: u64, marks: Marks },
    Unreadable,
}

pub(crate) struct Watermark {
    dir: PathBuf,
    sequence: u64,
    marks: Marks,
    dirty: bool,
}

impl Watermark {
    pub(crate) fn find(dir: &Path) -> Result<Found, Error> {
        let mut seen = false;
        let mut newest = None;
        for name in FILES {
            let path = dir.join(name);
            match fs::read(&path) {
                Ok(bytes) => {
                    seen = true;
                    newest = newest.max(parse(&bytes).map(|(sequence, marks)| {
                        (sequence, marks.into_iter().map(pack).collect::<Vec<_>>())
                    }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::file("reading", path)(error)),
            }
        }
        Ok(match newest {
            Some((sequence, marks)) => Found::Marks {
                sequence,
                marks: marks.into_iter().map(unpack).collect(),
            },
            None if seen => Found::Unreadable,
            None => Found::Nothing,
        })
    }

    pub(crate) fn new(dir: &Path, sequence: u64, marks: Marks) -> Self {
        Self {
            dir: dir.to_path_buf(),
            sequence,
            marks,
            dirty: true,
        }
    }

    /// Notes that a group is durable up to `next`. Written with the next rewrite: a file that says less is still true.
    pub(crate) fn raise(&mut self, group: GroupId, next: u64) {
        let mark = self.marks.entry(group).or_default();
        self.dirty |= mark.next < next;
        mark.next = mark.next.max(next);
    }

    /// The index up to which a group is promised to be durable.
    pub(crate) fn next(&self, group: GroupId) -> u64 {
        self.marks.get(&group).map_or(0, |mark| mark.next)
    }

    pub(crate) fn vote(&mut self, group: GroupId, rank: (u64, u64)) {
        let mark = self.marks.entry(group).or_default();
        self.dirty |= mark.rank != rank;
        mark.rank = rank;
    }

    /// Notes that a log is about to be cut. It must be on disk before the cut is, or a crash in between would look
    /// like a loss.
    pub(crate) fn lower(&mut self, group: GroupId, next: u64) -> Result<(), Error> {
        self.cut(group, next);
        self.write()
    }

    /// Notes that a log was cut.
    pub(crate) fn cut(&mut self, group: GroupId, next: u64) {
        let mark = self.marks.entry(group).or_default();
        self.dirty |= mark.next > next;
        mark.next = mark.next.min(next);
    }

    /// Rewrites the older of the two files, when there is news.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        if !self.dirty {
            return Ok(());
        }
        let sequence = self.sequence + 1;
        let path = self.dir.join(FILES[(sequence % 2) as usize]);
        write_file(&path, &encode(sequence, &self.marks))
            .map_err(Error::file("writing the watermark", path))?;
        self.sequence = sequence;
        self.dirty = false;
        Ok(())
    }

    /// Writes both files: from the first start on, a missing or unreadable pair is a sign of damage.
    pub(crate) fn write_both(&mut self) -> Result<(), Error> {
        for _ in FILES {
            self.dirty = true;
            self.write()?;
        }
        sync_dir(&self.dir)
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::file("syncing", dir))
}

type Packed = (u16, u64, u64, u64);

fn pack((group, mark): (GroupId, Mark)) -> Packed {
    (group.0, mark.next, mark.rank.0, mark.rank.1)
}

fn unpack((group, next, term, node): Packed) -> (GroupId, Mark) {
    (
        GroupId(group),
        Mark {
            next,
            rank: (term, node),
        },
    )
}

fn encode(sequence: u64, marks: &Marks) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + marks.len() * MARK);
    out.put_slice(MAGIC);
    out.put_u32(LAYOUT);
    out.put_u64(sequence);
    out.put_u32(u32::try_from(marks.len()).expect("a group number has 16 bits"));
    for (&group, &mark) in marks {
        let (group, next, term, node) = pack((group, mark));
        out.put_u16(group);
        out.put_u64(next);
        out.put_u64(term);
        out.put_u64(node);
    }
    let crc = crc32c::crc32c(&out);
    out.put_u32(crc);
    out
}

fn parse(bytes: &[u8]) -> Option<(u64, Marks)> {
    let (mut body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc != crc32c::crc32c(body).to_be_bytes() || body.len() < 20 || body[..4] != *MAGIC {
        return None;
    }
    body.advance(4);
    if body.get_u32() != LAYOUT {
        return None;
    }
    let sequence = body.get_u64();
    let count = body.get_u32() as usize;
    if body.len() != count * MARK {
        return None;
    }
    let marks = (0..count)
        .map(|_| {
            unpack((
                body.get_u16(),
                body.get_u64(),
                body.get_u64(),
                body.get_u64(),
            ))
        })
        .collect();
    Some((sequence, marks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(next: u64) -> Marks {
        Marks::from([(GroupId(3), Mark { next, rank: (7, 2) })])
    }

    #[test]
    fn the_newest_readable_file_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut watermark = Watermark::new(dir.path(), 0, marks(10));
        watermark.write_both().expect("written");
        watermark.raise(GroupId(3), 11);
        watermark.write().expect("written");
        let found = Watermark::find(dir.path()).expect("read");
        assert_eq!(
            found,
            Found::Marks {
                sequence: 3,
                marks: marks(11)
            }
        );

        let torn = dir.path().join(FILES[1]);
        let bytes = fs::read(&torn).expect("a file");
        fs::write(&torn, &bytes[..bytes.len() - 1]).expect("torn");
        let found = Watermark::find(dir.path()).expect("read");
        assert_eq!(
            found,
            Found::Marks {
                sequence: 2,
                marks: marks(10)
            }
        );
    }

    #[test]
    fn two_damaged_files_are_not_the_same_as_none() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Watermark::find(dir.path()).expect("read"), Found::Nothing);
        for name in FILES {
            fs::write(dir.path().join(name), b"noise").expect("written");
        }
        assert_eq!(
            Watermark::find(dir.path()).expect("read"),
            Found::Unreadable
        );
    }
}
