"""Traces, metrics and logs by OpenTelemetry's own exporters over gRPC, compressed as the environment says."""

import logging
import sys

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

resource = Resource.create({"service.name": "otlp-export"})

traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = traces.get_tracer("otlp-export")
for n in range(100):
    with tracer.start_as_current_span("a span with a long name that compresses well") as span:
        span.set_attribute("number", n)

metrics = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
counter = metrics.get_meter("otlp-export").create_counter("a.counter")
for n in range(100):
    counter.add(1, {"number": n})

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logger = logging.getLogger("otlp-export")
logger.addHandler(LoggingHandler(logger_provider=logs))
logger.setLevel(logging.INFO)
for n in range(100):
    logger.info("a line of a log that compresses well: %d", n)

ended = [provider.force_flush() for provider in (traces, metrics, logs)]
for provider in (traces, metrics, logs):
    provider.shutdown()
sys.exit(0 if all(ended) else 1)
