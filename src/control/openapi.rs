//! What the API is, as OpenAPI 3.1, from the code that answers.

use super::{access, assets, jobs, uploads};
use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// All of it.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Afflux", description = "Uploads, assets, jobs and keys of an origin for adaptive video."),
    paths(
        uploads::spoken, uploads::list, uploads::create, uploads::one, uploads::offset, uploads::append,
        uploads::terminate, uploads::import, uploads::direct, uploads::complete,
        assets::list, assets::told::one, assets::told::delete, assets::told::change, assets::told::whole,
        jobs::list, jobs::one, jobs::retry, jobs::cancel,
        access::list, access::make, access::revoke,
    ),
    modifiers(&Keys),
)]
struct Api;

/// How one says who one is.
#[derive(Debug)]
struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("afx_…").build();
        api.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// The text of it.
pub(super) async fn text() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

#[cfg(test)]
mod tests {
    use super::Api;
    use crate::control::Control;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;
    use utoipa::OpenApi;

    #[tokio::test]
    async fn every_path_that_is_told_is_answered() {
        let api = serde_json::to_value(Api::openapi()).unwrap();
        assert_eq!(api["openapi"], "3.1.0");
        let router = Control::new("http://players", &[]).router();
        let mut count = 0;
        for (path, methods) in api["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                let path = path.replace("{id}", "x").replace("{asset}", "a/b").replace("{name}", "n.mp4");
                let request = Request::builder().method(method.as_str()).uri(&path);
                let request = request.header("content-type", "application/json").body(Body::from("{}")).unwrap();
                let status = router.clone().oneshot(request).await.unwrap().status();
                // There is no library, or the body is none: but there is a handler.
                let known = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::UNPROCESSABLE_ENTITY];
                assert!(known.contains(&status), "{method} {path}: {status}");
                count += 1;
            }
        }
        assert_eq!(count, 22);
    }
}
