//! `telemetry`: traces and logs.

use serde::Deserialize;

use super::fault::Faults;
use super::source::Source;

/// Where traces go and how logs look.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The OTLP/gRPC collector, `http://host:port`; without it no span leaves the process.
    pub otlp_endpoint: Option<String>,
    /// The form of a log line.
    pub log_format: LogFormat,
    /// Which events are logged: directives such as `info,sqlx=warn`.
    pub log_filter: String,
    /// `service.name` of every span.
    pub service_name: String,
    /// The share of new traces that is sampled, 0 to 1.
    pub sample_ratio: f64,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for a person to read.
    Text,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            log_format: LogFormat::Json,
            log_filter: "info,sqlx=warn".to_owned(),
            service_name: "refunds".to_owned(),
            sample_ratio: 1.0,
        }
    }
}

impl Telemetry {
    pub(super) fn read(source: &mut Source, faults: &mut Faults) -> Self {
        let mut telemetry: Self = source.section("telemetry", faults);
        telemetry.otlp_endpoint = telemetry.otlp_endpoint.filter(|endpoint| !endpoint.is_empty());
        if let Some(endpoint) = &telemetry.otlp_endpoint {
            let plain =
                |url: &url::Url| url.scheme() == "http" && url.has_host() && url.username().is_empty();
            if !url::Url::parse(endpoint).is_ok_and(|url| plain(&url)) {
                faults.add("telemetry.otlp_endpoint", "must be http://<host>:<port>");
            }
        }
        for (key, value) in [
            ("telemetry.log_filter", &telemetry.log_filter),
            ("telemetry.service_name", &telemetry.service_name),
        ] {
            if value.trim().is_empty() {
                faults.add(key, "must not be empty");
            }
        }
        faults.within("telemetry.sample_ratio", telemetry.sample_ratio, &(0.0..=1.0));
        telemetry
    }
}
