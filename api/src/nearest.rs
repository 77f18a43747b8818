//! The name that was probably meant.

/// More than this is no slip of the hand.
const SLIPS_MAX: usize = 2;

/// The known name that is closest to `given`, where one is close.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|name| (slips(given, name), name));
    let near = near.filter(|(slips, name)| {
        // The name itself was no slip: something else is wrong with it.
        (1..=SLIPS_MAX).contains(slips) && slips * 2 < name.len()
    });
    near.min().map(|(_, name)| name)
}

/// "; did you mean …?", where something was.
pub(crate) fn hint<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(given, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Letters to add, to take away or to change until one text is the other.
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    if one.len().abs_diff(other.len()) > 4 * SLIPS_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_finds_its_name_and_another_word_none() {
        let known = ["webhook_ids", "grace_s", "name"];
        for (given, found) in [
            ("webhook_idz", Some("webhook_ids")),
            ("grace", Some("grace_s")),
            ("nmae", None),
            ("names", Some("name")),
            ("name", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), found, "{given}");
        }
    }
}
