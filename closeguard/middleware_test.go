package closeguard_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// plainWriter is a ResponseWriter that can be hijacked and nothing else.
type plainWriter struct {
	http.ResponseWriter
	conn net.Conn // what Hijack gives
	err  error    // of Hijack
}

func (w *plainWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.err != nil {
		return nil, nil, w.err
	}
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// The optional methods that programs ask a ResponseWriter for.
type (
	flusher     struct{ called *string }
	readerFrom  struct{ called *string }
	notifier    struct{ called *string }
	headerNower struct{ called *string }
)

func (f flusher) Flush()                               { *f.called += "Flush " }
func (r readerFrom) ReadFrom(io.Reader) (int64, error) { *r.called += "ReadFrom "; return 0, nil }
func (n notifier) CloseNotify() <-chan bool            { *n.called += "CloseNotify "; return nil }
func (h headerNower) WriteHeaderNow()                  { *h.called += "WriteHeaderNow " }

// withMethods is a writer with the methods that the bits of n say.
func withMethods(n int, w *plainWriter, called *string) http.ResponseWriter {
	f, r, c, h := flusher{called}, readerFrom{called}, notifier{called}, headerNower{called}
	type p = *plainWriter
	switch n {
	case 0:
		return w
	case 1:
		return struct {
			p
			flusher
		}{w, f}
	case 2:
		return struct {
			p
			readerFrom
		}{w, r}
	case 3:
		return struct {
			p
			flusher
			readerFrom
		}{w, f, r}
	case 4:
		return struct {
			p
			notifier
		}{w, c}
	case 5:
		return struct {
			p
			flusher
			notifier
		}{w, f, c}
	case 6:
		return struct {
			p
			readerFrom
			notifier
		}{w, r, c}
	case 7:
		return struct {
			p
			flusher
			readerFrom
			notifier
		}{w, f, r, c}
	case 8:
		return struct {
			p
			headerNower
		}{w, h}
	case 9:
		return struct {
			p
			flusher
			headerNower
		}{w, f, h}
	case 10:
		return struct {
			p
			readerFrom
			headerNower
		}{w, r, h}
	case 11:
		return struct {
			p
			flusher
			readerFrom
			headerNower
		}{w, f, r, h}
	case 12:
		return struct {
			p
			notifier
			headerNower
		}{w, c, h}
	case 13:
		return struct {
			p
			flusher
			notifier
			headerNower
		}{w, f, c, h}
	case 14:
		return struct {
			p
			readerFrom
			notifier
			headerNower
		}{w, r, c, h}
	default:
		return struct {
			p
			flusher
			readerFrom
			notifier
			headerNower
		}{w, f, r, c, h}
	}
}

// methods calls the optional methods that a writer has.
func methods(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	if r, ok := w.(io.ReaderFrom); ok {
		r.ReadFrom(nil)
	}
	if c, ok := w.(http.CloseNotifier); ok { //nolint:staticcheck // deprecated, and still asked for
		c.CloseNotify()
	}
	if h, ok := w.(interface{ WriteHeaderNow() }); ok {
		h.WriteHeaderNow()
	}
}

// Rule 11: the ResponseWriter below the guard has an optional method exactly if
// the one above has it, and it is that one's.
func TestOptionalMethods(t *testing.T) {
	for n := range 16 {
		var want, got string
		methods(withMethods(n, &plainWriter{}, &want))
		outer := withMethods(n, &plainWriter{ResponseWriter: httptest.NewRecorder()}, &got)
		newGuard(t, closeguard.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if w == outer {
				t.Error("the writer isn't the guard's")
			}
			methods(w)
			if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok || u.Unwrap() != outer {
				t.Error("Unwrap doesn't lead to the writer above")
			}
		})).ServeHTTP(outer, upgradeRequest())
		if got != want {
			t.Errorf("combination %d has %q, want %q", n, got, want)
		}
	}
}

func upgradeRequest() *http.Request {
	r := httptest.NewRequest("GET", "/chat/42", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	return r
}

// A request that asks for no WebSocket gets the writer and the request as they are.
func TestWhatIsAnUpgrade(t *testing.T) {
	tests := []struct {
		name    string
		header  http.Header
		guarded bool
	}{
		{"as browsers ask", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, true},
		{"as Firefox asks", http.Header{"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}}, true},
		{"in capitals", http.Header{"Connection": {"UPGRADE"}, "Upgrade": {"WebSocket"}}, true},
		{"among others", http.Header{"Connection": {"close", "x ,upgrade"}, "Upgrade": {"h2c", "foo, websocket"}}, true},
		{"neither", http.Header{}, false},
		{"without Connection", http.Header{"Upgrade": {"websocket"}}, false},
		{"without Upgrade", http.Header{"Connection": {"Upgrade"}}, false},
		{"to something else", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"h2c"}}, false},
		{"to something like it", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket2"}}, false},
		{"with a word like it", http.Header{"Connection": {"upgrade-insecure"}, "Upgrade": {"websocket"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(t, closeguard.Options{})
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = tt.header
			outer := &plainWriter{ResponseWriter: httptest.NewRecorder()}
			g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
				if guarded := w != http.ResponseWriter(outer); guarded != tt.guarded {
					t.Errorf("guarded: %t, want %t", guarded, tt.guarded)
				}
				if guarded := closeguard.FromContext(got.Context()) != nil; guarded != tt.guarded || !guarded && got != r {
					t.Errorf("the context has a handle: %t, want %t", guarded, tt.guarded)
				}
			})).ServeHTTP(outer, r)
		})
	}
	t.Run("that can't be hijacked", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log := new(recorder)
			outer := httptest.NewRecorder() // as below http.TimeoutHandler
			newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if _, ok := w.(http.Hijacker); ok {
					t.Error("it seems that it can")
				}
				if _, ok := w.(http.Flusher); !ok {
					t.Error("it can't be flushed")
				}
				http.Error(w, "no Hijacker", http.StatusInternalServerError)
			})).ServeHTTP(outer, upgradeRequest())
			synctest.Wait()
			refused := log.Events()[0].(*closeguard.Refused)
			if refused.Status != 500 || outer.Code != 500 {
				t.Errorf("refused: %d, answered %d", refused.Status, outer.Code)
			}
			if err := refused.Err; err == nil || !strings.Contains(err.Error(), "*httptest.ResponseRecorder hides http.Hijacker") {
				t.Errorf("the cause: %v", err)
			}
		})
	})
	t.Run("that can be hijacked further up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			below, peer := closetest.Pipe()
			w := &plainWriter{ResponseWriter: httptest.NewRecorder(), conn: below}
			log := new(recorder)
			g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
			g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				upgrade(t, w).Close()
			})).ServeHTTP(unwrapper{w}, upgradeRequest())
			v := &visit{peer, t}
			v.head()
			v.gets("close 1001")
			v.Close()
			synctest.Wait()
			log.ending(t, 1)
		})
	})
}

// unwrapper is another middleware's writer.
type unwrapper struct{ inner http.ResponseWriter }

func (u unwrapper) Header() http.Header         { return u.inner.Header() }
func (u unwrapper) Write(p []byte) (int, error) { return u.inner.Write(p) }
func (u unwrapper) WriteHeader(status int)      { u.inner.WriteHeader(status) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.inner }

// A hijack that fails is the handler's to answer.
func TestHijackFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		answer := httptest.NewRecorder()
		w := &plainWriter{ResponseWriter: answer, err: errHandler}
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, errHandler) {
				t.Errorf("Hijack: %v", err)
			}
			http.Error(w, "sorry", 500)
		})).ServeHTTP(w, upgradeRequest())
		if answer.Code != 500 || answer.Body.String() != "sorry\n" {
			t.Errorf("answer: %d %q", answer.Code, answer.Body)
		}
		synctest.Wait()
		if got := refusals(log.Events()); got != "500" {
			t.Errorf("refused: %s", got)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Guarding twice with one guard is guarding once.
func TestOneGuardTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		l := listen(t, g.Middleware(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w)
			again, err := g.WrapConn(c, closeguard.Server)
			if err != nil || again != c {
				t.Errorf("WrapConn of a guarded one: %v, %v", again, err)
			}
			if again, err := g.Driver().WrapHandshake(tagged{c}); err != nil || again != c {
				t.Errorf("WrapHandshake of one that is guarded below: %v, %v", again, err)
			}
			c.Close()
		}))))
		v := dial(t, l, askUpgrade)
		v.head()
		v.gets("close 1001")
		v.send(closeWith(1001, ""))
		v.sees("EOF")
		synctest.Wait()
		log.ending(t, 1)
		if n := len(log.Events()); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

// tagged is a connection of another layer that shows what it wraps.
type tagged struct{ net.Conn }

func (c tagged) NetConn() net.Conn { return c.Conn }

// Guarding with two guards is an error.
func TestTwoGuards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var lines lockedBuffer
		log := new(recorder)
		outer := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		inner := newGuard(t, closeguard.Options{ErrorLog: slog.New(slog.NewTextHandler(&lines, nil))})
		l := listen(t, outer.Middleware(inner.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler ran")
		}))))
		v := dial(t, l, askUpgrade)
		if head := v.head(); !strings.HasPrefix(head, "HTTP/1.1 500 ") {
			t.Errorf("head: %q", head)
		}
		v.Close()
		synctest.Wait()
		if got := refusals(log.Events()); got != "500" {
			t.Errorf("refused: %s", got)
		}
		if got := lines.String(); !strings.Contains(got, "another guard") || !strings.Contains(got, "/chat/42") {
			t.Errorf("log: %s", got)
		}
	})
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		another := newGuard(t, closeguard.Options{})
		for _, nc := range []net.Conn{c.Conn, tagged{c.Conn}} {
			if got, err := another.WrapConn(nc, closeguard.Server); got != nil || err == nil || !strings.Contains(err.Error(), "another guard") {
				t.Errorf("WrapConn: %v, %v", got, err)
			}
			if got, err := another.Driver().Guarded(nc); got != nil || err == nil {
				t.Errorf("Guarded: %v, %v", got, err)
			}
		}
		c.Abort()
		c.ends("dropped 1006")
	})
}

// Nil arguments are named.
func TestNilConn(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	if c, err := g.WrapConn(nil, closeguard.Server); c != nil || err == nil || !strings.Contains(err.Error(), "net.Conn is nil") {
		t.Errorf("WrapConn: %v, %v", c, err)
	}
	if c, err := g.Driver().WrapHandshake(nil); c != nil || err == nil || !strings.Contains(err.Error(), "net.Conn is nil") {
		t.Errorf("WrapHandshake: %v, %v", c, err)
	}
	if c, err := g.Driver().Guarded(nil); c != nil || err != nil {
		t.Errorf("Guarded: %v, %v", c, err)
	}
}

// What the opening handshake told is in every event: where from, which route and
// path, the subprotocol, and the program's attributes.
func TestConnInfo(t *testing.T) {
	for name, open := range map[string]func(http.ResponseWriter) net.Conn{
		"101 written by the library": func(w http.ResponseWriter) net.Conn {
			c, _ := hijack(t, w)
			io.WriteString(c, strings.Replace(switching, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat.v2\r\n\r\n", 1))
			return c
		},
		"101 written by net/http": func(w http.ResponseWriter) net.Conn {
			w.Header().Set("Sec-WebSocket-Protocol", "chat.v2")
			c, _ := accept(t, w)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				asked := 0
				g := newGuard(t, closeguard.Options{
					Observers: []closeguard.Observer{log},
					Attrs: func(r *http.Request) []slog.Attr {
						asked++
						return []slog.Attr{slog.String("agent", r.UserAgent())}
					},
				})
				mux := http.NewServeMux()
				mux.HandleFunc("GET /chat/{room}", func(w http.ResponseWriter, r *http.Request) {
					h := closeguard.FromContext(r.Context())
					h.SetAttrs(slog.String("user", "anna"))
					c := open(w)
					h.SetAttrs(slog.Int("messages", 3))
					c.Close()
				})
				l := listen(t, g.Middleware(mux))
				v := dial(t, l, strings.Replace(askUpgrade, "Host:", "User-Agent: test\r\nHost:", 1))
				v.head()
				v.gets("close 1001")
				v.Close()
				synctest.Wait()
				ev := log.ending(t, 1)
				opened := log.Events()[0].Connection()
				if got, want := attrs(opened), "agent=test user=anna"; got != want {
					t.Errorf("Opened has the attributes %s, want %s", got, want)
				}
				info := ev.Connection()
				if got, want := attrs(info), "agent=test user=anna messages=3"; got != want {
					t.Errorf("the close event has the attributes %s, want %s", got, want)
				}
				if info.Number != 1 || info.Role != closeguard.Server || !info.Guarded || info.Remote != v.LocalAddr().String() ||
					info.Route != "GET /chat/{room}" || info.Path != "/chat/42" || info.Subprotocol != "chat.v2" {
					t.Errorf("info: %+v", info)
				}
				if asked != 1 {
					t.Errorf("Attrs was called %d times", asked)
				}
				info.Attrs[0] = slog.Int("changed", 1)
				if got := attrs(ev.Connection()); strings.Contains(got, "changed") {
					t.Error("who changes an event's attributes changes the event")
				}
			})
		})
	}
}

func attrs(info closeguard.ConnInfo) string {
	var s []string
	for _, a := range info.Attrs {
		s = append(s, a.String())
	}
	return strings.Join(s, " ")
}

// A long path that the peer chose is kept in part.
func TestLongPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
		v := s.dial(strings.Replace(askUpgrade, "/chat/42", "/%ff"+strings.Repeat("x", 1000), 1))
		v.head()
		v.Close()
		synctest.Wait()
		if got := s.log.Events()[0].Connection().Path; len(got) > 260 || !strings.HasPrefix(got, "/\uFFFDxxx") {
			t.Errorf("Path: %q", got)
		}
	})
}

// The observer's context has the request's values and is never cancelled, also if the
// collector has found the Conn, which the library has closed, before the peer answers.
func TestObserversContext(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		var contexts []context.Context
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{
			closeguard.ObserverFunc(func(ctx context.Context, _ closeguard.Event) { contexts = append(contexts, ctx) }),
		}})
		var request context.Context
		next := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request = r.Context()
			upgrade(t, w).Close()
		}))
		l := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "trace")))
		}))
		v := dial(t, l, askUpgrade)
		v.head()
		v.gets("close 1001")
		synctest.Wait() // the handler has returned
		runtime.GC()    // and nobody has the Conn any more
		v.Close()
		synctest.Wait()
		if request.Err() == nil {
			t.Error("the request's context isn't cancelled: the test proves nothing")
		}
		for _, ctx := range contexts {
			if ctx.Err() != nil || ctx.Value(key{}) != "trace" {
				t.Errorf("context: %v, value %v", ctx.Err(), ctx.Value(key{}))
			}
		}
		if len(contexts) != 2 {
			t.Errorf("%d events", len(contexts))
		}
	})
}

// A handle leads from the request's context to the connection.
func TestHandle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		closed := make(chan error, 1)
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			h := closeguard.FromContext(r.Context())
			if c := h.Conn(); c != nil || h.Event() != nil {
				t.Errorf("before the hijack: %v, %v", c, h.Event())
			}
			if err := h.CloseWith(r.Context(), 1000, ""); err == nil {
				t.Error("CloseWith before the 101: no error")
			}
			if err := h.CloseWith(r.Context(), 1006, ""); err == nil {
				t.Error("CloseWith with an illegal code: no error")
			}
			c := upgrade(t, w)
			if net.Conn(h.Conn()) != c {
				t.Error("it leads to another connection")
			}
			go func() { closed <- h.CloseWith(context.Background(), 4000, "from afar") }()
			(&guarded{Conn: c.(*closeguard.Conn)}).readAll()
			<-h.Done()
			if ev := h.Event(); ev == nil || ev.Code() != 4000 {
				t.Errorf("event: %v", ev)
			}
		})
		v := s.dial(askUpgrade)
		v.head()
		v.gets("close 4000 from afar")
		v.send(closeWith(4000, ""))
		v.sees("EOF")
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			upgrade(t, w)
			closeguard.FromContext(r.Context()).Abort()
		})
		v := s.dial(askUpgrade)
		v.head()
		v.sees("reset")
		synctest.Wait()
		if ev := s.log.ending(t, 1); ev != nil {
			is(t, ev, net.ErrClosed, closeguard.ErrAborted)
		}
	})
}

// Outside of a guarded request there is none, and it does nothing.
func TestNilHandle(t *testing.T) {
	h := closeguard.FromContext(context.Background())
	h.SetAttrs(slog.Int("x", 1))
	h.Abort()
	if h != nil || h.Event() != nil || h.Done() != nil || h.Conn() != nil || h.CloseWith(context.Background(), 1000, "") != nil {
		t.Error("a nil handle does something")
	}
}

// A claim is what an adapter finds its connection by; there is one.
func TestClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, closeguard.Options{})
		another := newGuard(t, closeguard.Options{})
		l := listen(t, g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := g.Driver().Claim(r.Context()); c != nil || err == nil {
				t.Errorf("before the 101: %v, %v", c, err)
			}
			nc := upgrade(t, w)
			if c, err := another.Driver().Claim(r.Context()); c != nil || err == nil {
				t.Errorf("another guard's: %v, %v", c, err)
			}
			if c, err := g.Driver().Claim(r.Context()); c != nc || err != nil {
				t.Errorf("the first claim: %v, %v", c, err)
			}
			if c, err := g.Driver().Claim(r.Context()); c != nil || err == nil {
				t.Errorf("the second claim: %v, %v", c, err)
			}
			nc.Close()
		})))
		if c, err := g.Driver().Claim(t.Context()); c != nil || err != nil {
			t.Errorf("outside: %v, %v", c, err)
		}
		v := dial(t, l, askUpgrade)
		v.head()
		v.gets("close 1001")
		v.Close()
		time.Sleep(time.Second)
	})
}

// An Upgrade of the guard's without a middleware returns what the function does.
func TestUpgrade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, closeguard.Options{})
		got := make(chan error, 1)
		l := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got <- g.Driver().Upgrade(w, r, func(w http.ResponseWriter, r *http.Request) error {
				upgrade(t, w).Close()
				return errHandler
			})
		}))
		v := dial(t, l, askUpgrade)
		v.head()
		v.gets("close 1001")
		v.Close()
		if err := <-got; !errors.Is(err, errHandler) {
			t.Errorf("Upgrade: %v", err)
		}
		g.Close()
		v = dial(t, l, askUpgrade)
		v.head()
		if err := <-got; !errors.Is(err, closeguard.ErrShutdown) {
			t.Errorf("Upgrade during a shutdown: %v", err)
		}
		v.Close()
	})
}
