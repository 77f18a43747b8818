//! The gateway as a principal reaches it: in one project.

use super::api_error::ApiError;
use crate::{catalog_watch::BehindError, gateway::Gateway};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http, web::Data};
use api::{
    dialect::Dialect,
    operation::Method,
    principal::{Principal, Scope},
    problem::Problem,
};
use model::{
    catalog::{Catalog, Catalogs},
    ids::ProjectNumber,
};
use std::{
    future::{Ready, ready},
    ops::Deref,
    sync::Arc,
};

/// A node's gateway, asked by a principal. What it knows as the catalog is that of his project, so that no handler can
/// reach another's.
#[derive(Clone)]
pub(super) struct Scoped {
    gateway: Data<Gateway>,
    principal: Arc<Principal>,
    dialect: Dialect,
}

impl Deref for Scoped {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Scoped {
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The dialect that he speaks.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The number in the ids of everything that the principal can reach.
    pub(super) fn project(&self) -> ProjectNumber {
        self.principal.number()
    }

    /// Refuses to go on in a project that was deleted since the principal came in.
    pub(super) fn check_standing(&self, catalog: &InProject) -> Result<(), ApiError> {
        match catalog.all().project(self.project()) {
            Some(_) => Ok(()),
            None => Err(Problem::unknown_project(&self.principal.project.name).into()),
        }
    }

    /// For what goes on when the answer is given.
    pub(super) fn shared(&self) -> Arc<Gateway> {
        self.gateway.clone().into_inner()
    }

    /// The project's catalog as it was last pushed here. Nothing may be called unknown by it.
    pub(super) fn catalog(&self) -> InProject {
        self.within(self.gateway.catalog())
    }

    /// The project's catalog with everything that this node has applied by now.
    ///
    /// # Errors
    /// Those of [`Gateway::applied_catalog`].
    pub(super) async fn applied_catalog(&self) -> Result<InProject, BehindError> {
        Ok(self.within(self.gateway.applied_catalog().await?))
    }

    fn within(&self, all: Arc<Catalogs>) -> InProject {
        InProject {
            all,
            number: self.project(),
        }
    }
}

/// The catalog of one project, at one version of all.
#[derive(Clone, Debug)]
pub(super) struct InProject {
    all: Arc<Catalogs>,
    number: ProjectNumber,
}

impl InProject {
    /// All projects' catalogs: for changes, which are decided from a version of all, and for the projects themselves.
    pub(super) fn all(&self) -> &Catalogs {
        &self.all
    }
}

impl Deref for InProject {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        self.all.of(self.number)
    }
}

impl FromRequest for Scoped {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(scoped(request))
    }
}

/// The gateway for whoever was let in, if what he asks is among his scopes.
fn scoped(request: &HttpRequest) -> Result<Scoped, ApiError> {
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let gateway = request.app_data::<Data<Gateway>>().cloned();
    let (Some(principal), Some(gateway)) = (principal, gateway) else {
        return Err(Problem::unauthorized().into());
    };
    principal.check(&needed(request))?;
    Ok(Scoped {
        gateway,
        principal,
        dialect: Dialect::of(request.path()),
    })
}

fn needed(request: &HttpRequest) -> Scope {
    let method = match *request.method() {
        http::Method::GET => Method::Get,
        http::Method::PUT => Method::Put,
        http::Method::DELETE => Method::Delete,
        _ => Method::Post,
    };
    Scope::of(method, request.path())
}
