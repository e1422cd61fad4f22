package closeguard_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A handler that opens the WebSocket past the guard's ResponseWriter gets no
// Refused: nobody knows what it did. ErrorLog says so, once for each route.
func TestHandlersThatGoRound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var errors lockedBuffer
		events := new(recorder)
		g := newGuard(t, closeguard.Options{
			Observers: []closeguard.Observer{events}, ErrorLog: slog.New(slog.NewTextHandler(&errors, nil)),
		})
		mux := http.NewServeMux()
		for _, route := range []string{"/a", "/b"} {
			mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
				g.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					w.(http.Hijacker).Hijack() // as gin's c.Writer after c.Request = r
				})).ServeHTTP(w, r)
			})
		}
		for _, path := range []string{"/a", "/a", "/b"} {
			nc, peer := net.Pipe()
			defer nc.Close()
			defer peer.Close()
			r := upgradeRequest()
			r.URL.Path = path
			mux.ServeHTTP(&plainWriter{ResponseWriter: httptest.NewRecorder(), conn: nc}, r)
		}
		if text := errors.String(); strings.Count(text, "was not answered by the guard's ResponseWriter") != 2 ||
			!strings.Contains(text, "route=/a") || !strings.Contains(text, "route=/b") {
			t.Errorf("ErrorLog:\n%s", text)
		}
		if got := events.Events(); len(got) > 0 {
			t.Errorf("events: %v", got)
		}
		g.Close()
	})
}

// The route is the program's, where it names it.
func TestRoutesThatGoRound(t *testing.T) {
	byOption := func(r *http.Request) string { return "option " + r.URL.Path[:2] }
	for _, tt := range []struct {
		name    string
		option  func(*http.Request) string
		handler func(h *closeguard.Handle)
		want    []string
	}{
		{"the pattern", nil, nil, []string{"/{path}"}},
		{"Options.Route", byOption, nil, []string{"option /a", "option /b"}},
		{"Handle.SetRoute", byOption, func(h *closeguard.Handle) { h.SetRoute("handle") }, []string{"handle"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var errors lockedBuffer
			g := newGuard(t, closeguard.Options{Route: tt.option, ErrorLog: slog.New(slog.NewTextHandler(&errors, nil))})
			mux := http.NewServeMux()
			mux.HandleFunc("/{path}", func(_ http.ResponseWriter, r *http.Request) {
				if tt.handler != nil {
					tt.handler(closeguard.FromContext(r.Context()))
				}
			})
			for _, path := range []string{"/a1", "/a2", "/b1"} {
				r := upgradeRequest()
				r.URL.Path = path
				g.Middleware(mux).ServeHTTP(&plainWriter{ResponseWriter: httptest.NewRecorder()}, r)
			}
			text := errors.String()
			if got := strings.Count(text, "was not answered by the guard's ResponseWriter"); got != len(tt.want) {
				t.Errorf("told %d times, want %d", got, len(tt.want))
			}
			for _, route := range tt.want {
				if !strings.Contains(text, "route="+route+" ") && !strings.Contains(text, "route=\""+route+"\"") {
					t.Errorf("nothing of the route %s:\n%s", route, text)
				}
			}
			g.Close()
		})
	}
}

// Who names a route for each request doesn't make the guard remember them all.
func TestManyRoutesThatGoRound(t *testing.T) {
	var errors lockedBuffer
	n := 0
	each := func(*http.Request) string { n++; return fmt.Sprint("route ", n) }
	g := newGuard(t, closeguard.Options{Route: each, ErrorLog: slog.New(slog.NewTextHandler(&errors, nil))})
	h := g.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 1100 {
		h.ServeHTTP(&plainWriter{ResponseWriter: httptest.NewRecorder()}, upgradeRequest())
	}
	if got := strings.Count(errors.String(), "\n"); n != 1100 || got != 1024 {
		t.Errorf("%d requests, %d lines", n, got)
	}
	g.Close()
}

// What is written to a hijacked connection by mistake is logged as net/http logs
// it, with the name of who did it, and where net/http would log it.
func TestWritingAfterHijack(t *testing.T) {
	var text lockedBuffer
	g := newGuard(t, closeguard.Options{})
	done := make(chan struct{})
	s := httptest.NewUnstartedServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		nc, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		theCulprit(w)
		if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if n, err := io.WriteString(w, ""); n != 0 || !errors.Is(err, http.ErrHijacked) {
			t.Errorf("WriteString: %d, %v", n, err)
		}
	})))
	s.Config.ErrorLog = log.New(&text, "", 0)
	s.Start()
	defer s.Close()
	ask(t, s.Listener.Addr())
	<-done
	want := []string{
		"http: response.WriteHeader on hijacked connection from github.com/closeguard/ws/closeguard_test.theCulprit (roundabout_test.go:",
		"http: response.Write on hijacked connection from github.com/closeguard/ws/closeguard_test.TestWritingAfterHijack",
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	for i, line := range lines {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}

// Writers that programs have: some embed the one below, one does something.
type (
	inner     struct{ http.ResponseWriter }
	outer     struct{ inner }
	ownHeader struct{ http.ResponseWriter }
	unwraps   struct{ http.ResponseWriter }
)

func (w unwraps) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w ownHeader) WriteHeader(status int) { w.ResponseWriter.WriteHeader(status) }

// A second WriteHeader is logged as net/http logs it, with the name of who did it, also
// where a first one is only implied; a first one behind an answer that was none is none.
func TestSuperfluousWriteHeader(t *testing.T) {
	const unseen = "what the guard doesn't see"
	for name, tt := range map[string]struct {
		first  func(http.ResponseWriter)
		above  func(http.Handler) http.Handler
		status int
		line   bool
		named  string // in it, if not who did it
		told   string // of the refusal, if not the status
	}{
		"behind WriteHeader": {first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, status: 403, line: true},
		"behind Write":       {first: func(w http.ResponseWriter) { w.Write(nil) }, status: 200, line: true},
		"behind Flush":       {first: func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, status: 200, line: true},
		"behind ReadFrom":    {first: func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")) }, status: 200, line: true},
		"behind ReadFrom of nothing": {first: func(w http.ResponseWriter) {
			w.(io.ReaderFrom).ReadFrom(strings.NewReader(""))
		}, status: http.StatusTeapot},
		"behind an informational one": {first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }, status: http.StatusTeapot},
		"below TimeoutHandler": {
			first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, status: 403, line: true,
			above: func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
		},
		"below TimeoutHandler, behind an informational one": {
			first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }, status: 200, line: true, told: "103", // net/http's own fault
			above: func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
		},
		"below TimeoutHandler, when the time is over": {
			first: func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusForbidden)
				for {
					if _, err := w.Write(nil); err != nil {
						return
					}
					runtime.Gosched()
				}
			}, status: http.StatusServiceUnavailable, told: unseen,
			above: func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Millisecond, "") },
		},
		"behind Flush, below a writer without one": {
			first: func(w http.ResponseWriter) { http.NewResponseController(w).Flush() }, status: 200, line: true,
			above: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&unwraps{w}, r) })
			},
		},
		"below a writer that embeds net/http's": {
			first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, status: 403, line: true,
			above: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&outer{inner{w}}, r) })
			},
		},
		"below a writer with a WriteHeader of its own": {
			first: func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, status: 403, line: true, named: "ownHeader.WriteHeader",
			above: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&ownHeader{w}, r) })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tt.first(w)
				theCulprit(w)
			})
			for _, guarded := range []bool{false, true} {
				var text lockedBuffer
				h, events := http.Handler(handler), new(recorder)
				g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{events}})
				if guarded {
					h = g.Middleware(h)
				}
				if tt.above != nil {
					h = tt.above(h)
				}
				s := httptest.NewUnstartedServer(h)
				s.Config.ErrorLog = log.New(&text, "", 0)
				s.Start()
				r, err := http.NewRequest(http.MethodGet, s.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", "websocket")
				answer, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				g.Shutdown(t.Context()) // waits for the handler
				s.Close()
				if answer.StatusCode != tt.status {
					t.Errorf("guarded %v: %d, want %d", guarded, answer.StatusCode, tt.status)
				}
				want := "http: superfluous response.WriteHeader call from github.com/closeguard/ws/closeguard_test." + cmp.Or(tt.named, "theCulprit") + " (roundabout_test.go:"
				if got := text.String(); strings.HasPrefix(got, want) != tt.line || strings.Count(got, "\n") > 1 || !tt.line && got != "" {
					t.Errorf("guarded %v: the log has %q", guarded, got)
				}
				if got := refusals(events.Events()); guarded && tt.told != unseen && got != cmp.Or(tt.told, fmt.Sprint(tt.status)) {
					t.Errorf("refused: %s, want %d", got, tt.status)
				}
			}
		})
	}
}

//go:noinline
func theCulprit(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) }

// failingFlush is a writer whose Flush fails, as net/http's does when the client has gone.
type failingFlush struct{ *plainWriter }

var errFlush = errors.New("flush failed")

func (failingFlush) Flush()            {}
func (failingFlush) FlushError() error { return errFlush }

// ResponseController.Flush tells the error of the writer below, if that has one.
func TestFlushError(t *testing.T) {
	nc, _ := net.Pipe()
	for name, tt := range map[string]struct {
		below http.ResponseWriter
		want  error
	}{
		"with FlushError": {failingFlush{&plainWriter{ResponseWriter: httptest.NewRecorder(), conn: nc}}, errFlush},
		"with Flush only": {struct {
			*plainWriter
			http.Flusher
		}{&plainWriter{ResponseWriter: httptest.NewRecorder(), conn: nc}, httptest.NewRecorder()}, nil},
	} {
		newGuard(t, closeguard.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, tt.want) {
				t.Errorf("%s: Flush: %v, want %v", name, err, tt.want)
			}
		})).ServeHTTP(tt.below, upgradeRequest())
	}
}

// Where net/http would panic, a Flush behind Hijack is an error.
func TestFlushBehindHijack(t *testing.T) {
	var lines strings.Builder
	r := upgradeRequest()
	r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ErrorLog: log.New(&lines, "", 0)}))
	nc, _ := net.Pipe()
	below := struct {
		*plainWriter
		http.Flusher
	}{&plainWriter{ResponseWriter: httptest.NewRecorder(), conn: nc}, nil} // one that panics
	newGuard(t, closeguard.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Hijacker).Hijack()
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Flush: %v, want %v", err, http.ErrHijacked)
		}
	})).ServeHTTP(below, r)
	if want := "http: response.Flush on hijacked connection from github.com/closeguard/ws/closeguard_test.TestFlushBehindHijack"; !strings.HasPrefix(lines.String(), want) {
		t.Errorf("the log has %q, want %q", lines.String(), want)
	}
}

// A request need not have a URL: programs make some up.
func TestRequestWithoutAURL(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	r := upgradeRequest()
	r.URL = nil
	nc, _ := net.Pipe()
	ran := false
	g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ran = true
		w.WriteHeader(http.StatusForbidden)
	})).ServeHTTP(&plainWriter{ResponseWriter: httptest.NewRecorder(), conn: nc}, r)
	if !ran {
		t.Error("the handler didn't run")
	}
}
