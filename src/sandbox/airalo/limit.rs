//! Rate limits: fixed windows per peer, which begin with the first call that counts.

use std::{collections::HashMap, net::IpAddr};

use serde::Serialize;

use super::problem;
use crate::sandbox::{reply::Plain, settings::Settings};

const MINUTE_MS: u64 = 60_000;
const SECOND_MS: u64 = 1_000;

/// Which calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Gate {
    /// 3 per minute [doc: request access token]; that they are counted per peer is \[assumed].
    Token,
    /// 1 per 5 minutes and address at the provider [request refund].
    Refund,
    /// 5 per second in sandbox mode [doc: sandbox mode].
    Lookup,
}

/// How many calls a window takes; 0 is no limit.
#[derive(Clone, Copy, Debug)]
struct Rule {
    limit: u32,
    window_ms: i64,
}

impl Rule {
    fn of(gate: Gate, settings: &Settings) -> Self {
        let (limit, window_ms) = match gate {
            Gate::Token => (settings.token_limit, MINUTE_MS),
            Gate::Refund => (settings.refund_limit, settings.refund_window_ms),
            Gate::Lookup => (settings.lookup_limit, SECOND_MS),
        };
        Self { limit, window_ms: i64::try_from(window_ms).unwrap_or(i64::MAX) }
    }
}

#[derive(Debug)]
struct Window {
    start_ms: i64,
    calls: u32,
}

/// The windows of one provider.
#[derive(Debug, Default)]
pub(super) struct Limiter(HashMap<(Gate, IpAddr), Window>);

/// A call that comes too early: what is left of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooEarly {
    limit: u32,
    left_ms: i64,
}

impl Limiter {
    /// Whether a call may pass now; it counts only once it is [spent](Self::spend).
    pub(super) fn check(
        &self,
        gate: Gate,
        peer: IpAddr,
        settings: &Settings,
        now_ms: i64,
    ) -> Result<(), TooEarly> {
        let Rule { limit, window_ms } = Rule::of(gate, settings);
        match self.0.get(&(gate, peer)) {
            Some(window) if limit > 0 && window.calls >= limit => {
                let gone_ms = now_ms.saturating_sub(window.start_ms);
                if (0..window_ms).contains(&gone_ms) {
                    Err(TooEarly { limit, left_ms: window_ms - gone_ms })
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// Counts a call.
    pub(super) fn spend(&mut self, gate: Gate, peer: IpAddr, settings: &Settings, now_ms: i64) {
        let window_ms = Rule::of(gate, settings).window_ms;
        let window = self.0.entry((gate, peer)).or_insert(Window { start_ms: now_ms, calls: 0 });
        if !(0..window_ms).contains(&now_ms.saturating_sub(window.start_ms)) {
            *window = Window { start_ms: now_ms, calls: 0 };
        }
        window.calls = window.calls.saturating_add(1);
    }
}

impl TooEarly {
    /// 429; its headers are documented for other endpoints, for refunds they are \[assumed].
    pub(super) fn answer(self, settings: &Settings) -> Plain {
        let plain = problem::TOO_MANY_ATTEMPTS.answer();
        if !settings.limit_headers {
            return plain;
        }
        let seconds = self.left_ms.saturating_add(999) / 1_000;
        plain
            .with_header("retry-after", &seconds.max(1).to_string())
            .with_header("x-ratelimit-limit", &self.limit.to_string())
            .with_header("x-ratelimit-remaining", "0")
    }
}

/// What came and how much of it was turned away, since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counters {
    pub(super) tokens: Counted,
    pub(super) refunds: Counted,
    pub(super) lookups: Counted,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counted {
    pub(super) received: u64,
    /// Tokens issued, refund requests accepted, lookups answered with 200.
    pub(super) granted: u64,
    /// 429 because the caller came too early.
    pub(super) limited: u64,
    /// 429 because a behaviour said so.
    pub(super) limited_by_behaviour: u64,
}

impl Counters {
    pub(super) fn of(&mut self, gate: Gate) -> &mut Counted {
        match gate {
            Gate::Token => &mut self.tokens,
            Gate::Refund => &mut self.refunds,
            Gate::Lookup => &mut self.lookups,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Gate, Limiter, Settings};

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    #[test]
    fn a_window_begins_with_its_first_call_and_is_of_one_peer() {
        let settings = Settings { refund_window_ms: 1_000, ..Settings::default() };
        let mut limiter = Limiter::default();
        let passes = |limiter: &Limiter, peer, now_ms| limiter.check(Gate::Refund, peer, &settings, now_ms);
        assert!(passes(&limiter, ONE, 5).is_ok());
        limiter.spend(Gate::Refund, ONE, &settings, 5);
        let early = passes(&limiter, ONE, 6).unwrap_err();
        assert_eq!(early.left_ms, 999);
        assert_eq!(early.answer(&settings).headers["retry-after"], "1");
        assert!(passes(&limiter, OTHER, 6).is_ok());
        assert!(passes(&limiter, ONE, 1_004).is_err());
        assert!(passes(&limiter, ONE, 1_005).is_ok());
        assert!(passes(&limiter, ONE, 4).is_ok(), "a clock that was set back closes no window");
    }

    #[test]
    fn a_window_takes_as_many_as_the_limit_says() {
        let mut settings = Settings::default();
        let mut limiter = Limiter::default();
        for now_ms in 0..3 {
            assert!(limiter.check(Gate::Token, ONE, &settings, now_ms).is_ok());
            limiter.spend(Gate::Token, ONE, &settings, now_ms);
        }
        let early = limiter.check(Gate::Token, ONE, &settings, 3).unwrap_err();
        assert_eq!(early.answer(&settings).headers["x-ratelimit-limit"], "3");
        settings.limit_headers = false;
        assert!(!early.answer(&settings).headers.contains_key("retry-after"));
        settings.token_limit = 0;
        assert!(limiter.check(Gate::Token, ONE, &settings, 3).is_ok());
    }
}
