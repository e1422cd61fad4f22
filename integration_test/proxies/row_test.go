package proxies

import (
	"bytes"
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// A row is an end that is not a Close between client and server, or one that
// goes wrong, and what each side is told of it.
type row struct {
	name  string
	idle  int // seconds after which the proxy ends an idle connection, 0: a minute
	guard closeguard.Options
	proxy func(*testing.T, *running) // what happens to the proxy
	peer  func(*visit)               // what the client does; it reads to the end afterwards
	wants []want                     // the first one that names the proxy counts
}

// A want is what a row comes to behind some of the proxies. A * in a text
// stands for anything.
type want struct {
	proxies string // "": all
	why     string

	// What the client reads after its hello has come back, and how the proxy
	// ends TCP: `close 1001 ""; FIN`. It is "open" if the connection goes on:
	// a message is echoed then, and the client closes with 4000 "bye".
	client string

	// How the proxy ends TCP at the server, "" if the server did it first. It
	// is written down below the guard, and the event must agree; "-": it
	// depends on who is faster.
	server rawpeer.End

	event string // with the cause that errors.Is finds in it

	wait  time.Duration // for which the client waits, 0: long
	after time.Duration // at least so long the connection goes on, or is idle as the event says
	later time.Duration // at least so much later than the client the server is told
}

// run has it happen behind the proxy to a client at every endpoint.
func (r row) run(t *testing.T, p *proxy, w want) {
	s := newSite(t, r.guard)
	proxy := p.start(t, s.addr, cmp.Or(r.idle, 60))
	var visits []*visit
	for _, e := range endpoints {
		visits = append(visits, s.visit(t, proxy, e, cmp.Or(w.wait, long)))
	}
	began := time.Now()
	if r.proxy != nil {
		r.proxy(t, proxy)
	}
	ended := make([]time.Duration, len(visits))
	var clients sync.WaitGroup
	for i, v := range visits {
		clients.Go(func() {
			if r.peer != nil {
				r.peer(v)
			}
			v.ReadUntilEnd()
			ended[i] = time.Since(began)
			if w.client != "open" {
				return
			}
			if err := v.echo("are you there?"); err != nil {
				t.Errorf("%s is not open: %v", v.path, err)
				return
			}
			v.Write(rawpeer.Close(4000, "bye"))
			v.ReadUntilEnd()
		})
	}
	clients.Wait()
	for i, v := range visits {
		ev := s.event(t, v.path)
		lasted, later := ended[i], time.Since(began)-ended[i]
		if r.idle > 0 {
			lasted = ev.End().Idle
		}
		if lasted < w.after || later < w.later {
			t.Errorf("%s: it went on for %v, want at least %v; the server was told %v later, want at least %v", v.path, lasted, w.after, later, w.later)
		}
		w.compare(t, v, ev, s.wire(v.path))
	}
}

// compare holds what the client saw, the event and the record of the wire
// against the row, and the event against the record.
func (w want) compare(t *testing.T, v *visit, ev closeguard.CloseEvent, seen *wire) {
	t.Helper()
	tail, end := seen.seen()
	t.Logf("%s: client %s; server %q after %v: %s", v.path, v.seen(), end, ev.End().Duration.Round(time.Millisecond), ev)
	if w.client != "open" && w.client != "-" && !matches(w.client, v.seen()) {
		t.Errorf("%s: the client saw %s, want %s", v.path, v.seen(), w.client)
	}
	if w.client != "open" && w.server != "-" && end != w.server {
		t.Errorf("%s: the proxy ended TCP with %q, want %q", v.path, end, w.server)
	}
	text := record.Full(ev)
	if !matches(w.event, text) {
		t.Errorf("%s: event %s, want %s", v.path, text, w.event)
	}
	for e, word := range map[rawpeer.End]string{rawpeer.FIN: "FIN", rawpeer.RST: "reset"} {
		if slices.ContainsFunc(record.Told(ev), func(told string) bool { return strings.HasPrefix(told, word) }) && end != e {
			t.Errorf("%s: the event says %s, and the proxy ended TCP with %q", v.path, e, end)
		}
	}
	for part, words := range logs {
		if log := logged(ev); strings.Contains(text, part) && !strings.Contains(log, words) {
			t.Errorf("%s: event %s, and the log says only %q", v.path, text, log)
		}
	}
	if w.event == unmasked {
		payload := []byte{3, 0xe9}
		if !bytes.HasSuffix(tail, append([]byte{0x88, 2}, payload...)) {
			t.Errorf("%s: the proxy's last bytes are % x", v.path, tail)
		}
		if broken := (*closeguard.FrameError)(nil); !errors.As(ev, &broken) || !bytes.HasPrefix(broken.Payload, payload) {
			t.Errorf("%s: the event's frame error is %+v", v.path, broken)
		}
	}
}

// logs is how a log line says what is in an event's text.
var logs = map[string]string{
	"FIN": "EOF", "reset": "connection reset by peer", "no answer": "closing handshake stalled",
	"ping timeout": "ping timeout", "aborted": "aborted", "mask": "mask bit 0",
}

// matches reports whether got is as want says.
func matches(want, got string) bool {
	ok, err := path.Match(want, got)
	return ok && err == nil
}
