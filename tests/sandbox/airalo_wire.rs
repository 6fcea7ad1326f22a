//! Raw HTTP to the sandbox's Airalo.

use std::net::{Ipv4Addr, SocketAddr};

use refunds::sandbox::{AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::wire::{Answer, Running, request};

const BOUNDARY: &str = "------------------------d74496d66958873e";

/// A sandbox without rate limits, and a token for it.
pub(crate) struct Airalo {
    pub(crate) sandbox: Running,
    pub(crate) token: String,
}

impl Airalo {
    pub(crate) async fn start() -> Self {
        Self::over(Running::start().await).await
    }

    pub(crate) async fn over(sandbox: Running) -> Self {
        sandbox.settings(json!({"token_limit": 0, "refund_limit": 0})).await;
        let token = new_token(&sandbox).await;
        Self { sandbox, token }
    }

    pub(crate) async fn refund(&self, iccids: &[&str]) -> Answer {
        self.form(&parts(iccids)).await
    }

    pub(crate) async fn form(&self, parts: &[(&str, &str)]) -> Answer {
        self.sandbox.send("POST", "/airalo/v2/refund", &self.form_headers(), &form(parts)).await
    }

    /// A whole request for a refund.
    pub(crate) fn request(&self, iccids: &[&str]) -> String {
        request("POST", "/airalo/v2/refund", &self.form_headers(), &form(&parts(iccids)))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.sandbox.send("GET", &format!("/airalo{path}"), &self.bearer(), "").await
    }

    /// The status of each order that the list shows for an ICCID and that has this eSIM.
    pub(crate) async fn statuses(&self, iccid: &str) -> Vec<String> {
        let path = format!("/v2/orders?filter%5Biccid%5D={iccid}&include=sims,status");
        let list = self.get(&path).await;
        assert_eq!(list.status, Some(200), "{iccid}: {}", list.text());
        let has = |order: &&Value| order["sims"].as_array().unwrap().iter().any(|sim| sim["iccid"] == iccid);
        let slug = |order: &Value| order["status"]["slug"].as_str().unwrap().to_owned();
        list.json()["data"].as_array().unwrap().iter().filter(has).map(slug).collect()
    }

    pub(crate) async fn balance(&self) -> String {
        self.get("/v2/balance").await.json()["data"]["balances"]["availableBalance"]["amount"].to_string()
    }

    pub(crate) async fn counters(&self) -> Value {
        self.sandbox.control("GET", "/control/airalo/counters", &json!(null)).await
    }

    pub(crate) async fn put(&self, iccid: &str, change: Value) {
        self.sandbox.control("PUT", &format!("/control/airalo/orders/{iccid}"), &change).await;
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\nAccept: application/json\r\n", self.token)
    }

    fn form_headers(&self) -> String {
        format!("{}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n", self.bearer())
    }
}

pub(crate) async fn new_token(sandbox: &Running) -> String {
    let answer = ask_token(sandbox, AIRALO_CLIENT_ID, AIRALO_CLIENT_SECRET).await;
    assert_eq!(answer.status, Some(200), "{}", answer.text());
    answer.json()["data"]["access_token"].as_str().unwrap().to_owned()
}

pub(crate) async fn ask_token(sandbox: &Running, id: &str, secret: &str) -> Answer {
    let body = format!("client_id={id}&client_secret={secret}&grant_type=client_credentials");
    let headers = "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    sandbox.send("POST", "/airalo/v2/token", headers, &body).await
}

/// The parts of the published example, for other eSIMs.
pub(crate) fn parts(iccids: &[&str]) -> [(&'static str, &'static str); 4] {
    let list = format!("[\"{}\"]", iccids.join("\",  \""));
    let list: &'static str = list.leak();
    [("iccids", list), ("reason", "\"INSTALLATION_FAILURE\""), ("notes", ""), ("email", "email@example.com")]
}

pub(crate) fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, text): &(&str, &str)| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    parts.iter().map(part).chain([format!("--{BOUNDARY}--\r\n")]).collect()
}

/// The status of a request that comes from another address of this machine.
pub(crate) async fn status_from(from: Ipv4Addr, to: SocketAddr, request: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}
