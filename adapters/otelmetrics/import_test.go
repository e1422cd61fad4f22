package otelmetrics
import (_ "go.opentelemetry.io/otel/sdk/metric"; _ "go.opentelemetry.io/otel/sdk/trace")
