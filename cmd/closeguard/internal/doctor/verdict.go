// Package doctor examines how a WebSocket endpoint ends connections. A [Probe] is a
// value; [Probes] has all of them, and an [Examination] runs some, each on a connection
// of its own.
package doctor

import "fmt"

// A Verdict is what a probe comes to.
type Verdict uint8

// The verdicts.
const (
	CantTell Verdict = iota
	Good
	Bad
)

// String returns "good", "bad" or "can't tell".
func (v Verdict) String() string {
	switch v {
	case CantTell:
		return "can't tell"
	case Good:
		return "good"
	case Bad:
		return "bad"
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// MarshalText is String, for JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
