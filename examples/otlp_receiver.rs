//! Takes what OpenTelemetry's exporters and its Collector send, and prints a line for each batch.
//!
//! ```sh
//! cargo run --features gzip --example otlp_receiver
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 OTEL_EXPORTER_OTLP_COMPRESSION=gzip opentelemetry-instrument …
//! ```
//!
//! Exporters can compress with gzip, and the Collector does so by default. So the server calls
//! [`accept_compressed_all`](temaki::Server::accept_compressed_all): without that line each export would end with UNIMPLEMENTED.

use temaki::server::TcpIncoming;
use temaki::{Request, Response, Server, Status};
use temaki_protos::otlp::opentelemetry::proto::{collector, common};

use collector::logs::v1 as logs;
use collector::metrics::v1 as metrics;
use collector::trace::v1 as trace;

use logs::logs_service_server::{LogsService, LogsServiceServer};
use metrics::metrics_service_server::{MetricsService, MetricsServiceServer};
use trace::trace_service_server::{TraceService, TraceServiceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let incoming = TcpIncoming::bind(address.as_deref().unwrap_or("127.0.0.1:4317")).await?;
    println!("listening on {}", incoming.local_addr()?);
    Server::builder()
        .accept_compressed_all()
        .add_service(TraceServiceServer::new(Printer))
        .add_service(MetricsServiceServer::new(Printer))
        .add_service(LogsServiceServer::new(Printer))
        .serve_with_incoming_shutdown(incoming, async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

struct Printer;

/// `service.name` of a resource: which program sent it.
fn name(resource: Option<&common::v1::Resource>) -> &str {
    let attributes = resource.map(|it| &it.attributes[..]).unwrap_or_default();
    let name = attributes.iter().find(|it| it.key == "service.name");
    match name.and_then(|it| it.value.as_ref()?.value.as_ref()) {
        Some(common::v1::any_value::Value::StringValue(name)) => name,
        _ => "unknown",
    }
}

impl TraceService for Printer {
    async fn export(
        &self,
        request: Request<trace::ExportTraceServiceRequest>,
    ) -> Result<Response<trace::ExportTraceServiceResponse>, Status> {
        for batch in &request.get_ref().resource_spans {
            let spans = batch.scope_spans.iter().flat_map(|it| &it.spans);
            let names: Vec<_> = spans.map(|it| it.name.as_str()).collect();
            println!(
                "traces: {} of {}: {}",
                names.len(),
                name(batch.resource.as_ref()),
                names.join(", ")
            );
        }
        Ok(Response::new(trace::ExportTraceServiceResponse {}))
    }
}

impl MetricsService for Printer {
    async fn export(
        &self,
        request: Request<metrics::ExportMetricsServiceRequest>,
    ) -> Result<Response<metrics::ExportMetricsServiceResponse>, Status> {
        for batch in &request.get_ref().resource_metrics {
            let metrics = batch.scope_metrics.iter().flat_map(|it| &it.metrics);
            let names: Vec<_> = metrics.map(|it| it.name.as_str()).collect();
            println!(
                "metrics: {} of {}: {}",
                names.len(),
                name(batch.resource.as_ref()),
                names.join(", ")
            );
        }
        Ok(Response::new(metrics::ExportMetricsServiceResponse {}))
    }
}

impl LogsService for Printer {
    async fn export(
        &self,
        request: Request<logs::ExportLogsServiceRequest>,
    ) -> Result<Response<logs::ExportLogsServiceResponse>, Status> {
        for batch in &request.get_ref().resource_logs {
            let records: usize = batch.scope_logs.iter().map(|it| it.log_records.len()).sum();
            println!("logs: {records} of {}", name(batch.resource.as_ref()));
        }
        Ok(Response::new(logs::ExportLogsServiceResponse {}))
    }
}
