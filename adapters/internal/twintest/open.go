package twintest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	gorilla "github.com/gorilla/websocket"
)

// Handler has no error result: it answers each request with 500.
func (a Adapter[C, L]) handlerAnswersNilArgumentsWith500(t *testing.T) {
	g := NewGuard(t, closeguard.Options{})
	f := func(*http.Request, C) error { return nil }
	for want, h := range map[string]http.Handler{
		a.Name + ".Handler: guard is nil": a.Handler(nil, f),
		a.Name + ".Handler: f is nil":     a.Handler(g, nil),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), want) {
			t.Errorf("answered %d %q, want 500 and %q", w.Code, w.Body, want)
		}
	}
}

// A request that is no upgrade gets the library's answer.
func (a Adapter[C, L]) aFailedOpenHasBeenAnswered(t *testing.T) {
	failed := make(chan error, 1)
	s := Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := a.Open(g, w, r)
			failed <- err
		})
	})
	resp, err := http.Get("http" + strings.TrimPrefix(s.URL, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != a.Library.NotUpgraded || len(body) == 0 {
		t.Errorf("answered %s %q", resp.Status, body)
	}
	if err := Within(t, a.OpenName, failed); err == nil {
		t.Errorf("%s returned no error", a.OpenName)
	}
}

// After Shutdown has begun nothing opens.
func (a Adapter[C, L]) openAfterShutdown(t *testing.T) {
	failed := make(chan error, 1)
	s := Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := a.Open(g, w, r)
			failed <- err
		})
	})
	if _, err := s.Guard.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, resp, err := s.Dialer.Dial(s.URL, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the client got %v, %v; want a 503", resp, err)
	}
	if err := Within(t, a.OpenName, failed); !errors.Is(err, closeguard.ErrShutdown) {
		t.Errorf("%s: %v, want ErrShutdown", a.OpenName, err)
	}
}

// Wrap takes over what the middleware guards already.
func (a Adapter[C, L]) wrap(t *testing.T) {
	other := NewGuard(t, closeguard.Options{})
	for _, tt := range []struct {
		name string
		wrap func(g *closeguard.Guard, r *http.Request, ws L) (C, error)
		want string // of the error, "": none
	}{
		{"a connection of this guard", func(g *closeguard.Guard, r *http.Request, ws L) (C, error) {
			return a.Wrap(g, r, ws)
		}, ""},
		{"by its request", func(_ *closeguard.Guard, r *http.Request, ws L) (C, error) {
			return a.FromRequest(r, ws)
		}, ""},
		{"a connection of another guard", func(_ *closeguard.Guard, r *http.Request, ws L) (C, error) {
			return a.Wrap(other, r, ws)
		}, "another guard"},
		{"twice", func(g *closeguard.Guard, r *http.Request, ws L) (C, error) {
			if c, err := a.Wrap(g, r, ws); err != nil {
				return c, err
			}
			return a.Wrap(g, r, ws)
		}, a.WrapTwice},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
				return g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ws, err := a.Library.Open(w, r)
					if err != nil {
						t.Error(err)
						return
					}
					defer a.Library.Close(ws)
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
			if got := s.Dial(t).End(); got != want {
				t.Errorf("the peer saw %s, want %s", got, want)
			}
			if ev := s.Event(t); !ev.Clean() || !ev.Connection().Guarded {
				t.Errorf("event %v, want a clean close of a guarded connection", ev)
			}
		})
	}
}

// FromRequest says so where no guard guards the connection, and then the program may go
// on with it.
func (a Adapter[C, L]) fromRequestWithoutAGuard(t *testing.T) {
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
			g := NewGuard(t, closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler)})
			failed := make(chan error, 1)
			s := httptest.NewServer(tt.above(g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ws, err := a.Library.Open(w, r)
				if err != nil {
					t.Error(err)
					return
				}
				defer a.Library.Close(ws)
				_, err = a.FromRequest(r, ws)
				failed <- err
			})))
			defer s.Close()
			p, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/chat", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			says := "closeguard: " + a.Name + `.FromRequest: no guard guards the connection of the request for "/chat": its handler has to be below Guard.Middleware`
			if err := Within(t, "FromRequest", failed); err == nil || !strings.HasPrefix(err.Error(), says) {
				t.Errorf("FromRequest: %v", err)
			}
		})
	}
}
