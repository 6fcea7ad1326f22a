//! Callers with one right each.

use tempfile::TempDir;

use super::app::TestApp;

/// `dev` calls without a token; the token of another is its name and `-token`.
const CALLERS: &str = r#"
[callers.dev]
rights = ["refund"]
accounts = ["*"]

[callers.desk]
token_sha256 = ["6122302bcd3f8ce89bcc5c9198be780e54d4d4a74110b2b88ddf5abb6ccb17a8"]
rights = ["refund"]
accounts = ["afterpay"]

[callers.reader]
token_sha256 = ["ba5005a40cf5212e4ac0190104cc127edab013294bb71279a975b27a80982d45"]
rights = ["read_all"]
accounts = ["afterpay", "moyasar"]

[callers.boss]
token_sha256 = ["673e0b86626e1976dc1d5d4723c64674b0057b4f5b0f65f51758814a3d82c458"]
rights = ["operate"]
accounts = ["*"]

[callers.nobody]
token_sha256 = ["13006a1ee94f7167e38b604083d41f7a0ccb8d1ca884bf0b8af26234b58efb99"]
rights = []
accounts = ["*"]
"#;

/// Starts the service again with these callers; their file is there as long as what is given back.
pub(crate) async fn install(app: &mut TestApp) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("callers.toml");
    std::fs::write(&file, CALLERS).unwrap();
    app.pause().await;
    app.set(&[("REFUNDS__CALLERS__FILE", file.to_str().unwrap())]);
    app.resume().await;
    directory
}
