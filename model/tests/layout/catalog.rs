//! What is configured, as JSON.

use crate::{AT, json_stays};
use model::{
    catalog::{
        Backoff, CliTarget, ClientAuth, ClientCredentials, Connection, DeduplicateRule, DelayRule,
        Destination, DestinationAuth, DestinationKind, DisabledBy, FilterRule, HandshakeKind,
        Handshaken, HttpTarget, Item, LiveSecret, MockTarget, Program, RatePeriod, RequestTemplate,
        RetryRule, Rule, Secret, Source, Tls, Transformation, TransformationVersion, Verification,
        VersionMark, Wishes,
    },
    ids::{ConnectionId, DestinationId, SourceId, TransformationId},
};
use serde_json::json;

fn request() -> RequestTemplate {
    RequestTemplate::plain(Secret::new("0123456789abcdef".into()))
}

/// A destination with all that one can have.
fn full() -> Destination {
    Destination {
        kind: DestinationKind::Http(HttpTarget {
            url: "https://a/".into(),
            request: RequestTemplate {
                method: Some("PUT".into()),
                path_forwarding: false,
                auth: DestinationAuth::Oauth2ClientCredentials(ClientCredentials {
                    auth_server: "https://t/".into(),
                    client_id: "id".into(),
                    client_secret: Secret::new("s".into()),
                    scope: Some("all".into()),
                    authentication_type: ClientAuth::Form,
                }),
                other_secrets: vec![LiveSecret {
                    expires_at: Some(AT),
                    ..LiveSecret::new(Secret::new("whsec_old".into()))
                }],
                headers: [("x-a".to_owned(), Secret::new("b".into()))].into(),
                forward_headers: vec!["x-client-ip".into()],
                tls: Tls {
                    ca_certificates: Some("ca".into()),
                    client_certificate: Some("crt".into()),
                    client_key: Some(Secret::new("key".into())),
                },
                ..request()
            },
        }),
        timeout_ms: Some(5000),
        wishes: Wishes {
            disabled_by: Some(DisabledBy::Gone),
            rate_per_minute: Some(7),
        },
        ..plain()
    }
}

/// One with nothing but what it must have.
fn plain() -> Destination {
    Destination {
        id: DestinationId(2),
        name: "shop".into(),
        description: Some("d".into()),
        kind: DestinationKind::Http(HttpTarget {
            url: "https://a/".into(),
            request: request(),
        }),
        rate_limit: Some(5),
        rate_limit_period: RatePeriod::Concurrent,
        timeout_ms: None,
        wishes: Wishes::default(),
        disabled_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    }
}

fn verification() -> Verification {
    let mut verification = Verification::with_secret("HMAC", "0123456789abcdef");
    verification.secrets.push(LiveSecret {
        secret: Secret::new("fedcba9876543210".into()),
        expires_at: Some(AT.plus_ms(1)),
        last_verified_at: Some(AT),
    });
    let header = Secret::new("x-sig".into());
    verification.fields.insert("header_key".into(), header);
    verification.signed_url = Some("https://a/b".into());
    verification.tolerance_s = Some(60);
    verification.handshake = Some(Handshaken {
        kind: HandshakeKind::ConfirmUrl,
        value: Secret::new("https://c".into()),
        at: AT,
    });
    verification
}

fn items() -> [Item; 3] {
    [
        Item::Source(Source {
            id: SourceId(1),
            name: "orders".into(),
            description: None,
            verification: verification(),
            allowed_http_methods: vec!["PUT".into()],
            custom_response: None,
            deduplicate: Some(Box::new(DeduplicateRule {
                window: 1000,
                include_fields: Vec::new(),
                exclude_fields: vec!["headers.X-Id".parse().expect("a field")],
            })),
            ordering_key: vec!["body.a[0]".parse().expect("a field")],
            disabled_at: None,
            created_at: AT,
            updated_at: AT,
        }),
        Item::Destination(plain()),
        Item::Connection(Connection {
            id: ConnectionId(3),
            name: None,
            description: None,
            source_id: SourceId(1),
            destination_id: DestinationId(2),
            rules: vec![
                Rule::Delay(DelayRule::of_ms(100)),
                Rule::Retry(RetryRule {
                    strategy: Backoff::Exponential,
                    count: 3,
                    interval: 1000,
                    schedule: Vec::new(),
                    response_status_codes: Some(vec!["500-599".into()]),
                }),
                Rule::Filter(Box::new(FilterRule {
                    body: Some(json!({"z": 1, "a": {"$in": [null, 0.5]}})),
                    path: Some(json!(false)),
                    ..FilterRule::default()
                })),
                Rule::Deduplicate(DeduplicateRule {
                    window: 2000,
                    include_fields: vec!["path".parse().expect("a field")],
                    exclude_fields: Vec::new(),
                }),
                Rule::Delay(DelayRule {
                    delay: 0,
                    until: Some("body.at".parse().expect("a field")),
                }),
            ],
            disabled_at: None,
            paused_at: None,
            created_at: AT,
            updated_at: AT,
        }),
    ]
}

#[test]
fn a_destination_with_everything_keeps_its_json() {
    json_stays(
        &Item::Destination(full()),
        r#"{"kind":"Destination","value":{"id":"des_00000000000000000000000002","name":"shop","description":"d","url":"https://a/","http_method":"PUT","path_forwarding":false,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","outbound":{"auth":{"type":"OAUTH2_CLIENT_CREDENTIALS","auth_server":"https://t/","client_id":"id","client_secret":"s","scope":"all","authentication_type":"x-www-form-urlencoded"},"other_secrets":[{"secret":"whsec_old","expires_at":1700000000000}],"headers":{"x-a":"b"},"forward_headers":["x-client-ip"],"timeout_ms":5000,"tls":{"ca_certificates":"ca","client_certificate":"crt","client_key":"key"}},"wishes":{"disabled_by":"GONE","rate_per_minute":7},"disabled_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}"#,
    );
}

#[test]
fn a_stored_kind_of_destination_keeps_its_json() {
    for (kind, golden) in [
        (
            DestinationKind::Cli(CliTarget {
                path: "/hooks".into(),
                request: request(),
            }),
            r#""url":"","http_method":null,"path_forwarding":true,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","outbound":{"kind":{"type":"CLI","path":"/hooks"}}"#,
        ),
        (
            DestinationKind::Mock(MockTarget { request: request() }),
            r#""url":"","http_method":null,"path_forwarding":true,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","outbound":{"kind":{"type":"MOCK_API"}}"#,
        ),
    ] {
        let golden = format!(
            r#"{{"kind":"Destination","value":{{"id":"des_00000000000000000000000002","name":"shop","description":"d",{golden},"disabled_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}}}"#
        );
        json_stays(&Item::Destination(Destination { kind, ..plain() }), &golden);
    }
}

#[test]
fn catalog_items_keep_their_json() {
    let golden = [
        r#"{"kind":"Source","value":{"id":"src_00000000000000000000000001","name":"orders","description":null,"verification":{"type":"HMAC","scheme":"HMAC","secrets":[{"secret":"0123456789abcdef"},{"secret":"fedcba9876543210","expires_at":1700000000001,"last_verified_at":1700000000000}],"fields":{"header_key":"x-sig"},"signed_url":"https://a/b","tolerance_s":60,"handshake":{"kind":"CONFIRM_URL","value":"https://c","at":1700000000000}},"allowed_http_methods":["PUT"],"custom_response":null,"deduplicate":{"window":1000,"exclude_fields":["headers.x-id"]},"ordering_key":["body.a[0]"],"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Destination","value":{"id":"des_00000000000000000000000002","name":"shop","description":"d","url":"https://a/","http_method":null,"path_forwarding":true,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","disabled_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Connection","value":{"id":"web_00000000000000000000000003","name":null,"description":null,"source_id":"src_00000000000000000000000001","destination_id":"des_00000000000000000000000002","rules":[{"type":"delay","delay":100},{"type":"retry","strategy":"exponential","count":3,"interval":1000,"response_status_codes":["500-599"]},{"type":"filter","body":{"z":1,"a":{"$in":[null,0.5]}},"path":false},{"type":"deduplicate","window":2000,"include_fields":["path"]},{"type":"delay","delay":0,"until":"body.at"}],"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
    ];
    for (item, golden) in items().iter().zip(golden) {
        json_stays(item, golden);
    }
}

#[test]
fn a_source_of_before_it_knew_duplicates_and_order_is_still_read() {
    let mut item = items()[0].clone();
    let mut json = serde_json::to_value(&item).expect("json");
    let value = json["value"].as_object_mut().expect("an object");
    assert!(value.remove("deduplicate").is_some() && value.remove("ordering_key").is_some());
    if let Item::Source(source) = &mut item {
        source.deduplicate = None;
        source.ordering_key = Vec::new();
    }
    let read: Item = serde_json::from_value(json).expect("readable");
    assert_eq!(read, item);
}

#[test]
fn transformations_keep_their_json() {
    let version = |program, env: &[(&str, &str)], secrets: &[(&str, &str)], restored_from| {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let secrets = secrets
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Secret::new((*v).to_owned())));
        Item::TransformationVersion(TransformationVersion {
            transformation_id: TransformationId(0x0001_0000),
            version: 7,
            program,
            env: env.collect(),
            secrets: secrets.collect(),
            restored_from,
            created_at: AT,
        })
    };
    let items = [
        Item::Transformation(Transformation {
            id: TransformationId(4),
            name: "t".into(),
            versions: vec![VersionMark {
                version: 7,
                created_at: AT,
            }],
            created_at: AT,
            updated_at: AT,
        }),
        version(
            Program::Code("code".into()),
            &[("A", "b")],
            &[("KEY", "0123456789abcdef")],
            Some(3),
        ),
        version(
            Program::Steps(vec![json!({"op": "wrap", "field": "body"})]),
            &[],
            &[],
            None,
        ),
    ];
    let golden = [
        r#"{"kind":"Transformation","value":{"id":"trs_00000000000000000000000004","name":"t","versions":[{"version":7,"created_at":1700000000000}],"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"TransformationVersion","value":{"transformation_id":"trs_00000000000000000000002000","version":7,"program":{"code":"code"},"env":{"A":"b"},"secrets":{"KEY":"0123456789abcdef"},"restored_from":3,"created_at":1700000000000}}"#,
        r#"{"kind":"TransformationVersion","value":{"transformation_id":"trs_00000000000000000000002000","version":7,"program":{"steps":[{"op":"wrap","field":"body"}]},"created_at":1700000000000}}"#,
    ];
    for (item, golden) in items.iter().zip(golden) {
        json_stays(item, golden);
    }
    let rule = Rule::Transform {
        transformation_id: TransformationId(4),
    };
    let golden = r#"{"type":"transform","transformation_id":"trs_00000000000000000000000004"}"#;
    assert_eq!(serde_json::to_string(&rule).expect("JSON"), golden);
    assert_eq!(serde_json::from_str::<Rule>(golden).ok(), Some(rule));
}
