"""Spans of OpenTelemetry. Imported only where it is installed and asked for."""

import os
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    get_tracer_provider,
    set_span_in_context,
    set_tracer_provider,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schema.new_task import NewTask
from schema.version import VERSION

Attributes = Mapping[str, str | int | float]

_PROPAGATOR = TraceContextTextMapPropagator()


class Spans:
    """Makes spans, and reads and writes `traceparent`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("rowlease", VERSION)

    def enqueue(self, task: NewTask) -> Span:
        """Begin the span of a task that is created."""
        return self.begin(
            f"enqueue {task.queue}",
            task.traceparent,
            {
                "messaging.system": "rowlease",
                "messaging.operation.type": "send",
                "messaging.destination.name": task.queue,
                "rowlease.task_type": task.task_type,
            },
            kind=SpanKind.PRODUCER,
        )

    def begin(
        self,
        name: str,
        parent: str | None,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        start_time: int | None = None,
    ) -> Span:
        """Begin a span below a traceparent, or a trace; `start_time` is in ns since 1970."""
        context = _PROPAGATOR.extract({"traceparent": parent} if parent else {}, Context())
        return self._tracer.start_span(
            name, context, kind=kind, attributes=attributes, start_time=start_time
        )

    def traceparent(self, span: Span) -> str | None:
        """Return what lets others be its children."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span, Context()))
        return carrier.get("traceparent")

    def current(self) -> str | None:
        """Return the traceparent of the span that is open here, as that of a request is."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def end(self, span: Span, outcome: str, error: str | None) -> None:
        """End the span of an attempt; `error` is its class, if it failed."""
        span.set_attribute("rowlease.outcome", outcome)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def exported(process: str) -> Spans:
    """Return spans that go to where OTEL_EXPORTER_OTLP_ENDPOINT says, by HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # tests need none
        OTLPSpanExporter,
    )

    found = get_tracer_provider()
    if isinstance(found, TracerProvider):  # FastAPI or opentelemetry-instrument has set one up
        return Spans(found)
    name = os.environ.get("OTEL_SERVICE_NAME", f"rowlease-{process}")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
    return Spans(provider)
