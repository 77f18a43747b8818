//! Compiles scripts before they are saved.

use super::{api_error::ApiError, principal::Scoped};
use crate::script::Checked;
use model::catalog::{Item, Program};
use std::sync::Arc;

/// Compiles the scripts that are about to be saved. `field` is where the code stands in the body.
pub(super) async fn check(gateway: &Scoped, items: &[Item], field: &str) -> Result<(), ApiError> {
    for item in items {
        let Item::TransformationVersion(version) = item else {
            continue;
        };
        let Program::Code(code) = &version.program else {
            continue;
        };
        let env = Arc::new(version.environment());
        match gateway.scripts.check(code.as_str().into(), env).await {
            Checked::Fine => {}
            Checked::Wrong(failure) => return Err(ApiError::invalid(field, failure)),
            Checked::Busy => {
                return Err(ApiError::unavailable(
                    "too many scripts wait to be checked; nothing was changed, try again",
                ));
            }
        }
    }
    Ok(())
}
