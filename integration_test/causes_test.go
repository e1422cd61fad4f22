package integration_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
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
	"github.com/closeguard/ws/closeguard/cause"
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
	// impatient waits 20 ms for a message.
	impatient handler = func(_ *http.Request, s socket) error {
		soon := time.Now().Add(20 * time.Millisecond)
		if s, ok := s.(sockets.Gorilla); ok {
			s.Conn.(interface{ SetReadDeadline(time.Time) error }).SetReadDeadline(soon)
			return echo(nil, s)
		}
		ctx, cancel := context.WithDeadline(context.Background(), soon)
		defer cancel()
		_, _, err := s.(sockets.Coder).Conn.Read(ctx)
		return err
	}

	// muchToSay writes more than a peer takes unread.
	muchToSay handler = func(_ *http.Request, s socket) error { return s.Write(false, make([]byte, 64<<20)) }

	// hurried stops writing, by a deadline or a context, when a message comes.
	hurried handler = func(_ *http.Request, s socket) error {
		much := make([]byte, 64<<20)
		if s, ok := s.(sockets.Gorilla); ok {
			go func() {
				s.Read()
				s.Conn.(interface{ NetConn() net.Conn }).NetConn().SetWriteDeadline(time.Now())
			}()
			return s.Write(false, much)
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			s.Read()
			cancel()
		}()
		return s.(sockets.Coder).Conn.Write(ctx, coder.MessageBinary, much)
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

// readOneByte says something when the server has begun to write, and reads no more.
func readOneByte(t *testing.T, _ *site, _ endpoint, v *visitor) {
	v.TCP.Read(make([]byte, 1))
	v.send(t, rawpeer.Text("go"))
}

// opened makes sure that the server's handler runs.
func opened(t *testing.T, v *visitor) {
	t.Helper()
	v.send(t, rawpeer.Text("hello"))
	v.expect(t, rawpeer.Text("hello"))
}

// loggedCause is the cause in the event's log line.
func loggedCause(ev closeguard.CloseEvent) string {
	for _, a := range ev.LogValue().Group() {
		if a.Key == "cause" {
			return a.Value.String()
		}
	}
	return ""
}

// Every ending, as the observer is told it, matches what it must and nothing else.
func TestEveryEndingMatchesItsCausesAndNoOthers(t *testing.T) {
	const (
		adapters = "adapters" // where the handler's return counts
		plain    = "plain"
	)
	scenes := []struct {
		name   string
		where  string // "": everywhere
		scheme string // "": ws
		opts   closeguard.Options
		serve  handler
		play   func(t *testing.T, s *site, e endpoint, v *visitor)
		want   []string
		or     map[string][]string // by library
		cause  cause.Cause
		other  map[string]cause.Cause // by library
	}{
		{
			name: "the peer closes", serve: echo,
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) { v.send(t, rawpeer.Close(1001, "")) },
		},
		{
			cause: cause.ProtocolError, name: "the peer closes illegally", serve: echo, want: []string{"*FrameError"},
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) { v.send(t, rawpeer.Close(1006, "")) },
		},
		{
			cause: cause.ProtocolError, name: "the peer breaks a rule", serve: echo, want: []string{"net.ErrClosed", "*FrameError"},
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				v.send(t, rawpeer.Frame{Fin: true, RSV: 2, Opcode: rawpeer.OpText})
				answer(v)
			},
		},
		{
			cause: cause.EOF, name: "TCP ends", serve: echo, want: []string{"io.EOF"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { v.CloseWrite() },
		},
		{
			cause: cause.EOF, name: "TCP ends inside a message", serve: echo,
			play: func(t *testing.T, _ *site, _ endpoint, v *visitor) {
				v.send(t, rawpeer.Fragments(rawpeer.Text(""), "a", "b")[0])
				v.CloseWrite()
			},
			or: map[string][]string{"gorilla": {"io.EOF"}, "coder": {}}, // coder would take it for the message's end
		},
		{
			cause: cause.Reset, name: "a reset", serve: echo, want: []string{"ECONNRESET"},
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
			cause: cause.EOF, name: "we close, and TCP ends", serve: closing1008, want: []string{"net.ErrClosed", "io.EOF"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) {
				v.ReadFrame()
				v.CloseWrite()
			},
		},
		{
			cause: cause.CloseIdle, name: "we close, and nobody answers", serve: closing1008, want: []string{"net.ErrClosed", "ErrCloseIdle"},
			opts: closeguard.Options{CloseIdle: 50 * time.Millisecond},
			play: func(*testing.T, *site, endpoint, *visitor) {},
		},
		{
			cause: cause.CloseTimeout, name: "we close, and the peer goes on", serve: closing1008, want: []string{"net.ErrClosed", "ErrCloseTimeout"},
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
			cause: cause.CloseBytes, name: "we close, and the peer sends too much", where: adapters, want: []string{"net.ErrClosed", "ErrCloseBytes"},
			opts:  closeguard.Options{CloseBytes: 1000},
			serve: leaving1008,
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) {
				v.ReadFrame()
				v.Write(rawpeer.Binary(make([]byte, 100_000)))
			},
		},
		{
			cause: cause.Evicted, name: "evicted", serve: leaving1008, where: adapters, want: []string{"net.ErrClosed", "ErrEvicted"},
			opts: closeguard.Options{MaxClosing: 1},
			play: func(t *testing.T, s *site, e endpoint, v *visitor) {
				v.ReadFrame()
				s.dial(t, e).ReadFrame() // takes the place of the first
			},
		},
		{
			cause: cause.BareClose, name: "a bare close", where: plain, want: []string{"net.ErrClosed", "ErrBareClose"},
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
			cause: cause.HandlerError, name: "the handler fails", where: adapters, want: []string{"net.ErrClosed", "errApplication"},
			serve: func(*http.Request, socket) error { return errApplication },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.HandlerError, name: "the handler chooses", where: adapters, want: []string{"net.ErrClosed", "errApplication"},
			serve: func(*http.Request, socket) error { return closeguard.Error(4000, "no", errApplication) },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.HandlerError, name: "the handler's context ends", where: adapters, want: []string{"net.ErrClosed", "context.DeadlineExceeded"},
			serve: func(*http.Request, socket) error { return context.DeadlineExceeded },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.Panic, name: "the handler panics", where: adapters, want: []string{"net.ErrClosed", "*PanicError"},
			serve: func(*http.Request, socket) error { panic(http.ErrAbortHandler) }, // which net/http doesn't log
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.Panic, name: "the handler panics behind a deferred Close", where: plain, want: []string{"net.ErrClosed", "*PanicError"},
			serve: func(*http.Request, socket) error { panic(http.ErrAbortHandler) },
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.Aborted, name: "Abort", want: []string{"net.ErrClosed", "ErrAborted"},
			serve: func(r *http.Request, s socket) error {
				closeguard.FromContext(r.Context()).Abort()
				return echo(r, s)
			},
			play: func(*testing.T, *site, endpoint, *visitor) {},
		},
		{
			cause: cause.Shutdown, name: "Shutdown", serve: echo, want: []string{"net.ErrClosed", "ErrShutdown"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				go answer(v)
				s.guard.Shutdown(t.Context())
			},
		},
		{
			cause: cause.Shutdown, name: "Shutdown, cut off", serve: echo, want: []string{"net.ErrClosed", "ErrShutdown", "ErrAborted"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				s.guard.Shutdown(ctx)
			},
		},
		{
			cause: cause.Kicked, name: "CloseKey", serve: keyed, want: []string{"net.ErrClosed", "ErrKicked"},
			play: func(t *testing.T, s *site, _ endpoint, v *visitor) {
				opened(t, v)
				go answer(v)
				s.guard.CloseKey(t.Context(), "key", closeguard.CloseFrame{Code: 4000})
			},
		},
		{
			cause: cause.MaxAge, name: "MaxAge", serve: echo, want: []string{"net.ErrClosed", "ErrMaxAge"},
			opts: closeguard.Options{MaxAge: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.IdleTimeout, name: "IdleTimeout", serve: echo, want: []string{"net.ErrClosed", "ErrIdleTimeout"},
			opts: closeguard.Options{IdleTimeout: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
		},
		{
			cause: cause.PingTimeout, name: "PingTimeout", serve: echo, want: []string{"net.ErrClosed", "ErrPingTimeout"},
			opts: closeguard.Options{PingInterval: 50 * time.Millisecond},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) }, // nothing but Closes
		},
		{
			name: "a Read runs out of time", serve: impatient, want: []string{"net.ErrClosed", "os.ErrDeadlineExceeded"},
			play: func(_ *testing.T, _ *site, _ endpoint, v *visitor) { answer(v) },
			or: map[string][]string{
				"/gorilla":     {"net.ErrClosed"}, // its error hides what it wraps
				"coder":        {"net.ErrClosed", "context.DeadlineExceeded"},
				"/plain/coder": {"net.ErrClosed", "ErrBareClose"}, // nobody sees its context
			},
			cause: cause.ReadTimeout, other: map[string]cause.Cause{"coder": cause.Context, "/plain/coder": cause.BareClose},
		},
		{
			name: "a Write runs out of time", serve: hurried, want: []string{"net.ErrClosed", "os.ErrDeadlineExceeded"}, play: readOneByte,
			or: map[string][]string{
				"coder":        {"net.ErrClosed", "context.Canceled"},
				"/plain/coder": {"net.ErrClosed", "ErrBareClose"},
			},
			cause: cause.WriteTimeout, other: map[string]cause.Cause{"coder": cause.Context, "/plain/coder": cause.BareClose},
		},
		{
			name: "the peer doesn't read", serve: muchToSay, want: []string{"net.ErrClosed", "ErrWriteStall", "ErrCloseIdle"},
			opts:  closeguard.Options{WriteStall: 50 * time.Millisecond, CloseIdle: 50 * time.Millisecond},
			play:  func(*testing.T, *site, endpoint, *visitor) {},
			cause: cause.WriteStall,
		},
		{
			name: "our Close can't leave", where: adapters, want: []string{"net.ErrClosed"},
			serve: func(_ *http.Request, s socket) error {
				go muchToSay(nil, s)
				_, _, err := s.Read()
				return err
			},
			play: readOneByte, cause: cause.FrameUnsent,
		},
		{
			name: "a broken record", scheme: "wss", serve: echo,
			play:  func(_ *testing.T, _ *site, _ endpoint, v *visitor) { v.TCP.Write([]byte("no record of TLS's")) },
			cause: cause.TLS,
		},
		{
			name: "somebody closes the net.Conn below", want: []string{"net.ErrClosed"},
			serve: func(r *http.Request, s socket) error {
				closeguard.FromContext(r.Context()).Conn().NetConn().Close()
				return echo(r, s)
			},
			play:  func(*testing.T, *site, endpoint, *visitor) {},
			cause: cause.Transport,
		},
	}
	untold := cause.All()
	for _, tt := range scenes {
		untold = slices.DeleteFunc(untold, func(c cause.Cause) bool {
			return c == tt.cause || slices.Contains(slices.Collect(maps.Values(tt.other)), c)
		})
	}
	if !slices.Equal(untold, []cause.Cause{cause.Abandoned}) { // which TestAbandonedConnection has
		t.Errorf("no scene for %v", untold)
	}
	for _, tt := range scenes {
		for _, e := range endpoints {
			if tt.where == adapters && !e.Adapter || tt.where == plain && e.Adapter {
				continue
			}
			t.Run(tt.name+e.Path, func(t *testing.T) {
				t.Parallel()
				s := serve(t, cmp.Or(tt.scheme, "ws"), tt.opts, tt.serve)
				v := s.dial(t, e)
				tt.play(t, s, e, v)
				want := tt.want
				for _, key := range []string{e.Library, e.Path} {
					if or, ok := tt.or[key]; ok {
						want = or
					}
				}
				ev := v.event(t)
				wantCause := tt.cause
				for _, key := range []string{e.Library, e.Path} {
					if other, ok := tt.other[key]; ok {
						wantCause = other
					}
				}
				if got := ev.Cause(); got != wantCause {
					t.Errorf("the cause is %v, want %v: %v", got, wantCause, ev)
				}
				if got := loggedCause(ev); got != wantCause.String() {
					t.Errorf("the log line's cause is %q, want %q", got, wantCause)
				}
				for _, truth := range truths {
					if got := truth.of(ev); got != slices.Contains(want, truth.name) {
						t.Errorf("%s: %t, want %t: %v", truth.name, got, !got, ev)
					}
				}
			})
		}
	}
}
