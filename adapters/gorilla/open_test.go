package gorilla_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// A nil argument is an error that names function and argument.
func TestNilArguments(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	upgrade := func(g *closeguard.Guard, u *websocket.Upgrader, w http.ResponseWriter, r *http.Request) error {
		_, err := gorilla.Upgrade(g, u, w, r, nil)
		return err
	}
	wrap := func(g *closeguard.Guard, ws *websocket.Conn) error {
		_, err := gorilla.Wrap(g, ws)
		return err
	}
	fromRequest := func(r *http.Request, ws *websocket.Conn) error {
		_, err := gorilla.FromRequest(r, ws)
		return err
	}
	dial := func(g *closeguard.Guard) error {
		_, _, err := gorilla.Dial(t.Context(), g, nil, "ws://localhost", nil)
		return err
	}
	for _, tt := range []struct {
		want string
		err  error
	}{
		{"gorilla.Upgrade: guard is nil", upgrade(nil, &upgrader, w, r)},
		{"gorilla.Upgrade: w is nil", upgrade(g, &upgrader, nil, r)},
		{"gorilla.Upgrade: r is nil", upgrade(g, &upgrader, w, nil)},
		{"gorilla.Wrap: guard is nil", wrap(nil, new(websocket.Conn))},
		{"gorilla.Wrap: ws is nil", wrap(g, nil)},
		{"gorilla.FromRequest: r is nil", fromRequest(nil, new(websocket.Conn))},
		{"gorilla.FromRequest: ws is nil", fromRequest(r, nil)},
		{"gorilla.Dial: guard is nil", dial(nil)},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %v, want an error that says %q", tt.err, tt.want)
		}
	}
}

// Handler has no error result: it answers each request with 500.
func TestHandlerAnswersNilArgumentsWith500(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	f := func(*http.Request, *gorilla.Conn) error { return nil }
	for want, h := range map[string]http.Handler{
		"gorilla.Handler: guard is nil": gorilla.Handler(nil, &upgrader, f),
		"gorilla.Handler: f is nil":     gorilla.Handler(g, &upgrader, nil),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), want) {
			t.Errorf("answered %d %q, want 500 and %q", w.Code, w.Body, want)
		}
	}
}

// A nil upgrader is one with all defaults, as nil options are in adapters/coder.
func TestANilUpgraderHasAllDefaults(t *testing.T) {
	for name, h := range map[string]func(g *closeguard.Guard) http.Handler{
		"Handler": func(g *closeguard.Guard) http.Handler {
			return gorilla.Handler(g, nil, func(*http.Request, *gorilla.Conn) error { return nil })
		},
		"Upgrade": func(g *closeguard.Guard) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := gorilla.Upgrade(g, nil, w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				c.CloseWith(r.Context(), closeguard.NormalClosure, "") // the peer tells
			})
		},
	} {
		s := start(t, nil, closeguard.Options{}, h)
		if _, _, err := dial(t, s).ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("%s: %v, want 1000", name, err)
		}
		if ev := s.event(t); !ev.Clean() {
			t.Errorf("%s: %v, want a clean end", name, ev)
		}
	}
}

// A request that is no upgrade gets the library's answer.
func TestAFailedUpgradeHasBeenAnswered(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := gorilla.Upgrade(g, &upgrader, w, r, nil)
			failed <- err
		})
	})
	resp, err := http.Get("http" + strings.TrimPrefix(s.url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusBadRequest || len(body) == 0 {
		t.Errorf("answered %s %q", resp.Status, body)
	}
	if err := within(t, "Upgrade", failed); err == nil {
		t.Error("Upgrade returned no error")
	}
}

// After Shutdown has begun nothing opens.
func TestUpgradeAfterShutdown(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := gorilla.Upgrade(g, &upgrader, w, r, nil)
			failed <- err
		})
	})
	if _, err := s.guard.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, resp, err := s.dialer.Dial(s.url, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the client got %v, %v; want a 503", resp, err)
	}
	if err := within(t, "Upgrade", failed); !errors.Is(err, closeguard.ErrShutdown) {
		t.Errorf("Upgrade: %v, want ErrShutdown", err)
	}
}

// Wrap takes over what the middleware guards already.
func TestWrap(t *testing.T) {
	other := newGuard(t, closeguard.Options{})
	for _, tt := range []struct {
		name string
		wrap func(g *closeguard.Guard, r *http.Request, ws *websocket.Conn) (*gorilla.Conn, error)
		want string // of the error, "": none
	}{
		{"a connection of this guard", func(g *closeguard.Guard, _ *http.Request, ws *websocket.Conn) (*gorilla.Conn, error) {
			return gorilla.Wrap(g, ws)
		}, ""},
		{"by its request", func(_ *closeguard.Guard, r *http.Request, ws *websocket.Conn) (*gorilla.Conn, error) {
			return gorilla.FromRequest(r, ws)
		}, ""},
		{"a connection of another guard", func(_ *closeguard.Guard, _ *http.Request, ws *websocket.Conn) (*gorilla.Conn, error) {
			return gorilla.Wrap(other, ws)
		}, "another guard"},
		{"twice", func(g *closeguard.Guard, _ *http.Request, ws *websocket.Conn) (*gorilla.Conn, error) {
			if _, err := gorilla.Wrap(g, ws); err != nil {
				return nil, err
			}
			return gorilla.Wrap(g, ws)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
				return g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ws, err := upgrader.Upgrade(w, r, nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer ws.Close()
					c, err := tt.wrap(g, r, ws)
					switch {
					case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
						t.Errorf("Wrap: %v, want an error that says %q", err, tt.want)
					case err == nil && !c.Guarded():
						t.Error("not guarded")
					case err == nil:
						c.CloseWith(context.Background(), 4000, "wrapped")
					}
				}))
			})
			want := `4000 "wrapped"`
			if tt.want != "" {
				want = "1001"
			}
			if got := dial(t, s).end(); got != want {
				t.Errorf("the peer saw %s, want %s", got, want)
			}
			if ev := s.event(t); !ev.Clean() || !ev.Connection().Guarded {
				t.Errorf("event %v, want a clean close of a guarded connection", ev)
			}
		})
	}
}

// FromRequest says so where no guard guards the connection, and then the program may go
// on with it.
func TestFromRequestWithoutAGuard(t *testing.T) {
	for _, tt := range []struct {
		name  string
		above func(g *closeguard.Guard, h http.Handler) http.Handler
	}{
		{"no middleware", func(_ *closeguard.Guard, h http.Handler) http.Handler { return h }},
		{"the handler goes round the guard", func(g *closeguard.Guard, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				g.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })).ServeHTTP(w, r)
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(t, closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler)})
			failed := make(chan error, 1)
			s := httptest.NewServer(tt.above(g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ws, err := upgrader.Upgrade(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer ws.Close()
				_, err = gorilla.FromRequest(r, ws)
				failed <- err
			})))
			defer s.Close()
			p, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/chat", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			const says = `closeguard: gorilla.FromRequest: no guard guards the connection of the request for "/chat": its handler has to be below Guard.Middleware`
			if err := within(t, "FromRequest", failed); err == nil || !strings.HasPrefix(err.Error(), says) {
				t.Errorf("FromRequest: %v", err)
			}
		})
	}
}
