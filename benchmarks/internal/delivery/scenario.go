// Package delivery serves the ways in which a server closes: bare, as plain
// library code under the guard's middleware, and through the libraries'
// adapters; and, as yardsticks, other libraries' servers.
package delivery

import (
	"strings"
	"time"

	"github.com/closeguard/ws/integration_test/peers"
)

// Scenario is a way in which a connection ends at the server's will.
type Scenario struct {
	Name     string
	Job      peers.Job // what the client does
	Parallel int       // runs at a time
	Code     int
	Reason   string // intended; of a library's own choosing if free
	Free     bool

	Yardstick bool // other libraries' servers are measured, too
	serve     string
}

// limit is how long a message may be.
const limit = 64 << 10

// longReason is one byte too long.
var longReason = strings.Repeat("too long a reason ", 7)[:124]

// Scenarios returns all. In "shutdown" the server closes when it is told to.
func Scenarios() []Scenario {
	upload := func(name string, size, parallel int) Scenario {
		return Scenario{
			Name: "upload of " + name, Job: peers.Job{Kind: peers.Upload, Size: size}, Parallel: parallel,
			Code: 1009, Free: true, Yardstick: true, serve: "/upload",
		}
	}
	text := peers.Job{Kind: peers.Text, Texts: []string{"go"}}
	return []Scenario{
		upload("300 KiB", 300<<10, 10),
		upload("2 MiB", 2<<20, 5),
		upload("20 MB", 20_000_000, 2),
		{Name: "flood", Job: peers.Job{Kind: peers.Flood}, Parallel: 5, Code: 1008, Reason: "too fast", Yardstick: true, serve: "/flood"},
		{Name: "full send buffer", Job: peers.Job{Kind: peers.Stall, Texts: []string{"go"}, Stall: 700 * time.Millisecond}, Parallel: 2, Code: 1013, Reason: "too slow", serve: "/full"},
		{Name: "bare TCP close", Job: text, Parallel: 10, Code: 1001, serve: "/silent"},
		{Name: "cancelled context", Job: text, Parallel: 10, Code: 1001, serve: "/cancelled"},
		{Name: "illegal code 5000", Job: text, Parallel: 10, Code: 1011, Reason: "bad", serve: "/illegal"},
		{Name: "reason of 124 bytes", Job: text, Parallel: 10, Code: 1008, Reason: longReason[:123], serve: "/long"},
		{Name: Shutdown, Job: text, Parallel: 50, Code: 1001, Reason: "server shutting down", serve: "/wait"},
	}
}

// Shutdown is the scenario in which the server closes when it is told to.
const Shutdown = "shutdown"

// Path is where the scenario is served.
func (s Scenario) Path() string { return s.serve }

// Right reports whether the client saw the intended code and reason.
func (s Scenario) Right(r peers.Result) bool {
	return r.Code == s.Code && (s.Free || r.Reason == s.Reason)
}
