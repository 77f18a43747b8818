//! The console that a script writes to, within bounds.

use super::{
    execution::{ConsoleLine, LineType},
    limits::Limits,
};

/// The lines so far.
pub(super) struct Console {
    lines: Vec<ConsoleLine>,
    bytes: usize,
    /// Lines that found no room.
    lost: usize,
    lines_max: usize,
    bytes_max: usize,
}

/// Marks a line that was longer.
const CUT: &str = " … (cut)";

impl Console {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            lines: Vec::new(),
            bytes: 0,
            lost: 0,
            lines_max: limits.log_lines,
            bytes_max: limits.log_bytes,
        }
    }

    /// Bytes that the next line may have.
    pub(super) fn room(&self) -> usize {
        match self.lines.len() < self.lines_max {
            true => self.bytes_max - self.bytes,
            false => 0,
        }
    }

    /// Takes a line, the part of it that fits, or only the fact that there was one.
    pub(super) fn write(&mut self, line_type: LineType, text: &str) {
        let room = self.bytes_max - self.bytes;
        if self.lines.len() == self.lines_max || room == 0 {
            self.lost += 1;
            return;
        }
        let message = if text.len() <= room {
            text.to_owned()
        } else {
            format!("{}{CUT}", &text[..text.floor_char_boundary(room)])
        };
        self.bytes += text.len().min(room);
        self.lines.push(ConsoleLine { line_type, message });
    }

    /// Takes the lines out. What was lost is said by a last line.
    pub(super) fn take(&mut self) -> Vec<ConsoleLine> {
        let mut lines = std::mem::take(&mut self.lines);
        if self.lost > 0 {
            lines.push(ConsoleLine {
                line_type: LineType::Warn,
                message: format!(
                    "{} more lines were cut: at most {} lines and {} bytes are kept",
                    self.lost, self.lines_max, self.bytes_max
                ),
            });
        }
        lines
    }
}

/// A line in the making: no longer than there is room for, and a character more if it was.
pub(super) struct Line {
    text: String,
    room: usize,
}

/// The longest character.
const CHARACTER_MAX: usize = 4;

impl Line {
    pub(super) fn of(room: usize) -> Self {
        Self {
            text: String::new(),
            room,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() > self.room || self.room == 0
    }

    pub(super) fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Takes what fits of a text. False, and nothing taken, where what would fit is no UTF-8.
    pub(super) fn push_bytes(&mut self, text: &[u8]) -> bool {
        if self.is_full() {
            return true;
        }
        let left = self.room - self.text.len() + CHARACTER_MAX;
        let fits = &text[..text.len().min(left)];
        let fits = match std::str::from_utf8(fits) {
            Ok(fits) => fits,
            // Cut within its last character.
            Err(error) if error.error_len().is_none() && fits.len() < text.len() => {
                std::str::from_utf8(&fits[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return false,
        };
        self.text.push_str(fits);
        true
    }

    pub(super) fn trim_end(&mut self) {
        let end = self.text.trim_end().len();
        self.text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(log_lines: usize, log_bytes: usize) -> Console {
        Console::new(&Limits {
            time_ms: 0,
            memory_bytes: 0,
            stack_bytes: 0,
            code_bytes: 0,
            output_bytes: 0,
            log_lines,
            log_bytes,
            must_be_confined: true,
        })
    }

    fn texts(lines: &[ConsoleLine]) -> Vec<&str> {
        lines.iter().map(|line| line.message.as_str()).collect()
    }

    #[test]
    fn what_fits_is_kept_as_it_was() {
        let mut console = console(3, 100);
        console.write(LineType::Log, "a");
        console.write(LineType::Error, "é");
        let lines = console.take();
        assert_eq!(texts(&lines), ["a", "é"]);
        assert_eq!(lines[1].line_type, LineType::Error);
    }

    #[test]
    fn too_many_lines_are_counted_visibly() {
        let mut console = console(2, 100);
        for _ in 0..1_000_000 {
            console.write(LineType::Log, "x");
        }
        let lines = console.take();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].message.starts_with("999998 more lines were cut"));
    }

    #[test]
    fn a_line_takes_no_more_than_there_is_room_for() {
        let mut line = Line::of(10);
        let long = "é".repeat(1_000_000);
        assert!(line.push_bytes(long.as_bytes()));
        assert!(line.is_full() && line.text().len() <= 14, "{}", line.text());
        line.push("more");
        assert!(line.text().chars().all(|letter| letter == 'é'));
        let mut other = Line::of(10);
        assert!(!other.push_bytes(b"a\xed\xa0\x80"), "half a pair");
        assert_eq!(other.text(), "");
        assert!(Line::of(0).is_full());
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_says_so() {
        let mut console = console(10, 4);
        console.write(LineType::Log, "aéé€");
        console.write(LineType::Log, "none");
        let lines = console.take();
        assert_eq!(lines[0].message, format!("aé{CUT}"));
        assert!(lines[1].message.starts_with("1 more lines were cut"));
    }
}
