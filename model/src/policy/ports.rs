//! The ports that outgoing connections may lead to, as the configuration writes them: `"443"`, `"1024-65535"`.

use core::{fmt, ops::RangeInclusive, str::FromStr};

/// Ranges of ports. Below 1024 live services that no webhook receiver is; two of them are the web's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Default for Ports {
    fn default() -> Self {
        Self(vec![80..=80, 443..=443, 1024..=u16::MAX])
    }
}

impl Ports {
    /// # Errors
    /// What was expected.
    pub fn parse<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let ranges = ranges.into_iter().map(range);
        ranges.collect::<Result<_, _>>().map(Self)
    }

    #[must_use]
    pub fn hold(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// Each range as the configuration writes it.
    pub fn ranges(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|range| {
            let (first, last) = (range.start(), range.end());
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| u16::from_str(text.trim()).ok().filter(|&port| port > 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(format!(
            "`{text}` is no range of ports, expected one as 443 or 1024-65535"
        )),
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ranges().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_they_are_written() {
        let written = ["80", "443", "1024-65535"];
        assert_eq!(Ports::parse(written), Ok(Ports::default()));
        assert_eq!(Ports::default().ranges().collect::<Vec<_>>(), written);
        for bad in ["", "0", "22-", "9-8", "65536", "a", "-1"] {
            assert!(Ports::parse([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_is_held_by_any_range() {
        let ports = Ports::default();
        assert!(ports.hold(80) && ports.hold(443) && ports.hold(8443) && ports.hold(65535));
        assert!(!ports.hold(0) && !ports.hold(22) && !ports.hold(81) && !ports.hold(1023));
    }
}
