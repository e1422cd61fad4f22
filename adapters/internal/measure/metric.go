package measure

import "strings"

// Type is what the values of a metric are.
type Type uint8

const (
	Gauge Type = iota
	Counter
	Histogram
)

// A Metric is one measure with its name in OpenTelemetry.
type Metric struct {
	Type    Type
	Name    string
	Unit    string
	Text    string
	Labels  []Label   // without Route, which is for who asks for it
	Buckets []float64 // of a histogram: their upper bounds, in seconds
}

// Those of a guard's connections, from its Stats.
var (
	Open = Metric{
		Type: Gauge, Name: "closeguard.open_connections", Unit: "{connection}",
		Text: "WebSockets that have not ended.",
	}
	Closing = Metric{
		Type: Gauge, Name: "closeguard.closing_connections", Unit: "{connection}",
		Text: "Open WebSockets of which something points to the end, such as a Close frame.",
	}
	Draining = Metric{
		Type: Gauge, Name: "closeguard.draining_connections", Unit: "{connection}",
		Text: "Open WebSockets for which a shutdown waits, 0 before one has begun.",
	}
	Opened = Metric{
		Type: Counter, Name: "closeguard.opened_connections", Unit: "{connection}",
		Text: "WebSockets that were opened.",
	}
)

// Those of events.
var (
	Closes = Metric{
		Type: Counter, Name: "closeguard.closes", Unit: "{connection}",
		Text:   "WebSockets that have ended.",
		Labels: []Label{Kind, Cause, Initiator, Code},
	}
	Unanswered = Metric{
		Type: Counter, Name: "closeguard.unanswered_closes", Unit: "{connection}",
		Text:   "WebSockets that have ended with a Close frame of one side alone.",
		Labels: []Label{Kind},
	}
	Repaired = Metric{
		Type: Counter, Name: "closeguard.repaired_closes", Unit: "{connection}",
		Text:   "Close frames of the program's that must not be sent, so that others were, by the code that was meant.",
		Labels: []Label{Code},
	}
	Refused = Metric{
		Type: Counter, Name: "closeguard.refused_upgrades", Unit: "{request}",
		Text:   "Requests for a WebSocket that got another answer than 101.",
		Labels: []Label{Status, Cause},
	}
	Duration = Metric{
		Type: Histogram, Name: "closeguard.connection.duration", Unit: "s",
		Text:    "How long WebSockets were open, from the 101 to the end.",
		Labels:  []Label{Kind},
		Buckets: []float64{0.1, 1, 5, 10, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600},
	}
	Handshake = Metric{
		Type: Histogram, Name: "closeguard.closing_handshake.duration", Unit: "s",
		Text:    "How long closing handshakes took, from the first Close frame to the end of TCP.",
		Labels:  []Label{Kind},
		Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
	}
)

// Prometheus is the metric's name as exporters of OpenTelemetry translate it.
func (m Metric) Prometheus() string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if m.Unit == "s" {
		name += "_seconds"
	}
	if m.Type == Counter {
		name += "_total"
	}
	return name
}
