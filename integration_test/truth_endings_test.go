package integration_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

var errApplication = errors.New("the application's")

// truths are all that an ending is asked. What an ending doesn't name, it isn't.
var truths = []struct {
	name string
	of   func(error) bool
}{
	{"ErrBareClose", is(closeguard.ErrBareClose)},
	{"ErrCloseIdle", is(closeguard.ErrCloseIdle)},
	{"ErrCloseTimeout", is(closeguard.ErrCloseTimeout)},
	{"ErrCloseBytes", is(closeguard.ErrCloseBytes)},
	{"ErrEvicted", is(closeguard.ErrEvicted)},
	{"ErrShutdown", is(closeguard.ErrShutdown)},
	{"ErrKicked", is(closeguard.ErrKicked)},
	{"ErrPingTimeout", is(closeguard.ErrPingTimeout)},
	{"ErrIdleTimeout", is(closeguard.ErrIdleTimeout)},
	{"ErrMaxAge", is(closeguard.ErrMaxAge)},
	{"ErrWriteStall", is(closeguard.ErrWriteStall)},
	{"ErrAborted", is(closeguard.ErrAborted)},
	{"ErrAbandoned", is(closeguard.ErrAbandoned)},
	{"net.ErrClosed", is(net.ErrClosed)},
	{"io.EOF", is(io.EOF)},
	{"io.ErrUnexpectedEOF", is(io.ErrUnexpectedEOF)},
	{"os.ErrDeadlineExceeded", is(os.ErrDeadlineExceeded)},
	{"context.Canceled", is(context.Canceled)},
	{"context.DeadlineExceeded", is(context.DeadlineExceeded)},
	{"ECONNRESET", is(syscall.ECONNRESET)},
	{"gorilla.ErrCloseSent", is(gorilla.ErrCloseSent)},
	{"gorilla.ErrReadLimit", is(gorilla.ErrReadLimit)},
	{"gorilla.ErrBadHandshake", is(gorilla.ErrBadHandshake)},
	{"coder.ErrMessageTooBig", is(coder.ErrMessageTooBig)},
	{"errApplication", is(errApplication)},
	{"*FrameError", as[*closeguard.FrameError]},
	{"*PanicError", as[*closeguard.PanicError]},
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// The parts that handlers play.
var (
	closing1008 handler = func(_ *http.Request, s socket) error {
		s.CloseWith(1008, "no")
		return echo(nil, s)
	}
	leaving1008 handler = func(_ *http.Request, s socket) error { return s.CloseWith(1008, "no") }

	limited handler = func(_ *http.Request, s socket) error {
		switch s := s.(type) {
		case sockets.Gorilla:
			s.Conn.(interface{ SetReadLimit(int64) }).SetReadLimit(10)
		case sockets.Coder:
			s.Conn.(interface{ SetReadLimit(int64) }).SetReadLimit(10)
		}
		return echo(nil, s)
	}
	keyed handler = func(r *http.Request, s socket) error {
		closeguard.FromContext(r.Context()).SetKeys("key")
		return echo(r, s)
	}
)

// answer reads up to the server's Close and answers it.
func answer(v *visitor) {
	for {
		f, ok := v.ReadFrame()
		if !ok {
			return
		}
		if f.Opcode == rawpeer.OpClose {
			v.Write(f)
		}
	}
}

// opened makes sure that the server's handler runs.
func opened(t *testing.T, v *visitor) {
	t.Helper()
	v.send(t, rawpeer.Text("hello"))
	v.expect(t, rawpeer.Text("hello"))
}

// Every ending, as the observer is told it, matches what it must and nothing else.
func TestEveryEndingMatchesItsCausesAndNoOthers(t *testing.T) {
	const (
		adapters = "adapters" // where the handler's return counts
		plain    = "plain"
	)
	for _, tt := range []struct {
		name  string
		where string // "": everywhere
		opts  closeguard.Options
		serve handler
		play  func(t *testing.T, s *site, e endpoint, v *visitor)
		want  []string
		or    map[string][]string // by library
	}{
		{
			name: "the peer closes", serve: echo,
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) { v.send(t, rawpeer.Close(1001, "")) },
		},
		{
			name: "the peer closes illegally", serve: echo, want: []string{"*FrameError"},
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) { v.send(t, rawpeer.Close(1006, "")) },
		},
		{
			name: "the peer breaks a rule", serve: echo, want: []string{"net.ErrClosed", "*FrameError"},
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				v.send(t, rawpeer.Frame{Fin: true, RSV: 2, Opcode: rawpeer.OpText})
				answer(v)
			},
		},
		{
			name: "TCP ends", serve: echo, want: []string{"io.EOF"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { v.CloseWrite() },
		},
		{
			name: "TCP ends inside a message", serve: echo,
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				v.send(t, rawpeer.Fragments(rawpeer.Text(""), "a", "b")[0])
				v.CloseWrite()
			},
			or: map[string][]string{"gorilla": {"io.EOF"}, "coder": {}}, // coder would take it for the message's end
		},
		{
			name: "a reset", serve: echo, want: []string{"ECONNRESET"},
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				opened(t, v)
				v.Reset()
			},
		},
		{
			name: "we close", serve: closing1008, want: []string{"net.ErrClosed"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "we close, and TCP ends", serve: closing1008, want: []string{"net.ErrClosed", "io.EOF"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) {
				v.ReadFrame()
				v.CloseWrite()
			},
		},
		{
			name: "we close, and nobody answers", serve: closing1008, want: []string{"net.ErrClosed", "ErrCloseIdle"},
			opts: closeguard.Options{CloseIdle: 50 * time.Millisecond},
			play: func(*testing.T, *site, endpoint, *visitor) {},
		},
		{
			name: "we close, and the peer goes on", serve: closing1008, want: []string{"net.ErrClosed", "ErrCloseTimeout"},
			opts: closeguard.Options{CloseIdle: 150 * time.Millisecond, CloseTimeout: 150 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for v.Write(rawpeer.Pong("")) == nil {
					<-tick.C
				}
			},
		},
		{
			name: "we close, and the peer sends too much", where: adapters, want: []string{"net.ErrClosed", "ErrCloseBytes"},
			opts:  closeguard.Options{CloseBytes: 1000},
			serve: leaving1008,
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) {
				v.ReadFrame()
				v.Write(rawpeer.Binary(make([]byte, 100_000)))
			},
		},
		{
			name: "evicted", serve: leaving1008, where: adapters, want: []string{"net.ErrClosed", "ErrEvicted"},
			opts: closeguard.Options{MaxClosing: 1},
			play: func(t *testing.T, s *site, e endpoint, v *visitor) {
				v.ReadFrame()
				s.dial(t, e).ReadFrame() // takes the place of the first
			},
		},
		{
			name: "a bare close", where: plain, want: []string{"net.ErrClosed", "ErrBareClose"},
			serve: func(*http.Request, socket) error { return nil },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "a message over the limit", serve: limited,
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				v.send(t, rawpeer.Text("more than ten bytes"))
				answer(v)
			},
			want: []string{"net.ErrClosed"},
			or: map[string][]string{
				"/gorilla": {"net.ErrClosed", "gorilla.ErrReadLimit"},
				"/coder":   {"net.ErrClosed", "coder.ErrMessageTooBig"},
			},
		},
		{
			name: "the handler fails", where: adapters, want: []string{"net.ErrClosed", "errApplication"},
			serve: func(*http.Request, socket) error { return errApplication },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "the handler chooses", where: adapters, want: []string{"net.ErrClosed", "errApplication"},
			serve: func(*http.Request, socket) error { return closeguard.Error(4000, "no", errApplication) },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "the handler's context ends", where: adapters, want: []string{"net.ErrClosed", "context.DeadlineExceeded"},
			serve: func(*http.Request, socket) error { return context.DeadlineExceeded },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "the handler panics", where: adapters, want: []string{"net.ErrClosed", "*PanicError"},
			serve: func(*http.Request, socket) error { panic(http.ErrAbortHandler) }, // which net/http doesn't log
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "Abort", want: []string{"net.ErrClosed", "ErrAborted"},
			serve: func(r *http.Request, s socket) error {
				closeguard.FromContext(r.Context()).Abort()
				return echo(r, s)
			},
			play: func(*testing.T, *site, endpoint, *visitor) {},
		},
		{
			name: "Shutdown", serve: echo, want: []string{"net.ErrClosed", "ErrShutdown"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				go answer(v)
				s.guard.Shutdown(t.Context())
			},
		},
		{
			name: "Shutdown, cut off", serve: echo, want: []string{"net.ErrClosed", "ErrShutdown", "ErrAborted"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				s.guard.Shutdown(ctx)
			},
		},
		{
			name: "CloseKey", serve: keyed, want: []string{"net.ErrClosed", "ErrKicked"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				go answer(v)
				s.guard.CloseKey(t.Context(), "key", closeguard.CloseFrame{Code: 4000})
			},
		},
		{
			name: "MaxAge", serve: echo, want: []string{"net.ErrClosed", "ErrMaxAge"},
			opts: closeguard.Options{MaxAge: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "IdleTimeout", serve: echo, want: []string{"net.ErrClosed", "ErrIdleTimeout"},
			opts: closeguard.Options{IdleTimeout: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			name: "PingTimeout", serve: echo, want: []string{"net.ErrClosed", "ErrPingTimeout"},
			opts: closeguard.Options{PingInterval: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) }, // nothing but Closes
		},
	} {
		for _, e := range endpoints {
			if tt.where == adapters && !e.adapter || tt.where == plain && e.adapter {
				continue
			}
			t.Run(tt.name+e.path, func(t *testing.T) {
				t.Parallel()
				s := serve(t, "ws", tt.opts, tt.serve)
				v := s.dial(t, e)
				tt.play(t, s, e, v)
				want := tt.want
				for _, key := range []string{e.library, e.path} {
					if or, ok := tt.or[key]; ok {
						want = or
					}
				}
				ev := v.event(t)
				for _, truth := range truths {
					if got := truth.of(ev); got != slices.Contains(want, truth.name) {
						t.Errorf("%s: %t, want %t: %v", truth.name, got, !got, ev)
					}
				}
			})
		}
	}
}
