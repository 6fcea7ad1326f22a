//! What the tests need of a provider to put its client beside a listener.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use refunds::domain::answer::{Answer, Evidence, Face, FailurePhase, LookupAnswer, Signal};
use refunds::domain::refund::Refund;
use refunds::provider::{Error, Provider};
use url::Url;

use super::listener::{Listener, Step, json};
use super::spans;

/// The face of a refund that never left, and may go again in company.
pub(crate) const NOT_SENT: Face = Face::NotSent { alone: false };

/// How long a client of [`Wire::hasty`] settings waits for a whole answer.
pub(crate) const HASTY: Duration = Duration::from_millis(1_500);

/// A client, with the account and the refund that it is tested with.
pub(crate) trait Wire: Provider + Debug + Sized {
    type Settings: Debug;

    /// The status of an answer that takes the refund.
    const OK: u16;
    /// The statuses of answers that mean something else, each at its own place in the client.
    const ERRORS: [u16; 3];
    /// What the refund is of.
    const ORDER: &str;

    /// The settings of the account.
    fn account(base_url: Url) -> Self::Settings;

    fn made(settings: Self::Settings) -> Result<Self, Error>;

    fn base_url(settings: &mut Self::Settings) -> &mut Url;

    /// How long a client waits for a connection, for the answer to a send, and for the answer to a lookup.
    fn limits(settings: &mut Self::Settings) -> [&mut Duration; 3];

    fn refund() -> Refund;

    /// The body of the answer that takes the refund.
    fn success_body() -> String;

    /// Whether this is the face of a refund that was taken.
    fn is_taken(face: &Face) -> bool {
        matches!(face, Face::Succeeded(_))
    }

    /// The grant of the token that has to be there before the first send.
    fn grant() -> Option<Vec<u8>> {
        None
    }

    /// How many calls for a token come before the first send.
    fn tokens() -> usize {
        usize::from(Self::grant().is_some())
    }

    /// What becomes of the refund if it is answered so; there is one such call.
    async fn sent(answer: Vec<u8>) -> Answer {
        let listener = Self::answered(answer).await;
        let answer = prepare_and_send(&Self::at(listener.address())).await;
        assert_calls::<Self>(&listener, 1);
        answer
    }

    /// Settings that wait for long.
    fn settings(base_url: &str) -> Self::Settings {
        spans::listen();
        let mut settings = Self::account(Url::parse(base_url).unwrap());
        let [connect, read, _] = Self::limits(&mut settings);
        (*connect, *read) = (Duration::from_secs(10), Duration::from_secs(20));
        settings
    }

    /// Settings that do not.
    fn hasty(base_url: &str) -> Self::Settings {
        let mut settings = Self::settings(base_url);
        let [connect, read, lookup_read] = Self::limits(&mut settings);
        *connect = Duration::from_secs(1);
        (*read, *lookup_read) = (Duration::from_millis(500), Duration::from_millis(500));
        settings
    }

    fn at(address: SocketAddr) -> Self {
        Self::made(Self::settings(&format!("http://{address}"))).unwrap()
    }

    fn hasty_at(address: SocketAddr) -> Self {
        Self::made(Self::hasty(&format!("http://{address}/"))).unwrap()
    }

    /// The answer that takes the refund.
    fn success() -> Vec<u8> {
        json(Self::OK, &Self::success_body())
    }

    /// A listener that grants the token, if there is one, and then plays one script per connection.
    async fn playing(scripts: Vec<Vec<Step>>) -> Listener {
        let token = Self::grant().map(|grant| vec![Step::Read, Step::Write(grant)]);
        Listener::play(token.into_iter().chain(scripts).collect()).await
    }

    /// The same for one request on one connection.
    async fn answered(bytes: impl Into<Vec<u8>>) -> Listener {
        Self::playing(vec![vec![Step::Read, Step::Write(bytes.into())]]).await
    }
}

/// Sends, without asking for a token first.
pub(crate) async fn send<W: Wire>(client: &W) -> Answer {
    client.send(&[W::refund()], 0).await
}

pub(crate) async fn prepare_and_send<W: Wire>(client: &W) -> Answer {
    assert_eq!(client.prepare().await, None);
    send(client).await
}

pub(crate) async fn look_up<W: Wire>(client: &W) -> LookupAnswer {
    client.look_up(&W::refund()).await
}

/// Asserts that there were as many requests, each on a connection of its own, after that for the token.
pub(crate) fn assert_calls<W: Wire>(listener: &Listener, calls: usize) {
    let calls = W::tokens() + calls;
    assert_eq!((listener.connections(), listener.requests().len()), (calls, calls));
}

/// Asserts that the outcome is unknown, with this phase and status, and counts for the breaker.
pub(crate) fn assert_doubt(answer: &Answer, phase: FailurePhase, status: Option<u16>) {
    assert_eq!(answer.faces, [Face::Unknown], "{answer:?}");
    assert_eq!(answer.signals, [Signal::Trouble], "{answer:?}");
    assert_phase(&answer.evidence, phase, status);
}

pub(crate) fn assert_phase(evidence: &Evidence, phase: FailurePhase, status: Option<u16>) {
    assert_eq!((evidence.phase, evidence.http_status), (Some(phase), status), "{evidence:?}");
}

/// Says of [`Wire`] how a client is made of settings that have the fields that all have.
macro_rules! made_of {
    ($settings:ty) => {
        type Settings = $settings;

        fn made(settings: $settings) -> Result<Self, refunds::provider::Error> {
            Self::new(settings)
        }

        fn base_url(settings: &mut $settings) -> &mut url::Url {
            &mut settings.base_url
        }

        fn limits(settings: &mut $settings) -> [&mut std::time::Duration; 3] {
            [&mut settings.connect, &mut settings.read, &mut settings.lookup_read]
        }
    };
}

/// Makes of one async test of any provider's client a test of each.
///
/// ```ignore
/// on_every_provider! { async fn what_it_says<W: Wire>() { ... } }
/// ```
macro_rules! on_every_provider {
    ($($(#[$meta:meta])* async fn $name:ident<$wire:ident: $bound:ident>() $body:block)+) => {
        $($crate::wire::on_every_provider! {
            @one [(afterpay Afterpay) (airalo Airalo) (moyasar Moyasar) (worldline Worldline)]
            $(#[$meta])* $name $wire $bound $body
        })+
    };
    (@one [$(($test:ident $client:ident))+]
        $(#[$meta:meta])* $name:ident $wire:ident $bound:ident $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn run<$wire: $bound>() $body

            $(#[tokio::test]
            async fn $test() {
                run::<refunds::provider::$test::$client>().await;
            })+
        }
    };
}

pub(crate) use {made_of, on_every_provider};
