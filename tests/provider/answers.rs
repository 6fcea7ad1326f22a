//! Whole answers that settle nothing, or concern the account: they mean the same from every provider, each in
//! its own words.

use std::time::Duration;

use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};

use super::listener::{http, json};
use super::wire::{Wire, assert_doubt, assert_phase, on_every_provider};

/// A page from somewhere before the provider.
pub(crate) const HTML: &str = "<html><body>Attention Required! | Cloudflare</body></html>";

/// The words of a provider.
pub(crate) trait Answers: Wire {
    /// Statuses that tell nothing of the refund, whatever comes with them.
    const NOT_NOW: &[u16];
    /// Statuses at which a body may refuse the refund.
    const REFUSED_AT: &[u16];
    /// What a 429 means for the refund, and for how many seconds the account is quiet if it does not say.
    const AT_429: (Face, u64);
    /// Bodies that are JSON and no error of the provider's own.
    const FOREIGN: &[&str];
    /// Bodies that look like a refusal and are none.
    const MISSHAPEN: &[&str];

    /// Bodies that refuse the refund, at the right status.
    fn refusals(status: u16) -> Vec<String>;

    /// Errors that concern the account, and why.
    fn refused_account() -> Vec<(u16, String, BlockCause)>;

    /// Errors that no row of the tables knows, and the code that each is told with.
    fn unlisted() -> Vec<(u16, String, Option<&'static str>)>;
}

on_every_provider! {
    async fn a_refused_account_blocks_and_fails_no_refund<W: Answers>() {
        for (status, body, cause) in W::refused_account() {
            let answer = W::sent(json(status, &body)).await;
            assert_eq!(answer.faces, [Face::Blocked(cause)], "{status} {body}");
            assert_eq!(answer.signals, [Signal::Block(cause)]);
            assert_eq!((answer.evidence.phase, answer.evidence.http_status), (None, Some(status)));
        }
    }

    async fn a_page_before_the_provider_blocks_the_account_and_leaves_the_outcome_open<W: Answers>() {
        for (status, cause) in [(401, BlockCause::Credentials), (403, BlockCause::Configuration)] {
            for body in [HTML, "", "{}"].iter().chain(W::FOREIGN) {
                let answer = W::sent(http(status, "Content-Type: text/html\r\n", body)).await;
                assert_eq!(answer.faces, [Face::Unknown], "{status} {body}");
                assert_eq!(answer.signals, [Signal::Block(cause)]);
                assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
            }
        }
    }

    async fn not_now_is_never_a_failure<W: Answers>() {
        for &status in W::NOT_NOW {
            let others = [HTML.to_owned(), String::new(), W::success_body()];
            for body in W::refusals(status).into_iter().chain(others) {
                assert_doubt(&W::sent(json(status, &body)).await, FailurePhase::NotNow, Some(status));
            }
        }
    }

    async fn a_429_keeps_the_account_quiet_for_as_long_as_it_says<W: Answers>() {
        let dated = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
        let (face, untold) = W::AT_429;
        let faces = [face];
        for (headers, quiet_s) in
            [("", untold), ("Retry-After: 7\r\n", 7), (dated, 60), ("Retry-After: x\r\n", untold)]
        {
            for body in W::refusals(429).into_iter().chain([HTML.to_owned(), String::new()]) {
                let answer = W::sent(http(429, headers, &body)).await;
                assert_eq!(answer.faces, faces);
                assert_eq!(answer.signals, [Signal::Throttle(Duration::from_secs(quiet_s))], "{headers}");
                assert_phase(&answer.evidence, FailurePhase::NotNow, Some(429));
            }
        }
        let answer = W::sent(http(503, "Retry-After: 9\r\n", "")).await;
        assert_eq!(answer.faces, [Face::Unknown]);
        assert_eq!(answer.signals, [Signal::Trouble, Signal::Throttle(Duration::from_secs(9))]);
    }

    async fn an_error_that_no_row_knows_is_no_refusal<W: Answers>() {
        for (status, body, code) in W::unlisted() {
            let answer = W::sent(json(status, &body)).await;
            assert_eq!(answer.faces, [Face::Unknown], "{status} {body}");
            assert_eq!(answer.signals, [], "the provider is well, our table is not");
            assert_phase(&answer.evidence, FailurePhase::Parse, Some(status));
            assert_eq!(answer.evidence.provider_code.as_deref(), code);
        }
    }

    async fn a_refusal_in_any_other_shape_is_none<W: Answers>() {
        for &status in W::REFUSED_AT {
            let whole = W::refusals(status).remove(0);
            let cut = &whole[..whole.len() - 1];
            let twice = format!("{whole}{whole}");
            for body in [HTML, "", "null", "[]", cut, &twice].iter().chain(W::MISSHAPEN) {
                assert_doubt(&W::sent(json(status, body)).await, FailurePhase::Parse, Some(status));
            }
        }
    }
}
