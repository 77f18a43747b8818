//! What a destination's URL must look like before anyone asks where it leads. Pure: names are not resolved here, and the
//! address that one leads to is judged by `egress` at every connect.

use core::net::{Ipv4Addr, Ipv6Addr};

pub const LEN_MAX: usize = 2048;

/// Checks a destination's URL as it is kept.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check(url: &str) -> Result<(), String> {
    if url.len() > LEN_MAX {
        return Err(format!("expected a URL of at most {LEN_MAX} characters"));
    }
    // A host beyond ASCII is written as `xn--…`: look-alike digits and dots must not pass as a name.
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected a URL of visible ASCII characters".into());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err("expected an http or https URL".into());
    }
    if rest.contains('#') {
        return Err("expected a URL without a fragment".into());
    }
    // Some read a backslash as a slash and some do not.
    if rest.contains('\\') {
        return Err("expected a URL without backslashes".into());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("expected a URL without a user name".into());
    }
    let (host, port) = split(authority)?;
    check_host(host)?;
    port.map_or(Ok(()), check_port)
}

fn split(authority: &str) -> Result<(&str, Option<&str>), String> {
    let Some(rest) = authority.strip_prefix('[') else {
        return Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    };
    let closed = rest.split_once(']').filter(|(v6, after)| {
        v6.parse::<Ipv6Addr>().is_ok() && (after.is_empty() || after.starts_with(':'))
    });
    let (_, after) = closed.ok_or("expected an IPv6 address in brackets")?;
    Ok((authority, after.strip_prefix(':')))
}

fn check_host(host: &str) -> Result<(), String> {
    if host.starts_with('[') {
        return Ok(());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let labels_are_sound = name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if !labels_are_sound {
        return Err("expected a host name or an address".into());
    }
    // `127.1`, `2130706433` and `0x7f.1` are addresses to a resolver and names to a reader.
    let last = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_number && (host != name || name.parse::<Ipv4Addr>().is_err()) {
        return Err("expected an IPv4 address as four decimal numbers".into());
    }
    Ok(())
}

/// Ports below 1024 belong to services that no webhook receiver is; two of them are the web's.
fn check_port(port: &str) -> Result<(), String> {
    match port.parse::<u16>() {
        Ok(80 | 443 | 1024..) if port.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err("expected port 80, 443, or one from 1024 to 65535".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_urls_pass() {
        for url in [
            "https://example.com/hook?x=1",
            "HTTP://Example.com.",
            "http://localhost:9000/",
            "http://10.1.2.3:8443/a@b",
            "https://[2606:4700::1111]:8443/",
            "https://xn--bcher-kva.example/",
            "https://my_service.internal:80",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn urls_that_hide_where_they_lead_are_refused() {
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "http://",
            "http://a@169.254.169.254/",
            "http://a/#f",
            "https://x:22",
            "https://x:+443",
            "https://x:",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://[::1",
            "http://[::1]x/",
            "http://①②⑦.0.0.1/",
            "http://a..b/",
            "http://a\\@b/",
            "http://a b/",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
        assert!(check(&format!("http://a/{}", "x".repeat(LEN_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = check(&text);
            let _ = check(&format!("http://{text}"));
        }

        #[test]
        fn every_canonical_address_passes(v4: Ipv4Addr, v6: Ipv6Addr) {
            prop_assert_eq!(check(&format!("http://{v4}/")), Ok(()));
            prop_assert_eq!(check(&format!("http://[{v6}]/")), Ok(()));
        }
    }
}
