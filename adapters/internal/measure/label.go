package measure

// A Label is what a word is about.
type Label uint8

const (
	Kind      Label = iota // peer_closed, local_closed or dropped
	Cause                  // of an end as package cause has it, of a refusal who refused
	Initiator              // who began the end
	Code                   // the close code or its class
	Status                 // the class of an HTTP status
	Route                  // one of the program's list, or other
	NumLabels int   = iota
)

// Prometheus is the label's name there.
func (l Label) Prometheus() string {
	return [...]string{"kind", "cause", "initiator", "code", "status", "route"}[l]
}

// OpenTelemetry is the attribute's key there: that of the semantic conventions, if they
// have one.
func (l Label) OpenTelemetry() string {
	if l == Route {
		return "http.route"
	}
	return "closeguard." + l.Prometheus()
}

// Values has a word for each label, "" for those that an event has none for. It is
// comparable, and allocates nothing.
type Values [NumLabels]string

// Append appends the words of some labels.
func (v *Values) Append(to []string, labels []Label) []string {
	for _, l := range labels {
		to = append(to, v[l])
	}
	return to
}
