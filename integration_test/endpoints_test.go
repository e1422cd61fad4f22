package integration_test

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

type (
	socket   = sockets.Socket
	handler  = sockets.Handler
	endpoint = sockets.Endpoint
)

// settings are those of all servers here.
var settings = sockets.Settings{
	Upgrader:  gorilla.Upgrader{EnableCompression: true},
	Accept:    coder.AcceptOptions{CompressionMode: coder.CompressionContextTakeover},
	ReadLimit: -1,
}

// endpoints are the four ways to serve a guarded connection.
var endpoints = settings.Endpoints()

// echo sends each message back until the connection ends.
func echo(_ *http.Request, s socket) error { return sockets.Echo(s, -1) }

// A site is a server with the four endpoints, all with one handler, and what
// its guard's observer was told.
type site struct {
	guard  *closeguard.Guard
	url    string
	events *events
	peers  atomic.Int64
}

// serve starts a site on "ws" or "wss". The guard's observer is the site's own.
func serve(t testing.TB, scheme string, opts closeguard.Options, f handler) *site {
	t.Helper()
	s := &site{events: new(events)}
	opts.Observers = append(opts.Observers, s.events)
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	guard, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, e := range endpoints {
		mux.Handle(e.Path+"/{peer}", e.Serve(guard, f))
	}
	s.guard, s.url = guard, sockets.Serve(t, scheme, mux)
	t.Cleanup(func() { guard.Close() })
	return s
}

// A visitor is a raw peer with a path of its own, by which events are told apart.
type visitor struct {
	*rawpeer.Peer
	path   string
	events *events
}

func (s *site) dial(t testing.TB, e endpoint, opts ...rawpeer.Option) *visitor {
	t.Helper()
	path := e.Path + "/" + strconv.FormatInt(s.peers.Add(1), 10)
	return &visitor{rawpeer.Dial(t, s.url+path, opts...), path, s.events}
}

// send writes frames in one write.
func (v *visitor) send(t testing.TB, frames ...rawpeer.Frame) {
	t.Helper()
	if err := v.Write(frames...); err != nil {
		t.Fatal(err)
	}
}

// expect reads one frame.
func (v *visitor) expect(t testing.TB, want rawpeer.Frame) {
	t.Helper()
	got, ok := v.ReadFrame()
	if !ok {
		t.Fatalf("no frame but %s, rest %q; want %s", v.End, v.Rest, want)
	}
	if got.String() != want.String() || string(got.Payload) != string(want.Payload) {
		t.Fatalf("read %s, want %s", got, want)
	}
}

// expectEnd reads until the server ends TCP and expects these frames and no
// byte more.
func (v *visitor) expectEnd(t testing.TB, end rawpeer.End, want ...rawpeer.Frame) {
	t.Helper()
	before := len(v.Frames)
	v.ReadUntilEnd()
	for _, f := range want {
		if before == len(v.Frames) {
			t.Errorf("no frame but %s; want %s", v.End, f)
			continue
		}
		if got := v.Frames[before]; got.String() != f.String() || string(got.Payload) != string(f.Payload) {
			t.Errorf("read %s, want %s", got, f)
		}
		before++
	}
	if more := v.Frames[before:]; len(more) > 0 || len(v.Rest) > 0 {
		t.Errorf("then came %v and %q, want nothing", more, v.Rest)
	}
	if v.End != end {
		t.Errorf("the server ended TCP with %q, want %q", v.End, end)
	}
}

// event waits for the close event.
func (v *visitor) event(t testing.TB) closeguard.CloseEvent {
	t.Helper()
	return v.events.close(t, v.path)
}

// each runs test on every endpoint.
func each(t *testing.T, test func(t *testing.T, e endpoint)) {
	for _, e := range endpoints {
		t.Run(e.Path, func(t *testing.T) { test(t, e) })
	}
}
