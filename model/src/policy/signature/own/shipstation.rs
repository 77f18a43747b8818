//! ShipStation's first version signs nothing: a token in the registered URL, and a link that must lead to ShipStation.

use super::super::{Context, diagnosis::Diagnosis, layout::Place, shared::Token, signed::Checked};

pub(in super::super) const WORDS: &str = "the secret itself in query field token, and a resource_url on a host of \
    ShipStation; the body is not covered";

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let token = Token {
        at: Place::Query("token"),
        prefix: "",
    };
    let place = token.check(context)?;
    let url = context.facts.json_required("resource_url")?;
    if is_shipstation(&url) {
        Ok(place)
    } else {
        Err(Diagnosis::Unexpected("JSON field resource_url".into()).into())
    }
}

/// `https://ssapi<digits>.shipstation.com/…`
fn is_shipstation(url: &str) -> bool {
    let number = url
        .strip_prefix("https://ssapi")
        .and_then(|rest| rest.split_once(".shipstation.com/"));
    number.is_some_and(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_provider_s_own_hosts_are_linked_to() {
        assert!(is_shipstation("https://ssapi.shipstation.com/orders"));
        assert!(is_shipstation("https://ssapi12.shipstation.com/orders?x=1"));
        for other in [
            "http://ssapi.shipstation.com/",
            "https://ssapix.shipstation.com/",
            "https://ssapi.shipstation.com.evil.example/",
            "https://evil.example/?https://ssapi.shipstation.com/",
        ] {
            assert!(!is_shipstation(other), "{other}");
        }
    }
}
