//! Traces and logs out: the only room that knows OpenTelemetry and the subscriber.
//!
//! Spans of this crate are exported over OTLP/gRPC when an endpoint is given. Without one they still exist,
//! so that each log line carries its trace and each refund stores its caller's. Log lines go to stderr.

use std::io;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, FilterFn, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry};

mod chain;
mod heads;
mod log;
pub mod names;
pub mod propagation;
pub mod spans;

pub use chain::Chain;
pub use heads::head_of_line;

#[cfg(test)]
mod tests;

/// How long a flush at shutdown may take, milliseconds.
pub const FLUSH_MS_MAX: u64 = 5_000;

/// What the runtime gets on top of [`FLUSH_MS_MAX`] to hand over the result of a flush, milliseconds.
const FLUSH_MARGIN_MS: u64 = 500;

/// What this crate's spans are called as an instrumentation scope, and how their targets begin.
const SCOPE: &str = env!("CARGO_CRATE_NAME");

/// How to log and where to send traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The OTLP/gRPC collector, `http://host:port`; without it no span leaves the process.
    pub otlp_endpoint: Option<String>,
    /// The form of a log line.
    pub log_format: LogFormat,
    /// Which events are logged: directives such as `info,sqlx=warn`. It never hides a span.
    pub log_filter: String,
    /// `service.name` of every span.
    pub service_name: String,
    /// The share of new traces that is sampled, 0 to 1; a caller's own decision is followed.
    pub sample_ratio: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            log_format: LogFormat::Json,
            log_filter: "info,sqlx=warn".to_owned(),
            service_name: SCOPE.to_owned(),
            sample_ratio: 1.0,
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for a person to read.
    Text,
}

/// Why telemetry could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter does not parse.
    #[error("the log filter {filter:?} does not parse")]
    LogFilter {
        /// The filter as given.
        filter: String,
        /// What the parser said.
        #[source]
        source: ParseError,
    },
    /// The OTLP exporter could not be built from its endpoint.
    #[error("the OTLP exporter could not be built")]
    Exporter(#[source] ExporterBuildError),
    /// This process has a global subscriber already.
    #[error("a global subscriber is installed already")]
    Installed(#[source] TryInitError),
    /// Spans that were still held could not be sent.
    #[error("the last spans could not be sent")]
    Flush(#[source] OTelSdkError),
    /// The flush did not end within [`FLUSH_MS_MAX`].
    #[error("the last spans were not sent within {FLUSH_MS_MAX} ms")]
    FlushTimeout,
    /// A parent was given to a span that had begun: it can no longer have one.
    #[error("the span has begun and can no longer be given a parent")]
    SpanStarted,
}

/// What must be flushed before the process ends.
#[derive(Debug)]
#[must_use = "spans that are still held are lost unless shut down"]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Sends the spans that are still held, without an end.
    ///
    /// # Errors
    ///
    /// [`Error::Flush`] if the collector cannot be reached, [`Error::FlushTimeout`] after [`FLUSH_MS_MAX`].
    pub async fn flush(&self) -> Result<(), Error> {
        let provider = self.provider.clone();
        bounded(move || provider.force_flush()).await
    }

    /// Sends the spans that are still held and ends the export; takes [`FLUSH_MS_MAX`] at most. A batch that
    /// the collector does not take is logged and lost.
    ///
    /// # Errors
    ///
    /// [`Error::Flush`] if the export ended before, [`Error::FlushTimeout`] after [`FLUSH_MS_MAX`].
    pub async fn shutdown(self) -> Result<(), Error> {
        let limit = Duration::from_millis(FLUSH_MS_MAX);
        bounded(move || self.provider.shutdown_with_timeout(limit)).await
    }
}

/// Whether these settings can be taken, as far as that can be told without taking them.
///
/// # Errors
///
/// A log filter that does not parse.
pub fn check(settings: &Settings) -> Result<(), Error> {
    log_filter(settings).map(|_| ())
}

/// Installs the subscriber of the process, logging to stderr. Call it once, within a Tokio runtime: the
/// exporter's connection lives there.
///
/// # Errors
///
/// A log filter that does not parse, an endpoint that is none, or a subscriber that is installed already.
pub fn init(settings: &Settings) -> Result<Telemetry, Error> {
    let (subscriber, telemetry) = subscriber(settings, io::stderr)?;
    subscriber.try_init().map_err(Error::Installed)?;
    Ok(telemetry)
}

/// The same subscriber, not installed and with its own writer, for a test that looks at what it writes.
///
/// # Errors
///
/// A log filter that does not parse, or an endpoint that is none.
pub fn subscriber<W>(
    settings: &Settings,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Telemetry), Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let provider = provider(settings)?;
    assemble(settings, provider, writer)
}

fn provider(settings: &Settings) -> Result<SdkTracerProvider, Error> {
    let root = Sampler::TraceIdRatioBased(settings.sample_ratio);
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
        .build();
    let builder = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(root)));
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(builder.build());
    };
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(Error::Exporter)?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn assemble<W>(
    settings: &Settings,
    provider: SdkTracerProvider,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Telemetry), Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = log_filter(settings)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SCOPE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_level(false)
        .with_target(false)
        .with_filter(own_spans());
    let logs = match settings.log_format {
        LogFormat::Json => log::json(writer).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).boxed(),
    };
    // A filter such as `warn` must not hide the spans: a warning without its refund's id is of little use.
    let logs = logs.with_filter(filter.or(own_spans()));
    Ok((Registry::default().with(traces).with(logs), Telemetry { provider }))
}

fn log_filter(settings: &Settings) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(&settings.log_filter).map_err(|source| {
        let filter = settings.log_filter.clone();
        Error::LogFilter { filter, source }
    })
}

/// Passes the spans of this crate. Events are not exported: a log line carries its trace, and saying it twice
/// costs twice.
fn own_spans() -> FilterFn {
    let own: fn(&Metadata<'_>) -> bool = is_own_span;
    filter_fn(own).with_max_level_hint(Level::INFO)
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with(SCOPE)
}

/// Runs a blocking flush off the runtime's threads: the exporter needs them to send.
async fn bounded<F>(flush: F) -> Result<(), Error>
where
    F: FnOnce() -> Result<(), OTelSdkError> + Send + 'static,
{
    let limit = Duration::from_millis(FLUSH_MS_MAX + FLUSH_MARGIN_MS);
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(flush)).await {
        Ok(Ok(flushed)) => flushed.map_err(Error::Flush),
        Ok(Err(_)) | Err(_) => Err(Error::FlushTimeout),
    }
}
