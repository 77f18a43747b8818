//! Validation of a destination's URL, before anyone asks where it leads. Pure: names are not resolved here, and the
//! address that one leads to is judged by `egress` at every connect.

use super::egress::Reach;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const LEN_MAX: usize = 2048;

/// Checks a destination's URL as it is kept: its form, and what can be told of where it leads without asking anyone.
///
/// # Errors
/// A sentence that says what was expected.
pub fn check(url: &str, reach: &Reach) -> Result<(), String> {
    if url.len() > LEN_MAX {
        return Err(format!("expected a URL of at most {LEN_MAX} characters"));
    }
    // A host beyond ASCII is written as `xn--…`: look-alike digits and dots must not pass as a name.
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected a URL of visible ASCII characters".into());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
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
        return Err("expected a URL without a user name or password".into());
    }
    let (host, port) = split(authority)?;
    check_host(host)?;
    check_port(port.unwrap_or(if is_secure { "443" } else { "80" }), reach)?;
    check_reach(host, is_secure, reach)?;
    if is_secure && host.starts_with('[') {
        return Err("expected a name or an IPv4 address with https".into());
    }
    Ok(())
}

/// The URL as it is asked for: scheme and host in lower case, and no dot behind the host.
#[must_use]
pub fn normalised(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = split(authority).unwrap_or((authority, None));
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{target}", scheme.to_ascii_lowercase())
}

/// A literal address is judged here already; a name, when it is known where it leads.
fn check_reach(host: &str, is_secure: bool, reach: &Reach) -> Result<(), String> {
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let speaks_plainly = match literal {
        Ok(address) if !reach.may_connect(address) => {
            return Err(format!(
                "expected an address that is global or in delivery.allow_private_networks, got {address}"
            ));
        }
        Ok(address) => reach.may_speak_plainly(address),
        Err(_) => reach.allow_http || !reach.allowed.is_empty(),
    };
    if is_secure || speaks_plainly {
        return Ok(());
    }
    Err("expected an https URL: http goes to networks of delivery.allow_private_networks only, unless \
         delivery.allow_http is set"
        .into())
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
    let (v6, after) = closed.ok_or("expected an IPv6 address in brackets")?;
    Ok((&authority[..v6.len() + 2], after.strip_prefix(':')))
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

fn check_port(port: &str, reach: &Reach) -> Result<(), String> {
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if is_plain && reach.ports.hold(port) => Ok(()),
        _ => Err(format!("expected a port of {}", reach.ports)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ports::Ports;
    use proptest::prelude::*;

    fn open() -> Reach {
        Reach {
            allowed: vec![
                "0.0.0.0/0".parse().expect("v4"),
                "::/0".parse().expect("v6"),
            ],
            allow_http: true,
            ..Reach::default()
        }
    }

    #[test]
    fn ordinary_urls_pass() {
        for url in [
            "https://example.com/hook?x=1",
            "HTTP://Example.com.",
            "http://localhost:9000/",
            "http://10.1.2.3:8443/a@b",
            "http://[2606:4700::1111]:8443/",
            "https://xn--bcher-kva.example/",
            "https://my_service.internal:80",
        ] {
            assert_eq!(check(url, &open()), Ok(()), "{url}");
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
            "http://[::ffff:127.0.0.1%25lo]/",
            "http://①②⑦.0.0.1/",
            "http://a..b/",
            "http://a\\@b/",
            "http://a b/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(check(url, &open()).is_err(), "{url}");
        }
        assert!(check(&format!("http://a/{}", "x".repeat(LEN_MAX)), &open()).is_err());
    }

    #[test]
    fn a_literal_address_inside_is_refused_at_once() {
        let reach = Reach {
            allowed: vec!["10.1.0.0/16".parse().expect("a network")],
            ..Reach::default()
        };
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::1]:8443",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::10.2.0.1]/",
            "https://169.254.169.254/latest",
        ] {
            assert!(
                check(url, &reach).is_err_and(|e| e.contains("global")),
                "{url}"
            );
        }
        assert_eq!(check("http://10.1.2.3:9000/", &reach), Ok(()));
        assert_eq!(check("https://1.1.1.1/", &reach), Ok(()));
    }

    #[test]
    fn http_needs_an_opened_network_or_the_operators_word() {
        let https_only = Reach::default();
        let expects_https = |url: &str, reach: &Reach| {
            check(url, reach).is_err_and(|error| error.contains("expected an https URL"))
        };
        assert!(expects_https("http://a.example/", &https_only));
        let private = Reach {
            allowed: vec!["10.1.0.0/16".parse().expect("a network")],
            ..Reach::default()
        };
        // Where the name leads is known when it is connected to.
        assert_eq!(check("http://a.internal/", &private), Ok(()));
        assert!(expects_https("http://1.1.1.1/", &private));
        let http = Reach {
            allow_http: true,
            ..Reach::default()
        };
        assert_eq!(check("http://a.example/", &http), Ok(()));
    }

    #[test]
    fn ports_are_the_operators() {
        let reach = Reach {
            ports: Ports::parse(["443", "9000-9001"]).expect("ports"),
            allow_http: true,
            ..Reach::default()
        };
        assert_eq!(check("https://a/", &reach), Ok(()));
        assert_eq!(check("http://a:9001/", &reach), Ok(()));
        for url in [
            "http://a/",
            "https://a:8443",
            "https://a:65536",
            "https://a:0443",
        ] {
            assert_eq!(check(url, &reach).is_ok(), url.ends_with("0443"), "{url}");
        }
    }

    #[test]
    fn a_host_is_asked_for_in_one_form() {
        for (url, expected) in [
            ("HTTPS://Example.COM./A?B#", "https://example.com/A?B#"),
            ("http://A.b:80", "http://a.b:80"),
            ("http://[::FFFF]:80/", "http://[::ffff]:80/"),
            ("http://a.?Q", "http://a?Q"),
        ] {
            assert_eq!(normalised(url), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            for url in [text.clone(), format!("http://{text}")] {
                let _ = check(&url, &Reach::default());
                let _ = normalised(&url);
            }
        }

        #[test]
        fn every_canonical_address_is_judged_by_where_it_leads(v4: Ipv4Addr, v6: Ipv6Addr) {
            let closed = Reach { allow_http: true, ..Reach::default() };
            for (address, host) in [(IpAddr::V4(v4), v4.to_string()), (IpAddr::V6(v6), format!("[{v6}]"))] {
                for reach in [open(), closed.clone()] {
                    let passes = check(&format!("http://{host}/"), &reach).is_ok();
                    prop_assert_eq!(passes, reach.may_connect(address));
                }
            }
        }
    }
}
