//! The door: every request is put on the list of calls, handed to its provider, and answered or cut.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    response::Response,
    routing::any,
};

use super::{
    calls::Call,
    clock, control,
    provider::{Answered, Incoming, Provider},
    reply::{Plain, Reply},
    shared::Shared,
    wire::Peer,
};

/// The largest request body that is read; beyond it the answer is 413.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// All routes: the providers under their names, and the sandbox's own.
pub(super) fn router(shared: &Arc<Shared>, providers: &[Arc<dyn Provider>]) -> Router {
    providers.iter().fold(control::router(shared, providers), |router, provider| {
        let site = Site { shared: Arc::clone(shared), provider: Arc::clone(provider) };
        router.merge(
            Router::new().route(&format!("/{}/{{*path}}", provider.name()), any(enter)).with_state(site),
        )
    })
}

#[derive(Clone)]
struct Site {
    shared: Arc<Shared>,
    provider: Arc<dyn Provider>,
}

async fn enter(
    State(site): State<Site>,
    ConnectInfo(Peer { switch, ip }): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX_BYTES).await else {
        return Reply::Plain(Plain::empty(413)).send(&site.shared, &switch).await;
    };
    let path = head.uri.path();
    let incoming = Incoming {
        path: path.get(site.provider.name().len() + 1..).unwrap_or_default().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        method: head.method,
        headers: head.headers,
        body,
        peer: ip,
    };
    let reply = converse(&site, incoming).await;
    reply.send(&site.shared, &switch).await
}

/// Answers in a task of its own: a provider finishes what it began, even when the caller has hung up.
async fn converse(site: &Site, incoming: Incoming) -> Reply {
    let shared = Arc::clone(&site.shared);
    let provider = Arc::clone(&site.provider);
    let number = receive(site, &incoming);
    let task = tokio::spawn(async move {
        let answered = tokio::select! {
            biased;
            () = shared.closed() => Answered { reply: Reply::Reset, behaviour: None },
            answered = provider.answer(incoming) => answered,
        };
        let (status, ended) = answered.reply.summary();
        shared.lock().calls.finish(number, answered.behaviour, status, ended);
        answered.reply
    });
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "sandbox failed on a request");
        Reply::Reset
    })
}

fn receive(site: &Site, incoming: &Incoming) -> u64 {
    let query = if incoming.query.is_empty() { String::new() } else { format!("?{}", incoming.query) };
    let mut inner = site.shared.lock();
    let call = Call {
        number: 0,
        provider: site.provider.name(),
        order_id: site.provider.subject_of(incoming),
        at: clock::stamp(inner.now_ms()),
        method: incoming.method.to_string(),
        path: format!("/{}{}{query}", site.provider.name(), incoming.path),
        headers: shown(&incoming.headers),
        body: String::from_utf8_lossy(&incoming.body).into_owned(),
        behaviour: None,
        status: None,
        ended: "open",
    };
    inner.calls.receive(call)
}

/// Headers as the list of calls shows them: of `authorization` only the scheme.
fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = match value.split_once(' ') {
            Some((scheme, _)) if name == header::AUTHORIZATION => format!("{scheme} ***"),
            None if name == header::AUTHORIZATION => "***".to_owned(),
            _ => value.into_owned(),
        };
        shown.entry(name.to_string()).and_modify(|all| *all = format!("{all}, {value}")).or_insert(value);
    }
    shown
}
