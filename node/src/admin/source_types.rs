//! `/source-types`: which senders are known, and what each of them takes.

use super::{api_error::Answer, extract::Extract, principal::Scoped};
use actix_web::web::Json;
use api::{
    manner::Manner,
    view::{list::All, source_type::SourceTypeView},
};

pub(super) async fn list(_: Scoped, _: Extract<Manner>) -> Answer<All<SourceTypeView>> {
    Ok(Json(SourceTypeView::all()))
}
