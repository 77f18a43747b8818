//! `/notifications/webhooks`: a source that takes what happens to issues as requests.

use super::{
    api_error::Answer,
    changes::{self, Decision},
    extract::Extract,
    freshness,
    principal::Scoped,
};
use actix_web::web::Json;
use api::{
    body::Body, input::notifications, manner::Manner, view::notifications::NotificationsView,
};
use model::catalog::Item;

pub(super) async fn get(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
) -> Answer<NotificationsView> {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let said = catalog.notifications.as_ref();
    Ok(Json(said.map(NotificationsView::of).unwrap_or_default()))
}

pub(super) async fn put(
    gateway: Scoped,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<NotificationsView> {
    let made = changes::make(&gateway, |catalog, now| {
        let told = body.read(|fields| notifications::read(fields, catalog, now))?;
        let item = Item::Notifications(told.clone());
        Ok(Decision::put(vec![item], told))
    });
    Ok(Json(NotificationsView::of(&made.await?)))
}
