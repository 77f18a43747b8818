//! The forwarding rules between one source and one destination: decided by the source's scheme and by what the
//! destination opens.

use super::{
    families, header,
    query::{self, Names},
    senders,
};
use crate::{
    catalog::{Catalog, DestinationAuth, Verification},
    ids::{DestinationId, SourceId},
    policy::signature::{self, SecretPlace},
    traffic::RequestRecord,
};
use bytes::Bytes;
use std::borrow::Cow;

/// The forwarding rules for requests of one source: what of their headers and queries may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Folded names of headers that hold the source's secret.
    secret_headers: Vec<String>,
    secret_parameters: Names,
    /// Headers of families that go on all the same: the sender's own, then what the destination opens.
    opened: Vec<String>,
}

impl Forwarding {
    /// Between a source, unless it is gone, and a destination that opens these headers.
    #[must_use]
    pub fn between(source: Option<&Verification>, opened: &[String]) -> Self {
        let mut forwarding = Self {
            opened: opened.to_vec(),
            ..Self::default()
        };
        let Some(auth) = source else {
            return forwarding;
        };
        for place in signature::secret_places(auth) {
            match place {
                SecretPlace::Header(name) => {
                    forwarding.secret_headers.push(header::folded(&name));
                }
                SecretPlace::Parameter(name) => forwarding.secret_parameters.add(&name),
            }
        }
        let own = senders::own(&auth.scheme).map(str::to_owned);
        // Where an admin says that a signature stands, the sender put it.
        let named = ["header_key", "timestamp_header_key"].into_iter();
        let named = named.filter_map(|key| auth.field(key).map(str::to_owned));
        forwarding.opened.extend(own.chain(named));
        forwarding
    }

    /// The rules between a source and a destination, as a catalog knows both.
    #[must_use]
    pub fn in_catalog(
        catalog: &Catalog,
        source: SourceId,
        destination: Option<DestinationId>,
    ) -> Self {
        let source = catalog.sources.get(&source);
        let destination = destination.and_then(|id| catalog.destinations.get(&id));
        let request = destination.and_then(|known| known.kind.request());
        let opened = request.map(|request| request.forward_headers.as_slice());
        Self::between(
            source.map(|known| &known.verification),
            opened.unwrap_or_default(),
        )
    }

    /// The headers of a request that go on.
    #[must_use]
    pub fn headers(&self, record: &RequestRecord) -> Vec<(String, Bytes)> {
        let named: Vec<&[u8]> = record.header_all("connection").map(AsRef::as_ref).collect();
        let connection = named.join(b",".as_slice());
        let headers = record.headers.iter();
        headers
            .filter(|(name, _)| self.takes(name, &connection))
            .cloned()
            .collect()
    }

    /// The query of a request as it goes on.
    #[must_use]
    pub fn query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        query::kept(query, &self.secret_parameters, None)
    }

    /// Whether a header goes on. Lower-case name.
    fn takes(&self, name: &str, connection: &[u8]) -> bool {
        let folded = header::folded(name);
        if header::is_for_one_hop(name, &folded, connection)
            || self.secret_headers.contains(&folded)
        {
            return false;
        }
        !families::is_held_back(&folded) || header::is_opened(&self.opened, &folded)
    }
}

/// Whether a stranger's path and query go behind a destination's URL that is signed for a cloud. There they are commands
/// (`?acl`, `?Action=…`, another object), but for services behind which a program of the owner's own stands.
#[must_use]
pub fn takes_target(auth: &DestinationAuth, host: &str) -> bool {
    let DestinationAuth::AwsSignature { service, .. } = auth else {
        return true;
    };
    match service.as_str() {
        "execute-api" | "vpc-lattice-svcs" => true,
        // A function's own URL, and not the interface that manages functions.
        "lambda" => {
            let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
            let name = name.trim_end_matches('.');
            !name.ends_with(".amazonaws.com") && !name.ends_with(".amazonaws.com.cn")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Secret, kit, policy::forwarding::FAMILIES};
    use proptest::prelude::*;

    fn record(headers: &[(&str, &str)]) -> RequestRecord {
        let header = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        };
        RequestRecord {
            headers: headers.iter().map(header).collect(),
            ..kit::record()
        }
    }

    fn goes_on(forwarding: &Forwarding, names: &[&str]) -> Vec<String> {
        let headers: Vec<_> = names.iter().map(|name| (*name, "v")).collect();
        let left = forwarding.headers(&record(&headers));
        left.into_iter().map(|(name, _)| name).collect()
    }

    fn from(scheme: &str) -> Forwarding {
        Forwarding::between(Some(&Verification::with_secret(scheme, "a secret")), &[])
    }

    #[test]
    fn senders_own_headers_go_on_and_those_that_others_obey_stay() {
        let own = [
            "content-type",
            "x-github-event",
            "traceparent",
            "x-acme-id",
            "x_acme_id",
        ];
        assert_eq!(goes_on(&from("WEBHOOK"), &own), own);
        let stays = [
            "host",
            "cookie",
            "transfer-encoding",
            "transfer_encoding",
            "webhook-id",
            "webhook_id",
            "x-tidegate-event-id",
            "proxy-x",
            "proxy",
            "x-forwarded-host",
            "x_forwarded_for",
            "x.forwarded.for",
            "accept-encoding",
            "x-amz-target",
            "x-amz-acl",
            "x-amz-copy-source",
            "x_amz_acl",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
            "x-envoy-original-path",
            "x-host",
            "x-client-ip",
            "true-client-ip",
            "x-real-ip",
            "forwarded",
            "cf-connecting-ip",
            "x-accel-redirect",
            "x-sendfile",
            "x-middleware-subrequest",
            "fastly-client-ip",
            "x-cluster-client-ip",
            "x-appengine-user-ip",
            "x-vercel-ip-country",
            "x-ms-client-principal",
            "x-goog-authenticated-user-email",
            "range",
            "if-none-match",
            "content_type",
            "content_length",
            "authorization",
            "idempotency_key",
        ];
        assert_eq!(goes_on(&from("WEBHOOK"), &stays), [""; 0]);
        assert_eq!(goes_on(&Forwarding::default(), &stays), [""; 0]);
    }

    #[test]
    fn a_type_passes_its_own_senders_headers_and_no_others() {
        let sns = [
            "x-amz-sns-message-type",
            "x-amz-sns-topic-arn",
            "x-amz-target",
        ];
        assert_eq!(goes_on(&from("AWS_SNS"), &sns), sns[..2]);
        assert_eq!(goes_on(&from("WEBHOOK"), &sns), [""; 0]);
        let google = [
            "x-goog-channel-id",
            "x-goog-channel-token",
            "x-goog-resource-state",
        ];
        assert_eq!(
            goes_on(&from("GOOGLE_PUSH"), &google),
            [google[0], google[2]]
        );
        assert_eq!(goes_on(&from("VERCEL"), &["x-vercel-signature"]).len(), 1);
    }

    #[test]
    fn what_a_scheme_reads_as_a_secret_stays_and_a_signature_goes_on() {
        let gitlab = ["x-gitlab-event", "x-gitlab-token", "x_gitlab_token"];
        assert_eq!(goes_on(&from("GITLAB"), &gitlab), gitlab[..1]);
        assert_eq!(goes_on(&from("GITHUB"), &["x-hub-signature-256"]).len(), 1);
        let mut auth = Verification::with_secret("API_KEY", "a secret");
        auth.fields
            .insert("query_key".into(), Secret::new("token".into()));
        let by_query = Forwarding::between(Some(&auth), &["x-api-key".into()]);
        assert_eq!(by_query.query("a=1&token=s&TOKEN[]=s;b=2"), "a=1&b=2");
        auth.fields = [("header_key".to_owned(), Secret::new("X-Acme-Key".into()))].into();
        let opened = ["x-acme-key".to_owned()];
        let by_header = Forwarding::between(Some(&auth), &opened);
        assert_eq!(
            goes_on(&by_header, &["x-acme-key", "x-acme-id"]),
            ["x-acme-id"]
        );
        let mut hmac = Verification::with_secret("HMAC", "a secret");
        hmac.fields
            .insert("header_key".into(), Secret::new("X-Ms-Signature".into()));
        let signed = Forwarding::between(Some(&hmac), &[]);
        assert_eq!(
            goes_on(&signed, &["x-ms-signature", "x-ms-a"]),
            ["x-ms-signature"]
        );
    }

    #[test]
    fn a_destination_opens_what_it_names_but_nothing_of_one_hop() {
        let opened =
            ["x-forwarded-for", "x-ms-*", "authorization", "connection"].map(str::to_owned);
        let forwarding = Forwarding::between(None, &opened);
        let names = [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-ms-a",
            "authorization",
            "connection",
            "te",
        ];
        let expected = ["x-forwarded-for", "x-ms-a", "authorization"];
        assert_eq!(goes_on(&forwarding, &names), expected);
    }

    #[test]
    fn what_the_connection_header_names_is_for_one_hop() {
        let record = record(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "v"),
            ("x-end", "v"),
        ]);
        let left = Forwarding::default().headers(&record);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].0, "x-end");
    }

    #[test]
    fn no_stranger_commands_a_cloud_but_a_program_there_is_told_everything() {
        let aws = |service: &str| DestinationAuth::AwsSignature {
            access_key_id: "AKID".into(),
            secret_access_key: Secret::new("s".into()),
            region: "eu-west-1".into(),
            service: service.into(),
        };
        for (service, host, takes) in [
            ("s3", "bucket.s3.amazonaws.com", false),
            ("sqs", "sqs.eu-west-1.amazonaws.com", false),
            ("lambda", "lambda.eu-west-1.amazonaws.com:443", false),
            ("lambda", "id.lambda-url.eu-west-1.on.aws", true),
            (
                "execute-api",
                "id.execute-api.eu-west-1.amazonaws.com",
                true,
            ),
        ] {
            assert_eq!(
                takes_target(&aws(service), host),
                takes,
                "{service} at {host}"
            );
        }
        assert!(takes_target(
            &DestinationAuth::HookdeckSignature,
            "s3.amazonaws.com"
        ));
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_familys_header_goes_on(
            family in 0..FAMILIES.len(), pick: prop::sample::Index, signs in "[-_.!~*']{8}", end in "[a-z]{0,6}",
        ) {
            let family = &FAMILIES[family];
            let all: Vec<String> = family.names.iter().map(|name| (*name).to_owned())
                .chain(family.begins.iter().map(|begin| format!("{begin}{end}"))).collect();
            let mut signs = signs.chars().cycle();
            let spelled: String = all[pick.index(all.len())].chars()
                .map(|sign| if sign == '-' { signs.next().unwrap_or('-') } else { sign }).collect();
            prop_assert_eq!(goes_on(&Forwarding::default(), &[&spelled]), [""; 0]);
        }
    }
}
