package proxies

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

const (
	long = 20 * time.Second

	// Of a limit of one second, as the event loops of a busy machine count.
	aSecond = 500 * time.Millisecond
)

func reloads(t *testing.T, r *running) {
	r.configure(t)
	r.reload(t, r)
	r.await(t, "has reloaded", r.runs)
}

func says(message string) func(*visit) {
	return func(v *visit) { v.Write(rawpeer.Text(message)) }
}

// leaves reads our Close and ends TCP instead of answering.
func leaves(end func(*visit)) func(*visit) {
	return func(v *visit) {
		v.Write(rawpeer.Text(order(4000, "over")))
		v.ReadFrame()
		end(v)
	}
}

// pongs answers pings for two of the proxy's limits, and closes.
func pongs(v *visit) {
	for over := time.Now().Add(4 * time.Second); time.Now().Before(over); {
		if f, ok := v.ReadFrame(); !ok || f.Opcode != rawpeer.OpPing || v.Write(rawpeer.Pong(string(f.Payload))) != nil {
			return
		}
	}
	v.Frames = nil
	v.Write(rawpeer.Close(4000, "bye"))
}

func resets(v *visit) { v.Reset() }
func fins(v *visit)   { v.CloseWrite() }

const (
	stillOpen = `peer closed 4000 clean, sent 4000*, received 4000 "bye"`
	unmasked  = `local closed 1002, sent 1002*, mask: 0*`
)

var rows = []row{
	{name: "nothing is said for longer than the proxy's limit", idle: 1, wants: []want{
		{proxies: "haproxy", why: "it closes its connection to the server with SO_LINGER 0", client: "FIN", server: rawpeer.RST, event: "dropped 1006: reset", after: aSecond},
		{proxies: "caddy", why: "it has no limit for upgraded connections", client: "open", event: stillOpen, wait: 2 * time.Second},
		{client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN", after: aSecond},
	}},
	{name: "the proxy reloads", proxy: reloads, wants: []want{
		{proxies: "apache", why: "its old process stays until the last connection has ended", client: "open", event: stillOpen, wait: 2 * time.Second},
		{proxies: "caddy", why: "it closes by itself, and masks nothing, which a client must; the server's answer to that can overtake its Close to the client, or come after its end and be answered with a reset", client: `*close 1001 ""; FIN`, server: "-", event: unmasked},
		{why: "worker_shutdown_timeout, hard-stop-after", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN", after: aSecond},
	}},
	{name: "the proxy is stopped gracefully", proxy: func(t *testing.T, r *running) { r.signal(t, r.stop) }, wants: []want{
		{proxies: "caddy", why: "as at a reload", client: `*close 1001 ""; FIN`, server: "-", event: unmasked},
		{why: "worker_shutdown_timeout, hard-stop-after; apache's GracefulShutdownTimeout and then nine seconds until it kills the process", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN", after: aSecond},
	}},
	{name: "the proxy is stopped", proxy: func(t *testing.T, r *running) { r.signal(t, r.end) }, wants: []want{
		{proxies: "apache", why: "its process closes the clients' connections, doesn't end, and is killed nine seconds later", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN", later: 5 * time.Second},
		{client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN"},
	}},
	{name: "the proxy is killed", proxy: func(t *testing.T, r *running) { r.kill(t) }, wants: []want{
		{why: "the kernel ends its connections", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN"},
	}},
	{name: "the proxy hangs", guard: closeguard.Options{PingInterval: 2 * time.Second, CloseIdle: 300 * time.Millisecond}, proxy: func(t *testing.T, r *running) { r.freeze(t) }, wants: []want{
		{why: "a ping may have come before it did", client: "*timeout", event: `local closed 1001, sent 1001 "ping timeout": ping timeout and no answer`, wait: time.Second},
	}},
	{name: "the client resets", peer: resets, wants: []want{
		{proxies: "haproxy", why: "it closes its connection to the server with SO_LINGER 0 then, too", client: "-", server: rawpeer.RST, event: "dropped 1006: reset"},
		{client: "-", server: rawpeer.FIN, event: "dropped 1006: FIN"},
	}},
	{name: "the client ends TCP", peer: fins, wants: []want{
		{why: "no proxy keeps a connection open in one direction", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN"},
	}},
	{name: "the client ends TCP inside a message", peer: func(v *visit) {
		v.WriteBytes([]byte{0x81, 0x85, 1, 2, 3, 4, 'h' ^ 1})
		v.CloseWrite()
	}, wants: []want{
		{why: "coder takes io.EOF for the end of a message and is not given it: its event says EOF only in words", client: "FIN", server: rawpeer.FIN, event: "dropped 1006: FIN*"},
	}},
	{name: "the client answers our close with a reset", peer: leaves(resets), wants: []want{
		{proxies: "haproxy", why: "it closes its connection to the server with SO_LINGER 0 then, too", client: "-", server: rawpeer.RST, event: `local closed 4000, sent 4000 "over": reset`},
		{client: "-", server: rawpeer.FIN, event: `local closed 4000, sent 4000 "over": FIN`},
	}},
	{name: "the client answers our close with the end of TCP", peer: leaves(fins), wants: []want{
		{client: `close 4000 "over"; FIN`, server: rawpeer.FIN, event: `local closed 4000, sent 4000 "over": FIN`},
	}},
	{name: "the client doesn't answer our close", guard: closeguard.Options{CloseIdle: 300 * time.Millisecond}, peer: says(order(4000, "over")), wants: []want{
		{why: "at the limit the guard ends its direction; a proxy that is fast enough answers with FIN, which is no cause", client: `close 4000 "over"; FIN`, server: "-", event: `local closed 4000, sent 4000 "over": no answer`},
	}},
	{name: "the client answers no ping", guard: closeguard.Options{PingInterval: 300 * time.Millisecond, CloseIdle: 300 * time.Millisecond}, wants: []want{
		{why: "as before", client: `ping *close 1001 "ping timeout"; FIN`, server: "-", event: `local closed 1001, sent 1001 "ping timeout": ping timeout and no answer`},
	}},
	{name: "pings within the proxy's limit", idle: 2, guard: closeguard.Options{PingInterval: 300 * time.Millisecond, PingTimeout: long}, peer: pongs, wants: []want{
		{client: `close 4000 *; FIN`, event: stillOpen},
	}},
	{name: "the server aborts", peer: says("/abort"), wants: []want{
		{client: "FIN", event: "dropped 1006: aborted"},
	}},
}

// Every row behind every proxy, on every endpoint.
func TestEnds(t *testing.T) {
	for _, r := range rows {
		for _, p := range proxies {
			t.Run(r.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				i := slices.IndexFunc(r.wants, func(w want) bool { return strings.Contains(p.name, w.proxies) })
				r.run(t, p, r.wants[i])
			})
		}
	}
}
