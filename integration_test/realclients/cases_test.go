package realclients

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers"
)

// A closing is a way in which one of the two ends a connection.
type closing struct {
	by    string                // server or client
	with  string                // its name in expected.txt
	frame closeguard.CloseFrame // the Close that begins it; zero if expected.txt has to say
	plan  plan                  // the server's
	job   peers.Job             // the client's, without a URL
}

// These end several connections at once.
var (
	shutdown = closing{by: "server", with: "shutdown"}
	killed   = closing{by: "client", with: "killed"}
)

var browsers = []string{"chromium", "firefox", "webkit"}

// Reasons that a client has to decode; the longest has 123 bytes.
const short = "tschüss"

var longest = strings.Repeat("😀", 30) + "€"

// sendable are the codes that any endpoint may begin a Close with; 1010 is for
// clients only, and nobody may send those of illegal.
var (
	sendable = []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 3003, 3008, 3999, 4000, 4999}
	illegal  = []int{999, 1004, 1005, 1006, 1015, 2999, 5000}
)

// frames are the Close frames that clients and servers begin with.
func frames() map[string]closeguard.CloseFrame {
	all := map[string]closeguard.CloseFrame{
		"no code":                      {Code: closeguard.NoStatusReceived},
		"1000 without a reason":        {Code: 1000},
		"4000 without a reason":        {Code: 4000},
		"1011 with the longest reason": {Code: 1011, Reason: longest},
		"4000 with the longest reason": {Code: 4000, Reason: longest},
	}
	for _, code := range sendable {
		all[strconv.Itoa(code)] = closeguard.CloseFrame{Code: closeguard.Code(code), Reason: short}
	}
	return all
}

// byServer are closings by the server, while the client waits.
func byServer() []closing {
	job := peers.Job{Kind: peers.Text, Texts: []string{"now"}}
	all := []closing{
		{with: "the handler returns", plan: func(*closeguard.Handle, socket) error { return nil }},
		{with: "the handler panics", plan: func(*closeguard.Handle, socket) error { panic(http.ErrAbortHandler) }},
		{with: "abort", plan: func(h *closeguard.Handle, _ socket) error { h.Abort(); return nil }},
	}
	for with, f := range frames() {
		all = append(all, closing{with: with, frame: f, plan: func(_ *closeguard.Handle, s socket) error { return s.closeWith(f) }})
	}
	for i := range all {
		all[i].by, all[i].job = "server", job
	}
	return all
}

// byClient are closings by the client of that name, after one message and its
// echo.
func byClient(name string) []closing {
	all := frames()
	for _, code := range slices.Concat([]int{1010}, illegal) {
		all[strconv.Itoa(code)] = closeguard.CloseFrame{Code: closeguard.Code(code), Reason: short}
	}
	if name == "jdk" { // its Close always has a code
		delete(all, "no code")
	}
	var closings []closing
	for with, f := range all {
		job := peers.Job{Kind: peers.Close, Code: int(f.Code), Reason: f.Reason}
		if with == "no code" {
			job.Code = 0
		}
		closings = append(closings, closing{with: with, frame: f, job: job})
	}
	if slices.Contains(browsers, name) {
		closings = append(closings,
			closing{with: "navigation", job: peers.Job{Kind: peers.Navigate}},
			closing{with: "tab closed", job: peers.Job{Kind: peers.CloseTab}})
	}
	for i := range closings {
		closings[i].by, closings[i].job.Texts, closings[i].job.Answers = "client", []string{"hello"}, 1
	}
	return closings
}
