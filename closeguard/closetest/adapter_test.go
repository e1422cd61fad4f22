package closetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/gorilla/websocket"
)

// altered is a good adapter's connection, but for what a test puts in the place of its methods.
type altered struct {
	*gorilla.Conn
	read      func() ([]byte, error)
	write     func(p []byte) error
	closeWith func(ctx context.Context, code closeguard.Code, reason string) error
	close     func() error
	abort     func()
	event     func() closeguard.CloseEvent
	done      func() <-chan struct{}
}

func unaltered(c *gorilla.Conn) *altered {
	return &altered{
		Conn: c,
		read: func() ([]byte, error) {
			_, p, err := c.ReadMessage()
			return p, err
		},
		write:     func(p []byte) error { return c.WriteMessage(websocket.TextMessage, p) },
		closeWith: c.CloseWith, close: c.Close, abort: c.Abort, event: c.Event, done: c.Done,
	}
}

func (a *altered) ReadMessage() ([]byte, error) { return a.read() }
func (a *altered) WriteMessage(p []byte) error  { return a.write(p) }
func (a *altered) Close() error                 { return a.close() }
func (a *altered) Abort()                       { a.abort() }
func (a *altered) Event() closeguard.CloseEvent { return a.event() }
func (a *altered) Done() <-chan struct{}        { return a.done() }
func (a *altered) CloseWith(ctx context.Context, code closeguard.Code, reason string) error {
	return a.closeWith(ctx, code, reason)
}

type handlerFunc = func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler

// adapter returns the good adapter with altered connections.
func adapter(alter func(a *altered)) closetest.Adapter {
	return handledBy(func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
		return gorilla.Handler(g, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
			a := unaltered(c)
			alter(a)
			return f(a)
		})
	})
}

func handledBy(h handlerFunc) closetest.Adapter {
	return closetest.Adapter{
		Handler: h,
		PeerCode: func(err error) int {
			var ce *websocket.CloseError
			if errors.As(err, &ce) {
				return ce.Code
			}
			return 0
		},
		TooBig: websocket.ErrReadLimit,
	}
}

// handling returns the good adapter with a handler that calls the program's in its own way.
func handling(handle func(g *closeguard.Guard, f func() error, c *gorilla.Conn) error) closetest.Adapter {
	return handledBy(func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
		return gorilla.Handler(g, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
			return handle(g, func() error { return f(unaltered(c)) }, c)
		})
	})
}

// unguarded upgrades without the guard.
func unguarded(wrap *closeguard.Guard) handlerFunc {
	return func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			if wrap != nil {
				g = wrap
			}
			if c, err := gorilla.Wrap(g, ws); err == nil {
				f(unaltered(c))
				c.Close()
			}
		})
	}
}

// Wrong adapters, each with the promise that it breaks and a piece of what the kit has to
// say about it.
var wrongs = []struct {
	promise, how string
	adapter      closetest.Adapter
	says         string
}{
	{"the connection is guarded", "it upgrades without the guard", handledBy(unguarded(nil)), "Guarded is false"},
	{"terminal errors are events", "reading returns the library's errors", adapter(func(a *altered) {
		a.read = func() ([]byte, error) {
			_, p, err := a.Conn.Conn.ReadMessage()
			return p, err
		}
	}), "the peer closes: ReadMessage returned no event (websocket: close 4001"},
	{"terminal errors are events", "reading returns an event of another kind", adapter(func(a *altered) {
		a.read = func() ([]byte, error) {
			_, p, err := a.Conn.ReadMessage()
			if err != nil {
				err = &closeguard.Dropped{}
			}
			return p, err
		}
	}), "the peer closes: ReadMessage returned dropped, want peer closed 4001"},
	{"writing after the end is the event too", "writing returns the library's errors", adapter(func(a *altered) {
		a.write = func(p []byte) error { return a.Conn.Conn.WriteMessage(websocket.TextMessage, p) }
	}), "the peer closes: WriteMessage after the end returned no event"},
	{"the library's close error stays in the tree", "the event takes the library's error's place", adapter(onlyEvents),
		"the library finds the code 0"},
	{"the library's limit error stays in the tree", "the event has no cause", adapter(func(a *altered) {
		good := a.read
		a.read = func() ([]byte, error) {
			p, err := good()
			var ev *closeguard.LocalClosed
			if errors.As(err, &ev) {
				bare := ev.End()
				bare.Err = nil
				err = &closeguard.LocalClosed{Ending: bare}
			}
			return p, err
		}
	}), "ReadMessage returned local closed 1009"},
	{"net.ErrClosed only where we closed", "all errors match it", adapter(func(a *altered) {
		good := a.read
		a.read = func() ([]byte, error) {
			p, err := good()
			return p, errors.Join(err, net.ErrClosed)
		}
	}), "the peer closes: errors.Is(err, net.ErrClosed) is true"},
	{"net.ErrClosed only where we closed", "no error matches it", adapter(func(a *altered) {
		good := a.read
		a.read = func() ([]byte, error) {
			p, err := good()
			return p, fmt.Errorf("%v", err)
		}
	}), "we close: errors.Is(err, net.ErrClosed) is false"},
	{"a broken rule of framing ends with 1002", "the handler's error chooses the code", handling(
		func(_ *closeguard.Guard, f func() error, _ *gorilla.Conn) error {
			return closeguard.Error(closeguard.InternalError, "", f())
		}), "the peer saw 1011"},
	{"an illegal close is refused before sending", "a legal one is sent instead", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			f := closeguard.CloseFrame{Code: code, Reason: reason}.Fit(closeguard.Server)
			return a.Conn.CloseWith(ctx, f.Code, f.Reason)
		}
	}), "CloseWith(0 unused) returned <nil>"},
	{"an illegal close is refused before sending", "the error is of no type", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			if err := a.Conn.CloseWith(ctx, code, reason); err != nil {
				return errors.New(err.Error())
			}
			return nil
		}
	}), "want a *FrameError"},
	{"a refused close leaves the connection usable", "it closes", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			err := a.Conn.CloseWith(ctx, code, reason)
			a.Conn.Abort()
			return err
		}
	}), "CloseWith(0 unused) ended the connection"},
	{"CloseWith waits for the handshake", "it doesn't", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			go a.Conn.CloseWith(ctx, code, reason)
			return nil
		}
	}), "before the peer had answered"},
	{"CloseWith waits for the handshake", "a clean end is an error", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			a.Conn.CloseWith(ctx, code, reason)
			return a.Event()
		}
	}), "after a clean handshake, want nil"},
	{"CloseWith sends one close", "each call sends one, past the guard", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			if a.Event() != nil {
				below := a.UnderlyingConn().(*closeguard.Conn).NetConn()
				below.Write([]byte{0x88, 2, byte(code >> 8), byte(code)})
			}
			return a.Conn.CloseWith(ctx, code, reason)
		}
	}), "frames after it: 1"},
	{"CloseWith obeys its context", "it ignores it", adapter(func(a *altered) {
		a.closeWith = func(_ context.Context, code closeguard.Code, reason string) error {
			return a.Conn.CloseWith(context.Background(), code, reason)
		}
	}), "want the context's error"},
	{"CloseWith obeys its context", "the end of it aborts the handshake", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			err := a.Conn.CloseWith(ctx, code, reason)
			a.Conn.Abort()
			return err
		}
	}), "want it to have gone on"},
	{"a silent peer ends at the limit", "CloseWith calls it a success", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			a.Conn.CloseWith(ctx, code, reason)
			return nil
		}
	}), "mute: CloseWith returned <nil>"},
	{"a silent peer ends at the limit", "CloseWith gives up before", adapter(func(a *altered) {
		a.closeWith = func(ctx context.Context, code closeguard.Code, reason string) error {
			go a.Conn.CloseWith(ctx, code, reason)
			synctest.Wait()
			return a.Event()
		}
	}), "mute: CloseWith returned after 0s, want 3s"},
	{"Abort sends nothing", "it closes", adapter(func(a *altered) {
		a.abort = func() { a.Conn.CloseWith(context.Background(), closeguard.GoingAway, "") }
	}), "the peer saw 1001"},
	{"the handler's return chooses the close", "it doesn't", handling(
		func(_ *closeguard.Guard, f func() error, _ *gorilla.Conn) error { return ignore(f()) }),
		`an Error and the peer saw 1000`},
	{"the handler's return chooses the close", "the error's text is sent", handling(
		func(_ *closeguard.Guard, f func() error, _ *gorilla.Conn) error {
			err := f()
			if err != nil && closeguard.CodeOf(err) == 0 {
				return closeguard.Error(closeguard.InternalError, err.Error(), err)
			}
			return err
		}), `the peer saw 1011 internal error "closetest: secret"`},
	{"a panic is told and goes on", "it is swallowed", handling(
		func(_ *closeguard.Guard, f func() error, _ *gorilla.Conn) (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("%v", v)
				}
			}()
			return f()
		}), "above the handler <nil> was recovered"},
	{"a deferred Close is a mark", "it closes", adapter(func(a *altered) {
		a.close = func() error { return a.Conn.CloseWith(context.Background(), closeguard.GoingAway, "") }
	}), "deferred Close and the peer saw 1001"},
	{"a cut message is not a message", "what came is handed out", adapter(func(a *altered) {
		a.read = func() ([]byte, error) {
			_, r, err := a.NextReader()
			if err != nil {
				return nil, err
			}
			p, _ := io.ReadAll(r)
			return p, nil
		}
	}), "ReadMessage returned no event (<nil>)"},
	{"Event and Done tell the end", "Event doesn't", adapter(func(a *altered) {
		a.event = func() closeguard.CloseEvent { return nil }
	}), "Event is <nil>"},
	{"Event and Done tell the end", "Done doesn't", adapter(func(a *altered) {
		a.done = func() <-chan struct{} { return make(chan struct{}) }
	}), "Done: nothing came"},
	{"Event and Done tell the end", "Done is closed from the start", adapter(func(a *altered) {
		done := make(chan struct{})
		close(done)
		a.done = func() <-chan struct{} { return done }
	}), "Done is closed while the connection is open"},
	{"one event for each connection", "there are two", handling(
		func(g *closeguard.Guard, f func() error, _ *gorilla.Conn) error {
			w := g.Driver().Witness(context.Background(), driver.About{}).(*closeguard.Conn).Driver()
			defer w.Closed()
			return f()
		}), "2 openings and 2 ends were told"},
	{"one event for each connection", "there is none", handledBy(
		func(_ *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
			other, _ := closeguard.New(closeguard.Options{})
			return unguarded(other)(nil, f)
		}), "the observer was told of no end"},
	{"the event waits for the handler", "the handler is left behind", handling(
		func(_ *closeguard.Guard, f func() error, c *gorilla.Conn) error {
			go f()
			<-c.Done()
			return nil
		}), "before the handler had returned"},
	{"a shutdown reaches the connection", "another guard has it", handledBy(
		func(_ *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
			other, _ := closeguard.New(closeguard.Options{})
			return adapter(func(*altered) {}).Handler(other, f)
		}), "the read: nothing came"},
}

// onlyEvents makes reading return the bare event.
func onlyEvents(a *altered) {
	good := a.read
	a.read = func() ([]byte, error) {
		p, err := good()
		if ev := a.Event(); err != nil && ev != nil {
			err = ev
		}
		return p, err
	}
}

func ignore(error) error { return nil }

// A kit that never fails proves nothing.
func TestAWrongAdapterFails(t *testing.T) {
	for _, tt := range wrongs {
		t.Run(tt.promise+": "+tt.how, func(t *testing.T) {
			failures := check(t, tt.promise, tt.adapter)
			if !slices.ContainsFunc(failures, func(f string) bool { return strings.Contains(f, tt.says) }) {
				t.Errorf("the kit says %q, want %q among it", failures, tt.says)
			}
		})
	}
}

func TestEachPromiseIsBrokenByAWrongAdapter(t *testing.T) {
	for _, name := range closetest.Promises(adapter(func(*altered) {})) {
		broken := false
		for _, w := range wrongs {
			broken = broken || w.promise == name
		}
		if !broken {
			t.Errorf("no wrong adapter breaks %q", name)
		}
	}
}

func TestARightAdapterPasses(t *testing.T) {
	closetest.TestAdapter(t, adapter(func(*altered) {}))
}

// A library that lacks an error leaves the check of it out.
func TestChecksOfWhatALibraryLacksAreLeftOut(t *testing.T) {
	a := adapter(func(*altered) {})
	all := closetest.Promises(a)
	a.PeerCode, a.TooBig = nil, nil
	left := []string{"the library's close error stays in the tree", "the library's limit error stays in the tree"}
	for _, name := range all {
		if kept := slices.Contains(closetest.Promises(a), name); kept == slices.Contains(left, name) {
			t.Errorf("%s: checked %t", name, kept)
		}
	}
	closetest.TestAdapter(t, a)
}

// check runs a check in a bubble and returns what it reports.
func check(t *testing.T, promise string, a closetest.Adapter) []string {
	var tb *reporter
	synctest.Test(t, func(t *testing.T) {
		tb = &reporter{TB: t}
		over := make(chan struct{})
		go func() { // Fatal ends it
			defer close(over)
			defer tb.clean()
			closetest.Check(tb, promise, a)
		}()
		<-over
	})
	return tb.reports
}

// A reporter is a testing.TB that writes down what a test reports.
type reporter struct {
	testing.TB
	reports  []string
	cleanups []func()
}

func (r *reporter) clean() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func (r *reporter) Helper()          {}
func (r *reporter) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *reporter) Error(args ...any) { r.reports = append(r.reports, fmt.Sprint(args...)) }

func (r *reporter) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *reporter) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *reporter) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
