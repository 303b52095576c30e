//! The HTTP routes that the agent serves, all of them for reading.
//!
//! | route | |
//! |---|---|
//! | `/` | the page for people; `?state=failing&q=TEXT` shows a part of its table |
//! | `/metrics` | Prometheus' text format |
//! | `/api/v1/report` | the report as JSON |
//! | `/api/v1/schema` | its JSON Schema |
//! | `/api/v1/summary` | a line for each registry and image, with an `ETag` |
//! | `/livez`, `/healthz`, `/-/healthy` | 200 while the process answers at all |
//! | `/readyz`, `/-/ready` | 200 once the first look at the node has begun, 503 before; with `?verbose` a line for each part of the agent |
//!
//! GET and HEAD only; `/` and the report only for whom [`Readers`] names; where there is a web configuration file, nothing without the
//! password or certificate that it asks for ([`guard`]). Which addresses: [`bind`]; how long a connection may last: `connection`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;

use crate::page;
use crate::render::json::summary::Summary;
use crate::render::{json, metrics};
use crate::state::snapshot::Snapshot;
use crate::state::store::Reader;
use crate::web_config::in_force::WebConfigFile;

mod bind;
mod connection;
mod guard;
mod names;
mod places;
pub mod progress;
mod readers;
mod readiness;
mod reply;

pub use bind::{BindError, Bound, bind};
use guard::Known;
pub use names::Names;
use readers::Caller;
pub use readers::Readers;
pub use readiness::{Part, Readiness};
use reply::Reply;

/// What is shown, and how what this room does not know is made.
pub struct Content {
    pub snapshots: Reader,
    pub readiness: Readiness,
    /// The report as JSON.
    pub report: Box<dyn Fn(&Snapshot) -> String + Send + Sync>,
    /// The report's JSON Schema.
    pub schema: String,
    pub shape: metrics::Shape,
    pub clock: fn() -> Timestamp,
    /// Who may read page and report.
    pub readers: Readers,
    /// TLS, passwords and headers. `None`: nobody is asked who they are.
    pub web: Option<Arc<WebConfigFile>>,
}

impl Content {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }
}

type Shared = State<Arc<Content>>;

/// The routes that say how the agent is, and nothing else.
const HEALTH: [&str; 5] = ["/livez", "/healthz", "/-/healthy", "/readyz", "/-/ready"];

/// Every route, for [`Bound::serve`].
fn routes(content: Arc<Content>) -> Router {
    Router::new()
        .route("/", get(show_page))
        .route("/api/v1/report", get(show_report))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&content), for_readers))
        .route("/metrics", get(show_metrics))
        .route("/api/v1/schema", get(show_schema))
        .route("/api/v1/summary", get(show_summary))
        .route("/livez", get(live))
        .route("/healthz", get(live))
        .route("/-/healthy", get(live))
        .route("/readyz", get(ready))
        .route("/-/ready", get(ready))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&content), guard::protect))
        .with_state(content)
}

async fn show_page(State(content): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = page::Query::parse(query.as_deref().unwrap_or_default());
    let html = page::html(&content.snapshot(), (content.clock)(), &query);
    Reply::new("text/html; charset=utf-8", html).under(&page::POLICY).to(&headers)
}

async fn show_metrics(State(content): Shared, headers: HeaderMap) -> Response {
    match metrics::exposition(&content.snapshot(), content.shape) {
        Ok(text) => Reply::new(metrics::CONTENT_TYPE, text).to(&headers),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be encoded");
            Reply::text("the metrics cannot be encoded; the log says why\n").status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn show_report(State(content): Shared, headers: HeaderMap) -> Response {
    Reply::new("application/json", (content.report)(&content.snapshot())).to(&headers)
}

async fn show_schema(State(content): Shared, headers: HeaderMap) -> Response {
    Reply::new("application/schema+json", content.schema.clone()).to(&headers)
}

/// Without the time, so that what did not change has the same tag.
async fn show_summary(State(content): Shared, headers: HeaderMap) -> Response {
    let summary = Summary::of(&content.snapshot(), (content.clock)());
    let text = json::line(&summary);
    Reply::new("application/json", text).tagged().to(&headers)
}

/// For health, metrics, the summary and the schema no name is asked, and no address: Prometheus and the API server's proxy come from
/// elsewhere, with names of their own.
async fn for_readers(
    State(content): Shared,
    Extension(caller): Extension<Caller>,
    known: Option<Extension<Known>>,
    request: Request,
    next: Next,
) -> Response {
    match content.readers.admit(&caller, known.is_some(), request.headers(), &content.snapshot().node) {
        Ok(()) => next.run(request).await,
        Err(refused) => Reply::text(&refused.text).status(refused.status),
    }
}

async fn live() -> Response {
    Reply::text("ok\n").status(StatusCode::OK)
}

async fn ready(State(content): Shared, RawQuery(query): RawQuery) -> Response {
    let look = content.readiness.look();
    let is_verbose = query.is_some_and(|query| query.split('&').any(|word| word.split('=').next() == Some("verbose")));
    let text = if is_verbose { &look.verbose } else { &look.brief };
    Reply::text(text).status(if look.is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}

async fn unknown() -> Response {
    let text =
        "nothing here; there are /, /metrics, /api/v1/report, /api/v1/schema, /api/v1/summary, /livez, /readyz\n";
    Reply::text(text).status(StatusCode::NOT_FOUND)
}

/// The header Allow is the router's.
async fn not_allowed() -> Response {
    Reply::text("GET and HEAD only\n").status(StatusCode::METHOD_NOT_ALLOWED)
}

#[cfg(test)]
mod tests;
