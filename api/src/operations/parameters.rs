//! The parameters that operations take, in sets that several of them share.

use crate::{
    choice,
    operation::{
        Parameter,
        Shape::{Flag, Numbers, Object, OneOf, Present, SomeOf, Text, Texts, Times, Whole, Words},
    },
};
use model::{
    catalog::DestinationKind,
    traffic::{ErrorCode, EventStatus, IssueStatus, IssueType, LogLevel, RejectionCause},
};

const fn of(name: &'static str, shape: crate::operation::Shape) -> Parameter {
    Parameter::of(name, shape)
}

pub(super) const PAGE: &[Parameter] = &[
    of(
        "limit",
        Whole {
            least: 1,
            most: 255,
        },
    ),
    of("dir", OneOf(&["asc", "desc"])),
    of("next", Text),
    of("prev", Text),
];
pub(super) const BY_CREATION: &[Parameter] = &[of("order_by", OneOf(&["created_at"]))];
pub(super) const BY_NAME: &[Parameter] =
    &[of("order_by", OneOf(&["created_at", "name", "updated_at"]))];
pub(super) const BY_FULL_NAME: &[Parameter] = &[of(
    "order_by",
    OneOf(&["created_at", "full_name", "updated_at"]),
)];
pub(super) const BY_TYPE: &[Parameter] = &[of("order_by", OneOf(&["created_at", "type"]))];
pub(super) const BY_SIGHT: &[Parameter] = &[of(
    "order_by",
    OneOf(&[
        "created_at",
        "first_seen_at",
        "last_seen_at",
        "opened_at",
        "status",
    ]),
)];
pub(super) const IDS: &[Parameter] = &[of("id", Texts)];
/// The filters that all nouns of the catalog share.
pub(super) const CATALOG: &[Parameter] = &[
    of("id", Texts),
    of("name", Present),
    of("disabled", Flag),
    of("disabled_at", Times),
];
pub(super) const PROJECTS: &[Parameter] = &[of("id", Texts), of("name", Texts)];
pub(super) const SOURCES: &[Parameter] = &[of("type", Texts)];
pub(super) const DESTINATIONS: &[Parameter] = &[of("type", SomeOf(&DestinationKind::NAMES))];
pub(super) const CONNECTIONS: &[Parameter] = &[
    of("source_id", Texts),
    of("destination_id", Texts),
    of("paused_at", Times),
    of("full_name", Text),
];
pub(super) const ISSUE_TRIGGERS: &[Parameter] = &[of("type", Words(choice::names::<IssueType>))];
pub(super) const EXECUTIONS: &[Parameter] = &[
    of("issue_id", Texts),
    of("log_level", Words(choice::names::<LogLevel>)),
    of("webhook_id", Texts),
    of("created_at", Times),
];
pub(super) const REQUESTS: &[Parameter] = &[
    of("id", Texts),
    of("status", OneOf(&["accepted", "rejected"])),
    of("verified", Flag),
    of("rejection_cause", Words(choice::names::<RejectionCause>)),
    of("source_id", Texts),
    of("events_count", Numbers),
    of("ignored_count", Numbers),
    of("bulk_retry_id", Texts),
    of("created_at", Times),
    of("ingested_at", Times),
    of("progressive", Flag),
];
pub(super) const EVENTS: &[Parameter] = &[
    of("id", Texts),
    of("status", Words(choice::names::<EventStatus>)),
    of("error_code", Words(choice::names::<ErrorCode>)),
    of("source_id", Texts),
    of("destination_id", Texts),
    of("webhook_id", Texts),
    of("event_data_id", Texts),
    of("bulk_retry_id", Texts),
    of("issue_id", Texts),
    of("attempts", Numbers),
    of("response_status", Numbers),
    of("created_at", Times),
    of("successful_at", Times),
    of("last_attempt_at", Times),
    of("next_attempt_at", Times),
    of("progressive", Flag),
];
pub(super) const ATTEMPTS: &[Parameter] = &[of("id", Texts), of("event_id", Texts)];
pub(super) const ISSUES: &[Parameter] = &[
    of("id", Texts),
    of("issue_trigger_id", Texts),
    of("type", Words(choice::names::<IssueType>)),
    of("status", Words(choice::names::<IssueStatus>)),
    of("merged_with", Texts),
    of("aggregation_keys", Object),
    of("created_at", Times),
    of("first_seen_at", Times),
    of("last_seen_at", Times),
    of("dismissed_at", Times),
];
pub(super) const BOOKMARKS: &[Parameter] = &[
    of("id", Texts),
    of("name", Texts),
    of("webhook_id", Texts),
    of("event_data_id", Texts),
    of("label", Text),
    of("last_used_at", Times),
];
pub(super) const QUERY: &[Parameter] = &[of("query", Object)];
pub(super) const OPERATIONS: &[Parameter] = &[
    of("id", Texts),
    of("in_progress", Flag),
    of("query", Object),
    of("query_partial_match", Flag),
    of("created_at", Times),
    of("cancelled_at", Times),
    of("completed_at", Times),
];
pub(super) const QUEUE_DEPTH: &[Parameter] = &[
    of("measures", SomeOf(&["max_depth", "max_age", "queue_depth"])),
    of("dimensions", SomeOf(&["destination_id"])),
    of("filters", Object),
    of("date_range", Object),
    of("granularity", Text),
];
