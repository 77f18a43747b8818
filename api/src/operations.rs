//! Every operation of the API. Nothing else is served: a node mounts its handlers on these.

mod parameters;

use crate::{
    dialect::Dialect,
    operation::{Body, Described, Operation, Stands},
    shape::{
        BookmarkShape, BulkShape, CliSessionShape, ConnectionShape, ConnectionsShape,
        DestinationRotationShape, DestinationShape, IssueShape, IssueTriggerShape, NodeShape,
        NotificationsShape, ProjectShape, SignInShape, SourceRotationShape, SourceShape,
        TransformationRunShape, TransformationShape, TrialShape,
    },
    view::{
        attempt::AttemptView,
        bookmark::BookmarkView,
        cli_session::CliSessionView,
        cluster::{AddedNodeView, ClusterView, Health, RemovedNodeView},
        connection::ConnectionView,
        data::RawBodyView,
        destination::DestinationView,
        event::EventView,
        execution::{ExecutionView, RunView},
        issue::IssueView,
        issue_trigger::IssueTriggerView,
        list::{All, Count, Deleted, List},
        notifications::NotificationsView,
        operation::{OperationView, PlanView},
        project::ProjectView,
        queue::{DestinationQueueView, QueueDepthView},
        request::{IgnoredView, RequestView, RetriedView},
        sign_in::{SignInView, SignedInView, TeamView},
        source::SourceView,
        source_type::SourceTypeView,
        transformation::{TransformationVersionView, TransformationView},
        trial::TrialView,
    },
};
use parameters as given;

macro_rules! operations {
    ($($name:ident: $answer:ty = $operation:expr;)*) => {
        $(pub static $name: Operation<$answer> = $operation;)*

        /// The table of all operations.
        pub static ALL: &[&Described] = &[$(&$name.described),*];
    };
}

operations! {
    VALIDATE_KEY: SignedInView = Operation::get("/cli-auth/validate", "validateKey");
    SIGN_IN: SignInView =
        Operation::post("/cli-auth/ci", "signIn", Body::of::<SignInShape>());
    LIST_TEAMS: Vec<TeamView> =
        Operation::get("/teams", "listTeams").only_in(Dialect::V2025_07);
    LIST_PROJECTS: List<ProjectView> = Operation::get("/projects", "listProjects")
        .with(&[given::PAGE, given::BY_NAME, given::PROJECTS])
        .only_in(Dialect::V2025_07);
    LIST_ALL_PROJECTS: Vec<TeamView> =
        Operation::get("/projects", "listAllProjects").only_in(Dialect::V2026_09);
    CREATE_PROJECT: ProjectView = Operation::post("/projects", "createProject", Body::of::<ProjectShape>());
    UPSERT_PROJECT: ProjectView = Operation::put("/projects", "upsertProject", Body::of::<ProjectShape>());
    COUNT_PROJECTS: Count = Operation::get("/projects/count", "countProjects").with(&[given::PROJECTS]);
    GET_PROJECT: ProjectView = Operation::get("/projects/{id}", "getProject");
    UPDATE_PROJECT: ProjectView = Operation::put("/projects/{id}", "updateProject", Body::of::<ProjectShape>());
    DELETE_PROJECT: Deleted = Operation::delete("/projects/{id}", "deleteProject");

    LIST_SOURCES: List<SourceView> = Operation::get("/sources", "listSources")
        .with(&[given::PAGE, given::BY_NAME, given::CATALOG, given::SOURCES]);
    CREATE_SOURCE: SourceView = Operation::post("/sources", "createSource", Body::of::<SourceShape>());
    UPSERT_SOURCE: SourceView = Operation::put("/sources", "upsertSource", Body::of::<SourceShape>());
    COUNT_SOURCES: Count = Operation::get("/sources/count", "countSources")
        .with(&[given::CATALOG, given::SOURCES]);
    GET_SOURCE: SourceView = Operation::get("/sources/{id}", "getSource");
    UPDATE_SOURCE: SourceView = Operation::put("/sources/{id}", "updateSource", Body::of::<SourceShape>());
    DELETE_SOURCE: Deleted = Operation::delete("/sources/{id}", "deleteSource");
    ROTATE_SOURCE: SourceView =
        Operation::put("/sources/{id}/rotate", "rotateSource", Body::of::<SourceRotationShape>());
    ENABLE_SOURCE: SourceView = Operation::put("/sources/{id}/enable", "enableSource", Body::Nothing);
    UNARCHIVE_SOURCE: SourceView = Operation::put("/sources/{id}/unarchive", "unarchiveSource", Body::Nothing);
    DISABLE_SOURCE: SourceView = Operation::put("/sources/{id}/disable", "disableSource", Body::Nothing);
    ARCHIVE_SOURCE: SourceView = Operation::put("/sources/{id}/archive", "archiveSource", Body::Nothing);
    LIST_SOURCE_TYPES: All<SourceTypeView> = Operation::get("/source-types", "listSourceTypes");

    LIST_DESTINATIONS: List<DestinationView> = Operation::get("/destinations", "listDestinations")
        .with(&[given::PAGE, given::BY_NAME, given::CATALOG, given::DESTINATIONS]);
    CREATE_DESTINATION: DestinationView =
        Operation::post("/destinations", "createDestination", Body::of::<DestinationShape>());
    UPSERT_DESTINATION: DestinationView =
        Operation::put("/destinations", "upsertDestination", Body::of::<DestinationShape>());
    COUNT_DESTINATIONS: Count = Operation::get("/destinations/count", "countDestinations")
        .with(&[given::CATALOG, given::DESTINATIONS]);
    GET_DESTINATION: DestinationView = Operation::get("/destinations/{id}", "getDestination");
    UPDATE_DESTINATION: DestinationView =
        Operation::put("/destinations/{id}", "updateDestination", Body::of::<DestinationShape>());
    DELETE_DESTINATION: Deleted = Operation::delete("/destinations/{id}", "deleteDestination");
    ROTATE_DESTINATION: DestinationView = Operation::put(
        "/destinations/{id}/rotate",
        "rotateDestination",
        Body::of::<DestinationRotationShape>(),
    );
    GET_DESTINATION_QUEUE: DestinationQueueView =
        Operation::get("/destinations/{id}/queue", "getDestinationQueue");
    ENABLE_DESTINATION: DestinationView =
        Operation::put("/destinations/{id}/enable", "enableDestination", Body::Nothing);
    UNARCHIVE_DESTINATION: DestinationView =
        Operation::put("/destinations/{id}/unarchive", "unarchiveDestination", Body::Nothing);
    DISABLE_DESTINATION: DestinationView =
        Operation::put("/destinations/{id}/disable", "disableDestination", Body::Nothing);
    ARCHIVE_DESTINATION: DestinationView =
        Operation::put("/destinations/{id}/archive", "archiveDestination", Body::Nothing);

    LIST_CONNECTIONS: List<ConnectionView> = Operation::get("/connections", "listConnections")
        .with(&[given::PAGE, given::BY_FULL_NAME, given::CATALOG, given::CONNECTIONS]);
    CREATE_CONNECTION: ConnectionView =
        Operation::post("/connections", "createConnection", Body::with_code::<ConnectionShape>());
    UPSERT_CONNECTION: ConnectionView =
        Operation::put("/connections", "upsertConnection", Body::with_code::<ConnectionShape>());
    COUNT_CONNECTIONS: Count = Operation::get("/connections/count", "countConnections")
        .with(&[given::CATALOG, given::CONNECTIONS]);
    TRY_RULES: All<TrialView> =
        Operation::post("/connections/rules/try", "tryRules", Body::with_code::<TrialShape>());
    TRY_RULES_OF_CONNECTION: All<TrialView> = Operation::post(
        "/connections/{id}/rules/try",
        "tryRulesOfConnection",
        Body::with_code::<TrialShape>(),
    );
    GET_CONNECTION: ConnectionView = Operation::get("/connections/{id}", "getConnection");
    UPDATE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}", "updateConnection", Body::with_code::<ConnectionShape>());
    DELETE_CONNECTION: Deleted = Operation::delete("/connections/{id}", "deleteConnection");
    ENABLE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/enable", "enableConnection", Body::Nothing);
    UNARCHIVE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/unarchive", "unarchiveConnection", Body::Nothing);
    DISABLE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/disable", "disableConnection", Body::Nothing);
    ARCHIVE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/archive", "archiveConnection", Body::Nothing);
    PAUSE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/pause", "pauseConnection", Body::Nothing);
    UNPAUSE_CONNECTION: ConnectionView =
        Operation::put("/connections/{id}/unpause", "unpauseConnection", Body::Nothing);

    LIST_TRANSFORMATIONS: List<TransformationView> = Operation::get("/transformations", "listTransformations")
        .with(&[given::PAGE, given::BY_NAME, given::CATALOG]);
    CREATE_TRANSFORMATION: TransformationView = Operation::post(
        "/transformations",
        "createTransformation",
        Body::with_code::<TransformationShape>(),
    );
    UPSERT_TRANSFORMATION: TransformationView = Operation::put(
        "/transformations",
        "upsertTransformation",
        Body::with_code::<TransformationShape>(),
    );
    COUNT_TRANSFORMATIONS: Count =
        Operation::get("/transformations/count", "countTransformations").with(&[given::CATALOG]);
    RUN_TRANSFORMATION: RunView = Operation::put(
        "/transformations/run",
        "runTransformation",
        Body::with_code::<TransformationRunShape>(),
    );
    GET_TRANSFORMATION: TransformationView = Operation::get("/transformations/{id}", "getTransformation");
    UPDATE_TRANSFORMATION: TransformationView = Operation::put(
        "/transformations/{id}",
        "updateTransformation",
        Body::with_code::<TransformationShape>(),
    );
    DELETE_TRANSFORMATION: Deleted = Operation::delete("/transformations/{id}", "deleteTransformation");
    LIST_TRANSFORMATION_VERSIONS: List<TransformationVersionView> =
        Operation::get("/transformations/{id}/versions", "listTransformationVersions")
            .with(&[given::PAGE, given::BY_CREATION]);
    LIST_EXECUTIONS: List<ExecutionView> =
        Operation::get("/transformations/{id}/executions", "listExecutions")
            .with(&[given::PAGE, given::BY_CREATION, given::EXECUTIONS]);
    GET_EXECUTION: ExecutionView =
        Operation::get("/transformations/{id}/executions/{execution_id}", "getExecution");

    LIST_REQUESTS: List<RequestView> = Operation::get("/requests", "listRequests")
        .with(&[given::PAGE, given::BY_CREATION, given::REQUESTS]);
    GET_REQUEST: RequestView = Operation::get("/requests/{id}", "getRequest");
    GET_REQUEST_BODY: RawBodyView = Operation::get("/requests/{id}/raw_body", "getRequestBody");
    LIST_REQUEST_EVENTS: List<EventView> = Operation::get("/requests/{id}/events", "listRequestEvents")
        .with(&[given::PAGE, given::BY_CREATION, given::EVENTS]);
    LIST_IGNORED_EVENTS: List<IgnoredView> =
        Operation::get("/requests/{id}/ignored_events", "listIgnoredEvents")
            .with(&[given::PAGE, given::BY_CREATION, given::IDS]);
    RETRY_REQUEST: RetriedView =
        Operation::post("/requests/{id}/retry", "retryRequest", Body::of::<ConnectionsShape>());
    LIST_EVENTS: List<EventView> = Operation::get("/events", "listEvents")
        .with(&[given::PAGE, given::BY_CREATION, given::EVENTS]);
    GET_EVENT: EventView = Operation::get("/events/{id}", "getEvent");
    GET_EVENT_BODY: RawBodyView = Operation::get("/events/{id}/raw_body", "getEventBody");
    RETRY_EVENT: EventView = Operation::post("/events/{id}/retry", "retryEvent", Body::Nothing);
    CANCEL_EVENT: EventView = Operation::put("/events/{id}/cancel", "cancelEvent", Body::Nothing);
    MUTE_EVENT: EventView = Operation::put("/events/{id}/mute", "muteEvent", Body::Nothing);
    GET_QUEUE_DEPTH: QueueDepthView = Operation::get("/metrics/queue-depth", "getQueueDepth")
        .with(&[given::QUEUE_DEPTH]);
    LIST_ATTEMPTS: List<AttemptView> = Operation::get("/attempts", "listAttempts")
        .with(&[given::PAGE, given::BY_CREATION, given::ATTEMPTS]);
    GET_ATTEMPT: AttemptView = Operation::get("/attempts/{id}", "getAttempt");

    LIST_ISSUES: List<IssueView> = Operation::get("/issues", "listIssues")
        .with(&[given::PAGE, given::BY_SIGHT, given::ISSUES]);
    COUNT_ISSUES: Count = Operation::get("/issues/count", "countIssues").with(&[given::ISSUES]);
    GET_ISSUE: IssueView = Operation::get("/issues/{id}", "getIssue");
    UPDATE_ISSUE: IssueView = Operation::put("/issues/{id}", "updateIssue", Body::of::<IssueShape>());
    DISMISS_ISSUE: IssueView = Operation::delete("/issues/{id}", "dismissIssue");
    LIST_ISSUE_TRIGGERS: List<IssueTriggerView> = Operation::get("/issue-triggers", "listIssueTriggers")
        .with(&[given::PAGE, given::BY_TYPE, given::CATALOG, given::ISSUE_TRIGGERS]);
    CREATE_ISSUE_TRIGGER: IssueTriggerView =
        Operation::post("/issue-triggers", "createIssueTrigger", Body::of::<IssueTriggerShape>());
    UPSERT_ISSUE_TRIGGER: IssueTriggerView =
        Operation::put("/issue-triggers", "upsertIssueTrigger", Body::of::<IssueTriggerShape>());
    GET_ISSUE_TRIGGER: IssueTriggerView = Operation::get("/issue-triggers/{id}", "getIssueTrigger");
    UPDATE_ISSUE_TRIGGER: IssueTriggerView =
        Operation::put("/issue-triggers/{id}", "updateIssueTrigger", Body::of::<IssueTriggerShape>());
    DELETE_ISSUE_TRIGGER: Deleted = Operation::delete("/issue-triggers/{id}", "deleteIssueTrigger");
    ENABLE_ISSUE_TRIGGER: IssueTriggerView =
        Operation::put("/issue-triggers/{id}/enable", "enableIssueTrigger", Body::Nothing);
    DISABLE_ISSUE_TRIGGER: IssueTriggerView =
        Operation::put("/issue-triggers/{id}/disable", "disableIssueTrigger", Body::Nothing);
    GET_NOTIFICATIONS: NotificationsView = Operation::get("/notifications/webhooks", "getNotifications");
    SET_NOTIFICATIONS: NotificationsView =
        Operation::put("/notifications/webhooks", "setNotifications", Body::of::<NotificationsShape>());

    LIST_BOOKMARKS: List<BookmarkView> = Operation::get("/bookmarks", "listBookmarks")
        .with(&[given::PAGE, given::BY_CREATION, given::BOOKMARKS]);
    CREATE_BOOKMARK: BookmarkView =
        Operation::post("/bookmarks", "createBookmark", Body::of::<BookmarkShape>());
    GET_BOOKMARK: BookmarkView = Operation::get("/bookmarks/{id}", "getBookmark");
    UPDATE_BOOKMARK: BookmarkView =
        Operation::put("/bookmarks/{id}", "updateBookmark", Body::of::<BookmarkShape>());
    DELETE_BOOKMARK: Deleted = Operation::delete("/bookmarks/{id}", "deleteBookmark");
    GET_BOOKMARK_BODY: RawBodyView = Operation::get("/bookmarks/{id}/raw_body", "getBookmarkBody");
    TRIGGER_BOOKMARK: Vec<EventView> =
        Operation::post("/bookmarks/{id}/trigger", "triggerBookmark", Body::of::<ConnectionsShape>());

    LIST_EVENT_RETRIES: List<OperationView> = Operation::get("/bulk/events/retry", "listEventRetries")
        .with(&[given::PAGE, given::BY_CREATION, given::OPERATIONS]);
    START_EVENT_RETRY: OperationView =
        Operation::post("/bulk/events/retry", "startEventRetry", Body::of::<BulkShape>());
    PLAN_EVENT_RETRY: PlanView =
        Operation::get("/bulk/events/retry/plan", "planEventRetry").with(&[given::QUERY]);
    GET_EVENT_RETRY: OperationView = Operation::get("/bulk/events/retry/{id}", "getEventRetry");
    CANCEL_EVENT_RETRY: OperationView =
        Operation::post("/bulk/events/retry/{id}/cancel", "cancelEventRetry", Body::Nothing);
    LIST_EVENT_CANCELS: List<OperationView> = Operation::get("/bulk/events/cancel", "listEventCancels")
        .with(&[given::PAGE, given::BY_CREATION, given::OPERATIONS]);
    START_EVENT_CANCEL: OperationView =
        Operation::post("/bulk/events/cancel", "startEventCancel", Body::of::<BulkShape>());
    PLAN_EVENT_CANCEL: PlanView =
        Operation::get("/bulk/events/cancel/plan", "planEventCancel").with(&[given::QUERY]);
    GET_EVENT_CANCEL: OperationView = Operation::get("/bulk/events/cancel/{id}", "getEventCancel");
    CANCEL_EVENT_CANCEL: OperationView =
        Operation::post("/bulk/events/cancel/{id}/cancel", "cancelEventCancel", Body::Nothing);
    LIST_REQUEST_RETRIES: List<OperationView> = Operation::get("/bulk/requests/retry", "listRequestRetries")
        .with(&[given::PAGE, given::BY_CREATION, given::OPERATIONS]);
    START_REQUEST_RETRY: OperationView =
        Operation::post("/bulk/requests/retry", "startRequestRetry", Body::of::<BulkShape>());
    PLAN_REQUEST_RETRY: PlanView =
        Operation::get("/bulk/requests/retry/plan", "planRequestRetry").with(&[given::QUERY]);
    GET_REQUEST_RETRY: OperationView = Operation::get("/bulk/requests/retry/{id}", "getRequestRetry");
    CANCEL_REQUEST_RETRY: OperationView =
        Operation::post("/bulk/requests/retry/{id}/cancel", "cancelRequestRetry", Body::Nothing);
    LIST_IGNORED_RETRIES: List<OperationView> =
        Operation::get("/bulk/ignored-events/retry", "listIgnoredEventRetries")
            .with(&[given::PAGE, given::BY_CREATION, given::OPERATIONS]);
    START_IGNORED_RETRY: OperationView =
        Operation::post("/bulk/ignored-events/retry", "startIgnoredEventRetry", Body::of::<BulkShape>());
    PLAN_IGNORED_RETRY: PlanView =
        Operation::get("/bulk/ignored-events/retry/plan", "planIgnoredEventRetry").with(&[given::QUERY]);
    GET_IGNORED_RETRY: OperationView =
        Operation::get("/bulk/ignored-events/retry/{id}", "getIgnoredEventRetry");
    CANCEL_IGNORED_RETRY: OperationView =
        Operation::post("/bulk/ignored-events/retry/{id}/cancel", "cancelIgnoredEventRetry", Body::Nothing);

    CREATE_CLI_SESSION: CliSessionView =
        Operation::post("/cli-sessions", "createCliSession", Body::of::<CliSessionShape>());
    GET_CLUSTER: ClusterView = Operation::get("/cluster", "getCluster").standing(Stands::AtBoth);
    ADD_NODE: AddedNodeView =
        Operation::post("/cluster/nodes", "addNode", Body::of::<NodeShape>()).standing(Stands::AtBoth);
    REMOVE_NODE: RemovedNodeView =
        Operation::delete("/cluster/nodes/{id}", "removeNode").standing(Stands::AtBoth);
    BALANCE_LEADERS: ClusterView =
        Operation::post("/cluster/leaders/balance", "balanceLeaders", Body::Nothing)
            .standing(Stands::AtBoth);
    GET_LIFE: Health = Operation::get("/healthz", "getLife").standing(Stands::InTheOpen);
    GET_READINESS: Health = Operation::get("/readyz", "getReadiness").standing(Stands::InTheOpen);
    GET_OPENAPI: serde_json::Value =
        Operation::get("/openapi.json", "getOpenApi").standing(Stands::AtBoth);
}
