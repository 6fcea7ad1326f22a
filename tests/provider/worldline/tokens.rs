//! Tokens that are asked for with a signed assertion: the exact bytes, when they are asked for, and what a
//! failure tells of the account.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refunds::domain::answer::{BlockCause, Face, FailurePhase, Signal};
use refunds::domain::sight::Sight;
use refunds::domain::timestamp::Timestamp;
use refunds::provider::worldline::{Algorithm, Auth, Jwt, Keys, Now, Settings, Worldline};
use refunds::provider::{Error, Provider, Unready};
use ring::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, RsaParameters,
    UnparsedPublicKey,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use url::Url;

use super::fixture::order;
use crate::listener::{Listener, Step, http, json};
use crate::wire::{NOT_SENT, Wire, look_up, send};

pub(super) const PEM: &str = include_str!("key.pem");
const SECOND_PEM: &str = include_str!("second_key.pem");
const ISSUER: &str = "application-1@123456789";
pub(super) const TOKEN: &str = "1111111111111111111111111111111111111111";
const NEXT_TOKEN: &str = "2222222222222222222222222222222222222222";

pub(super) fn jwt(pem: &str) -> Jwt {
    let now = Now::from_fn(|| Timestamp::parse_rfc3339("2026-01-01T00:00:00.9Z").unwrap());
    Jwt::new(ISSUER.to_owned(), Keys::fixed(SecretString::from(pem)), now)
}

fn with_jwt(mut settings: Settings, jwt: Jwt) -> Settings {
    settings.auth = Auth::Jwt(jwt);
    settings
}

pub(super) fn client_with(address: SocketAddr, jwt: Jwt) -> Worldline {
    Worldline::new(with_jwt(Worldline::settings(&format!("http://{address}")), jwt)).unwrap()
}

pub(super) fn granted(token: &str, seconds: u64) -> Vec<u8> {
    json(200, &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#))
}

/// One connection on which these answers follow each other.
async fn answering(answers: &[Vec<u8>]) -> Listener {
    let steps = answers.iter().flat_map(|bytes| [Step::Read, Step::Write(bytes.clone())]);
    Listener::play(vec![steps.collect()]).await
}

fn public_key(pem: &str) -> Vec<u8> {
    let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap() {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).unwrap(),
        other => panic!("{other:?}"),
    };
    pair.public_key().as_ref().to_vec()
}

/// The assertion in a wish for a token.
fn assertion_in(request: &str) -> String {
    let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    body.strip_prefix(form).unwrap().to_owned()
}

fn is_signed_by(assertion: &str, pem: &str, algorithm: &'static RsaParameters) -> bool {
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(algorithm, public_key(pem)).verify(message.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn the_wish_for_a_token_is_these_bytes() {
    let listener = answering(&[granted(TOKEN, 3_600), Worldline::success()]).await;
    let address = listener.address();
    let client = client_with(address, jwt(PEM));
    assert_eq!(client.prepare().await, None);
    assert!(matches!(send(&client).await.faces[0], Face::Succeeded(_)));

    let requests = listener.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let expected = format!(
        "POST /api/v2/oauth2/tokens HTTP/1.1\r\n\
         accept: application/json\r\n\
         content-type: application/x-www-form-urlencoded\r\n\
         user-agent: refunds/{}\r\n\
         host: {address}\r\n\
         content-length: {}",
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    assert_eq!(head, expected);
    let assertion = assertion_in(&requests[0]);
    let parts: Vec<_> = assertion.split('.').collect();
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), r#"{"alg":"PS256","typ":"JWT"}"#);
    let claims = format!(
        concat!(
            r#"{{"aud":"drwp","iss":"{}","#,
            r#""scope":"OrderProcessingService:POST:/v2/merchants/{{mid}}/orders/{{orderId}}/refunds "#,
            r#"OrderProcessingService:GET:/v2/merchants/{{mid}}/orders/{{orderId}}","#,
            r#""iat":1767225600,"exp":1767225660}}"#
        ),
        ISSUER
    );
    assert_eq!(decoded(parts[1]), claims);
    assert!(is_signed_by(&assertion, PEM, &RSA_PSS_2048_8192_SHA256));
    assert!(requests[1].contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")));
}

#[tokio::test]
async fn the_older_algorithm_and_the_older_form_of_a_key_will_do() {
    let listener = answering(&[granted(TOKEN, 3_600)]).await;
    let mut jwt = jwt(SECOND_PEM);
    jwt.algorithm = Algorithm::Rs256;
    jwt.token_url = Some(Url::parse(&format!("http://{}/elsewhere/tokens", listener.address())).unwrap());
    let client = Worldline::new(with_jwt(Worldline::settings("http://worldline.invalid"), jwt)).unwrap();
    assert_eq!(client.prepare().await, None);
    let request = listener.requests().remove(0);
    assert!(request.starts_with("POST /elsewhere/tokens HTTP/1.1\r\n"));
    let assertion = assertion_in(&request);
    assert!(is_signed_by(&assertion, SECOND_PEM, &RSA_PKCS1_2048_8192_SHA256));
    let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
    assert_eq!(header, br#"{"alg":"RS256","typ":"JWT"}"#);
}

#[tokio::test]
async fn a_token_is_kept_and_shared() {
    let listener = answering(&[granted(TOKEN, 3_600), json(200, &order(&[]).to_string())]).await;
    let client = Arc::new(client_with(listener.address(), jwt(PEM)));
    let all = (0..8).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.prepare().await })
    });
    for task in all.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), None);
    }
    assert_eq!(client.prepare().await, None);
    assert!(matches!(look_up(&*client).await.sight, Sight::Order(_)));
    assert_eq!(listener.requests().len(), 2);
}

/// Moves the clock that tokens are kept by.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends_and_the_old_one_serves_while_it_holds() {
    let failed = json(503, "");
    let answers = [granted(TOKEN, 100), failed.clone(), failed, granted(NEXT_TOKEN, 3_600)];
    let scripts = answers.into_iter().map(|bytes| vec![Step::Read, Step::Write(bytes)]);
    let listener = Listener::play(scripts.collect()).await;
    let client = client_with(listener.address(), jwt(PEM));
    assert_eq!(client.prepare().await, None);
    pass(70).await;
    assert_eq!(client.prepare().await, None);
    assert_eq!(listener.requests().len(), 1, "it holds for a while");
    pass(6).await;
    assert_eq!(client.prepare().await, None);
    assert_eq!(
        listener.requests().len(),
        2,
        "a quarter of its life is left: a new one is asked for, the old one serves"
    );
    pass(15).await;
    assert_eq!(client.prepare().await.unwrap().signals, [Signal::Trouble], "too little is left of it");
    pass(10).await;
    assert_eq!(send(&client).await.faces, [NOT_SENT], "it has ended");
    assert_eq!(client.prepare().await, None);
    assert_eq!(listener.requests().len(), 4);
}

#[tokio::test]
async fn a_send_asks_for_no_token_and_without_one_sends_nothing() {
    let listener = answering(&[granted(TOKEN, 3_600)]).await;
    let client = client_with(listener.address(), jwt(PEM));
    let answer = send(&client).await;
    assert_eq!((answer.faces, answer.signals), (vec![NOT_SENT], vec![]));
    assert_eq!(answer.evidence.phase, Some(FailurePhase::BeforeSend));
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_refused_token_is_dropped_once_and_the_next_attempt_asks_anew() {
    for lookup in [false, true] {
        let answers = [
            granted(TOKEN, 3_600),
            json(401, r#"{"code":"invalid_token"}"#),
            granted(NEXT_TOKEN, 3_600),
            Worldline::success(),
        ];
        let listener = answering(&answers).await;
        let client = client_with(listener.address(), jwt(PEM));
        assert_eq!(client.prepare().await, None);
        if lookup {
            assert_eq!(look_up(&client).await.signals, [Signal::Block(BlockCause::Credentials)]);
        } else {
            assert_eq!(send(&client).await.faces, [Face::Blocked(BlockCause::Credentials)]);
        }
        assert_eq!(listener.requests().len(), 2, "nothing is repeated");
        assert_eq!(client.prepare().await, None);
        assert!(matches!(send(&client).await.faces[0], Face::Succeeded(_)));
        assert!(listener.requests()[3].contains(NEXT_TOKEN));
    }
}

async fn unready(bytes: Vec<u8>) -> Unready {
    let listener = answering(&[bytes.clone(), bytes]).await;
    let client = client_with(listener.address(), jwt(PEM));
    let unready = client.prepare().await.unwrap();
    assert_eq!(listener.requests().len(), 1);
    let answer = look_up(&client).await;
    assert_eq!((answer.sight, answer.signals), (Sight::Nothing, unready.signals.clone()));
    unready
}

#[tokio::test]
async fn a_failure_to_get_a_token_tells_what_it_means_for_the_account() {
    let error = r#"{"error":"invalid_grant","error_description":"Said."}"#;
    let quiet = |seconds| Signal::Throttle(Duration::from_secs(seconds));
    for (bytes, signals) in [
        (json(400, error), vec![Signal::Block(BlockCause::Credentials)]),
        (json(401, ""), vec![Signal::Block(BlockCause::Credentials)]),
        (json(403, error), vec![Signal::Block(BlockCause::Permission)]),
        (json(404, "<html>"), vec![Signal::Block(BlockCause::Configuration)]),
        (json(400, "<html>"), vec![Signal::Trouble]),
        (http(302, "Location: /\r\n", ""), vec![Signal::Trouble]),
        (http(429, "Retry-After: 3\r\n", ""), vec![quiet(3)]),
        (json(429, ""), vec![quiet(30)]),
        (json(408, ""), vec![Signal::Trouble]),
        (http(503, "Retry-After: 4\r\n", error), vec![Signal::Trouble, quiet(4)]),
        (json(200, "{}"), vec![Signal::Trouble]),
        (json(200, "<html>"), vec![Signal::Trouble]),
        (json(200, r#"{"access_token":""}"#), vec![Signal::Trouble]),
        (json(200, r#"{"access_token":"a\nb"}"#), vec![Signal::Trouble]),
        (json(200, r#"{"access_token":"a","token_type":"mac"}"#), vec![Signal::Trouble]),
        (json(200, r#"{"access_token":"a","expires_in":0}"#), vec![Signal::Trouble]),
        (json(200, r#"{"access_token":"a","expires_in":"soon"}"#), vec![Signal::Trouble]),
    ] {
        let unready = unready(bytes).await;
        assert_eq!(unready.signals, signals, "{unready:?}");
        assert!(unready.evidence.http_status.is_some() && unready.evidence.provider_text.is_some());
    }
    let told = unready(json(400, error)).await.evidence;
    assert_eq!(
        (told.provider_code.as_deref(), told.provider_text.as_deref()),
        (Some("invalid_grant"), Some("Said."))
    );
}

#[tokio::test]
async fn a_wire_that_breaks_gives_no_token() {
    let deaf = Listener::play(vec![]).await.close().await;
    let client = client_with(deaf.local_addr().unwrap(), jwt(PEM));
    let unready = client.prepare().await.unwrap();
    assert_eq!(
        (unready.evidence.phase, unready.signals),
        (Some(FailurePhase::Connect), vec![Signal::Trouble])
    );

    for script in [vec![Step::Read, Step::Reset], vec![Step::Read, Step::Hold]] {
        let listener = Listener::play(vec![script]).await;
        let settings = with_jwt(Worldline::hasty(&format!("http://{}", listener.address())), jwt(PEM));
        let unready = Worldline::new(settings).unwrap().prepare().await.unwrap();
        assert_eq!(
            (unready.evidence.phase, unready.signals),
            (Some(FailurePhase::Exchange), vec![Signal::Trouble])
        );
        assert_eq!((listener.connections(), listener.requests().len()), (1, 1));
    }
}

#[tokio::test]
async fn odd_but_usable_grants_are_taken() {
    for body in [
        format!(r#"{{"access_token":"{TOKEN}"}}"#),
        format!(r#"{{"access_token":"{TOKEN}","token_type":"bearer","expires_in":"60"}}"#),
        format!(r#"{{"access_token":"{TOKEN}","expires_in":null,"scope":"x"}}"#),
        format!(r#"{{"access_token":"{TOKEN}","expires_in":18446744073709551615}}"#),
    ] {
        let listener = answering(&[json(200, &body)]).await;
        assert_eq!(client_with(listener.address(), jwt(PEM)).prepare().await, None, "{body}");
    }
}

#[tokio::test]
async fn of_two_keys_the_other_is_tried_before_the_account_is_blocked() {
    let refused = json(401, r#"{"error":"invalid_client"}"#);
    let answers = [refused.clone(), refused.clone(), refused, granted(TOKEN, 3_600)];
    let listener = answering(&answers).await;
    let client = client_with(listener.address(), jwt(&format!("{PEM}{SECOND_PEM}")));
    assert_eq!(client.prepare().await.unwrap().signals, [], "there is another key");
    assert_eq!(client.prepare().await.unwrap().signals, [Signal::Block(BlockCause::Credentials)]);
    assert_eq!(client.prepare().await.unwrap().signals, [Signal::Block(BlockCause::Credentials)]);
    assert_eq!(client.prepare().await, None);
    for (request, pem) in listener.requests().iter().zip([PEM, SECOND_PEM, PEM, SECOND_PEM]) {
        assert!(is_signed_by(&assertion_in(request), pem, &RSA_PSS_2048_8192_SHA256));
    }
}

#[tokio::test]
async fn a_key_that_was_exchanged_is_taken_up_and_a_broken_file_changes_nothing() {
    let refused = json(401, r#"{"error":"invalid_client"}"#);
    let listener = answering(&[refused.clone(), refused.clone(), refused, granted(TOKEN, 3_600)]).await;
    let file: Arc<Mutex<Result<String, String>>> = Arc::new(Mutex::new(Ok(PEM.to_owned())));
    let source = Arc::clone(&file);
    let mut jwt = jwt(PEM);
    jwt.keys = Keys::read_by(move || source.lock().unwrap().clone().map(SecretString::from));
    let client = client_with(listener.address(), jwt);
    for text in [Ok(PEM.to_owned()), Err("gone".to_owned()), Ok("half a key".to_owned())] {
        *file.lock().unwrap() = text;
        assert_eq!(client.prepare().await.unwrap().signals, [Signal::Block(BlockCause::Credentials)]);
    }
    *file.lock().unwrap() = Ok(SECOND_PEM.to_owned());
    assert_eq!(client.prepare().await, None);
    for (request, pem) in listener.requests().iter().zip([PEM, PEM, PEM, SECOND_PEM]) {
        assert!(is_signed_by(&assertion_in(request), pem, &RSA_PSS_2048_8192_SHA256));
    }
}

#[test]
fn keys_that_cannot_sign_are_refused_and_not_repeated() {
    let cut = PEM.replace("MII", "MIA");
    let third = format!("{PEM}{SECOND_PEM}{PEM}");
    for pem in [
        "",
        "no key",
        cut.as_str(),
        third.as_str(),
        "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
    ] {
        let error: Error =
            Worldline::new(with_jwt(Worldline::settings("http://a.example"), jwt(pem))).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(matches!(error, Error::Key(_)) && !told.contains("MIA"), "{told}");
    }
}
