package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

const (
	shortIdle    = 600 * time.Millisecond
	shortTimeout = 2 * time.Second
	shortBytes   = 256 << 10
)

// servers are where all rows are served, each under a path of its own.
type servers struct {
	ws, wss     *httptest.Server
	paths       atomic.Int64
	handlers    sync.Map
	certificate *tls.Certificate
}

func newServers(t *testing.T) *servers {
	s := new(servers)
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := s.handlers.Load(r.URL.Path); ok {
			h.(http.Handler).ServeHTTP(w, r)
		}
	})
	s.ws, s.wss = httptest.NewUnstartedServer(serve), httptest.NewUnstartedServer(serve)
	for _, server := range []*httptest.Server{s.ws, s.wss} {
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // panics are part of the table
		t.Cleanup(server.Close)
	}
	s.ws.Start()
	s.wss.StartTLS()
	s.certificate = &s.wss.TLS.Certificates[0]
	return s
}

// watch is the observer of one run.
type watch struct {
	mu     sync.Mutex
	opened int
	ended  []closeguard.CloseEvent
	other  []closeguard.Event
	over   chan struct{} // closed at the first close event
}

func (w *watch) Observe(_ context.Context, ev closeguard.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := ev.(type) {
	case *closeguard.Opened:
		w.opened++
	case *closeguard.Progress:
	case closeguard.CloseEvent:
		if w.ended = append(w.ended, ev); len(w.ended) == 1 {
			close(w.over)
		}
	default:
		w.other = append(w.other, ev)
	}
}

// A run is a row in a setting.
type run struct {
	*testing.T
	row
	setting
	guard  *closeguard.Guard
	watch  *watch
	told   chan struct{}
	hold   chan struct{}
	others sync.WaitGroup
	left   chan struct{} // closed when the handler has returned
	logged lockedBuffer  // what the guard complains about
}

// serve is the application's handler.
func (r *run) serve(s socket) error {
	return r.app.run(&acting{socket: s, told: r.told, over: r.watch.over, guards: r.guard, hold: r.hold, others: &r.others})
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (r row) run(t *testing.T, all *servers, s setting) {
	run := &run{
		T: t, row: r, setting: s, watch: &watch{over: make(chan struct{})},
		told: make(chan struct{}), hold: make(chan struct{}), left: make(chan struct{}),
	}
	opts := closeguard.Options{Observers: []closeguard.Observer{run.watch}, ErrorLog: slog.New(slog.NewTextHandler(&run.logged, nil))}
	switch r.limits {
	case usual:
		opts.CloseIdle, opts.CloseTimeout = 50*time.Second, 50*time.Second // nobody shall reach them, on a slow machine either
	case short:
		opts.CloseIdle, opts.CloseTimeout, opts.CloseBytes = shortIdle, shortTimeout, shortBytes
	case greedy:
		opts.CloseIdle, opts.CloseTimeout, opts.CloseBytes = 50*time.Second, 50*time.Second, shortBytes
	case patient:
		opts.CloseIdle, opts.CloseTimeout, opts.CloseBytes = 1200*time.Millisecond, 1500*time.Millisecond, shortBytes
	}
	var err error
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	if run.guard, err = closeguard.New(opts); err != nil {
		t.Fatal(err)
	}
	defer run.guard.Close()

	var p *peer
	if s.is("server") {
		p, err = run.server(all)
	} else {
		p, err = run.client(all)
	}
	if p != nil {
		defer p.tcp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.over = run.watch.over
	p.act = func() {
		select {
		case run.told <- struct{}{}:
		case <-run.watch.over:
		case <-run.left:
		case <-time.After(patience):
			t.Error("the application isn't there to act")
		}
	}
	for _, step := range r.peer {
		step(p)
	}
	p.finish()
	run.check(p)
}

// server starts the library as a server and connects the peer to it.
func (r *run) server(all *servers) (*peer, error) {
	handler, ok := handlers[r.setting[0]]
	if !ok {
		return nil, errors.New("no handler")
	}
	h := handler(r)
	path := "/" + strconv.FormatInt(all.paths.Add(1), 10)
	all.handlers.Store(path, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		defer close(r.left)
		h.ServeHTTP(w, request)
	}))
	server := all.ws
	if r.is("wss") {
		server = all.wss
	}
	return dial(server.Listener.Addr().String(), path, r.is("wss"), r.is("deflate"))
}

// client starts the peer as a server and connects the library to it.
func (r *run) client(all *servers) (*peer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	var certificate *tls.Certificate
	scheme := "ws://"
	if r.is("wss") {
		certificate, scheme = all.certificate, "wss://"
	}
	type accepted struct {
		p   *peer
		err error
	}
	peers := make(chan accepted, 1)
	go func() {
		p, err := accept(listener, certificate)
		peers <- accepted{p, err}
	}()
	s, err := dialers[r.setting[0]](r, scheme+listener.Addr().String())
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(r.left)
		defer s.Close()
		r.serve(s)
	}()
	got := <-peers
	return got.p, got.err
}

// check compares what came out with the row and with the peer's record.
func (r *run) check(p *peer) {
	select {
	case <-r.watch.over:
	case <-time.After(patience):
		r.Errorf("no close event; the peer read %q", p.record())
	}
	close(r.hold)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if report, err := r.guard.Shutdown(ctx); err != nil {
		r.Errorf("shutdown: %v, %+v", err, report)
	}
	returned := make(chan struct{})
	go func() {
		<-r.left
		r.others.Wait()
		close(returned)
	}()
	select {
	case <-returned:
	case <-time.After(patience):
		r.Error("the library's calls have not returned")
	}
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	if r.watch.opened != 1 || len(r.watch.ended) != 1 || len(r.watch.other) != 0 {
		r.Fatalf("%d opened, %v, %v; want one of the first two each", r.watch.opened, r.watch.ended, r.watch.other)
	}
	ev := r.watch.ended[0]
	want, _ := r.in(r.setting)
	if got := p.record(); !matches(want.wire, got) {
		r.Errorf("wire\ngot  %s\nwant %s", got, want.wire)
	}
	if got := record.EventText(ev); !matches(want.event, got) {
		r.Errorf("event\ngot  %s\nwant %s\n%v", got, want.event, ev)
	}
	if want.cause != nil && !errors.Is(ev, want.cause) {
		r.Errorf("%v is not for %q", ev, want.cause)
	}
	for _, misfit := range misfits(p, ev) {
		r.Error(misfit)
	}
	if r.logged.Len() > 0 {
		r.Errorf("the guard complains: %s", r.logged.String())
	}
}
