//! Headers that proxies, frameworks and clouds obey: whoever sends one could speak in the name of what stands before a
//! receiver. Names are folded; `docs/destinations.md` shows the same table.

use std::sync::LazyLock;

/// Headers that one kind of reader obeys or trusts.
#[derive(Debug)]
pub struct Family {
    /// What they do, for people.
    pub what: &'static str,
    pub names: &'static [&'static str],
    /// What others of it begin with.
    pub begins: &'static [&'static str],
}

/// Every family that is held back unless a destination opens it.
pub const FAMILIES: &[Family] = &[
    Family {
        what: "the sender's credentials",
        names: &["authorization", "cookie", "cookie2"],
        begins: &[],
    },
    Family {
        what: "where a request came from, as proxies tell it",
        names: &[
            "ali-cdn-real-ip",
            "client-ip",
            "clientip",
            "forwarded",
            "forwarded-for",
            "forwarded-for-ip",
            "front-end-https",
            "http-client-ip",
            "http-x-forwarded-for",
            "https",
            "incap-client-ip",
            "real-ip",
            "remote-addr",
            "remote-host",
            "remote-ip",
            "true-client-ip",
            "x-cluster-client-ip",
            "x-coming-from",
            "x-custom-ip-authorization",
            "x-from-ip",
            "x-gateway-host",
            "x-ip",
            "x-ip-trail",
            "x-proto",
            "x-protocol",
            "x-proxyuser-ip",
            "x-scheme",
            "x-source-ip",
            "x-ssl",
            "x-sucuri-clientip",
            "x-true-ip",
            "x-url-scheme",
        ],
        begins: &[
            "x-client-",
            "x-cluster-",
            "x-forward-",
            "x-forwarded",
            "x-forwarder-",
            "x-originating-",
            "x-proxy-",
            "x-real-",
            "x-remote-",
            "x-true-client-",
        ],
    },
    Family {
        what: "another method, URL or host than the request's own",
        names: &[
            "base-url",
            "destination",
            "disguised-host",
            "http-url",
            "method-override",
            "overwrite",
            "request-uri",
            "translate",
            "uri",
            "url",
            "was-default-hostname",
            "x-backend-host",
            "x-base-url",
            "x-forwarded-url",
            "x-host",
            "x-host-override",
            "x-http-destinationurl",
            "x-http-host-override",
            "x-matched-path",
            "x-method",
            "x-override-url",
            "x-path",
            "x-real-url",
            "x-request-uri",
            "x-server-name",
            "x-tunnel-method",
            "x-upstream-host",
            "x-uri",
            "x-url",
        ],
        begins: &[
            "x-http-method",
            "x-http-verb",
            "x-method-override",
            "x-original-",
            "x-rewrite-",
        ],
    },
    Family {
        what: "conditions and parts, which a receiver answers instead of taking the event",
        names: &[
            "early-data",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "range",
            "request-range",
        ],
        begins: &[],
    },
    Family {
        what: "what web servers and proxies are told from behind",
        names: &["x-reproxy-url"],
        begins: &[
            "-ws",
            "iisnode-",
            "ms-aspnetcore-",
            "surrogate-",
            "wl-",
            "x-accel-",
            "x-haproxy-",
            "x-lighttpd-",
            "x-litespeed-",
            "x-nginx-",
            "x-sendfile",
            "x-varnish",
            "x-weblogic-",
        ],
    },
    Family {
        what: "service meshes and API gateways",
        names: &[
            "x-anonymous-consumer",
            "x-apigateway-api-userinfo",
            "x-credential-identifier",
            "x-credential-username",
            "x-endpoint-api-userinfo",
            "x-jwt-assertion",
        ],
        begins: &[
            "dapr-",
            "kong-",
            "l5d-",
            "x-apisix-",
            "x-consumer-",
            "x-envoy-",
            "x-istio-",
            "x-kong-",
            "x-krakend-",
            "x-traefik-",
            "x-tyk-",
        ],
    },
    Family {
        what: "who is signed in, as proxies that sign people in tell it",
        names: &[
            "auth-user",
            "client-cert",
            "client-cert-chain",
            "es-security-runas-user",
            "oidc-claims",
            "remote-email",
            "remote-groups",
            "remote-name",
            "remote-user",
            "x-scope-orgid",
            "x-wss-user",
        ],
        begins: &[
            "impersonate-",
            "oidc-claim-",
            "ssl-client-",
            "x-auth-request-",
            "x-authelia-",
            "x-authenticated-",
            "x-authentik-",
            "x-hasura-",
            "x-pomerium-",
            "x-presto-",
            "x-ssl-",
            "x-tls-",
            "x-trino-",
            "x-vouch-",
            "x-webauth-",
        ],
    },
    Family {
        what: "clouds",
        names: &[
            "x-azure",
            "x-copy-from",
            "x-copy-from-account",
            "x-object-manifest",
            "x-symlink-target",
        ],
        begins: &[
            "amz-sdk-",
            "x-acs-",
            "x-amz-",
            "x-amzn-",
            "x-appengine-",
            "x-appservice-",
            "x-arr-",
            "x-aws-",
            "x-azure-",
            "x-bce-",
            "x-cos-",
            "x-fd-",
            "x-functions-",
            "x-gfe-",
            "x-goog-",
            "x-google-",
            "x-guploader-",
            "x-ms-",
            "x-obs-",
            "x-oss-",
            "x-serverless-",
            "x-site-deployment-",
            "x-tos-",
            "x-waws-",
            "x-zumo-",
        ],
    },
    Family {
        what: "edges and hosting",
        names: &["true-client-port"],
        begins: &[
            "akamai-",
            "cdn-",
            "cf-",
            "eagleeye-",
            "fastly-",
            "fly-",
            "x-akamai-",
            "x-alicdn-",
            "x-cdn-",
            "x-cf-",
            "x-edge-",
            "x-fastly-",
            "x-fly-",
            "x-nf-",
            "x-railway-",
            "x-sigsci-",
            "x-vercel-",
        ],
    },
    Family {
        what: "frameworks",
        names: &["next-action", "rsc", "x-prerender-revalidate"],
        begins: &[
            "next-router-",
            "x-invoke-",
            "x-middleware-",
            "x-next-",
            "x-nextjs-",
            "x-nitro-",
            "x-now-",
            "x-rails-",
            "x-sveltekit-",
        ],
    },
];

/// All names, and all beginnings, each in order.
static SORTED: LazyLock<(Vec<&str>, Vec<&str>)> = LazyLock::new(|| {
    let all = |part: fn(&Family) -> &'static [&'static str]| {
        let mut all: Vec<_> = FAMILIES.iter().flat_map(part).copied().collect();
        all.sort_unstable();
        all
    };
    (all(|family| family.names), all(|family| family.begins))
});

/// Whether a header belongs to one of them. Folded names.
pub(super) fn is_held_back(folded: &str) -> bool {
    let (names, begins) = &*SORTED;
    // No beginning begins another, so the last one that is not behind the name is the only one that may fit.
    let behind = begins.partition_point(|begin| *begin <= folded);
    names.binary_search(&folded).is_ok() || behind > 0 && folded.starts_with(begins[behind - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_own_headers_belong_to_no_family() {
        for name in [
            "content-type",
            "user-agent",
            "accept",
            "x-github-event",
            "x-github-delivery",
            "x-hub-signature-256",
            "traceparent",
            "tracestate",
            "baggage",
            "x-request-id",
            "x-correlation-id",
            "x-acme-id",
            "x-shopify-topic",
            "stripe-signature",
            "svix-id",
            "ce-type",
            "x-b3-traceid",
            "x-cloud-trace-context",
            "aeg-event-type",
            "x-gitlab-event",
            "x-netlify-event",
            "heroku-webhook-hmac-sha256",
            "x-hook-id",
            "x-forge-id",
            "x-event-key",
            "x-user-id",
            "x-api-version",
            "referer",
            "origin",
            "date",
        ] {
            assert!(!is_held_back(name), "{name}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_written_as_it_is_compared() {
        for family in FAMILIES {
            assert!(
                family.names.is_sorted() && family.begins.is_sorted(),
                "{}",
                family.what
            );
            for name in family.names.iter().chain(family.begins) {
                assert_eq!(*name, super::super::folded(name));
            }
        }
        let begins = &SORTED.1;
        for pair in begins.windows(2) {
            assert!(!pair[1].starts_with(pair[0]), "{pair:?}");
        }
    }
}
