package integration_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

var discardLog = log.New(io.Discard, "", 0)

func quietGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard))
	return e
}

// The middleware works above, in and below other routers and middleware.
func TestRoutersAndOtherMiddleware(t *testing.T) {
	others := chi.Chain(
		middleware.RequestID,
		middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: discardLog}),
		middleware.Recoverer,
		middleware.Compress(5),
		middleware.Timeout(time.Minute),
	)
	for _, tt := range []struct {
		name  string
		route string // what the events call it
		build func(g *closeguard.Guard, h http.Handler) http.Handler
	}{
		{"ServeMux below", "GET /room/{peer}", func(g *closeguard.Guard, h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET /room/{peer}", h)
			return g.Middleware(mux)
		}},
		{"ServeMux above", "/room/{peer}", func(g *closeguard.Guard, h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/room/{peer}", g.Middleware(h))
			return mux
		}},
		{"ServeMux above, twice guarded", "/room/", func(g *closeguard.Guard, h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/room/", g.Middleware(g.Middleware(h)))
			return g.Middleware(mux)
		}},
		{"chi below", "", func(g *closeguard.Guard, h http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(others...)
			r.Method("GET", "/room/{peer}", h)
			return g.Middleware(r)
		}},
		{"chi, before other middleware", "", func(g *closeguard.Guard, h http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(g.Middleware)
			r.Use(others...)
			r.Method("GET", "/room/{peer}", h)
			return r
		}},
		{"chi, after other middleware", "/room/{peer}", func(g *closeguard.Guard, h http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(others...)
			r.Use(g.Middleware)
			r.Method("GET", "/room/{peer}", h)
			return r
		}},
		{"chi, at one route", "/room/{peer}", func(g *closeguard.Guard, h http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(others...)
			r.With(g.Middleware).Method("GET", "/room/{peer}", h)
			return r
		}},
		{"gin below", "", func(g *closeguard.Guard, h http.Handler) http.Handler {
			e := quietGin()
			e.GET("/room/:peer", gin.WrapH(h))
			return g.Middleware(e)
		}},
		{"gin above", "", func(g *closeguard.Guard, h http.Handler) http.Handler {
			e := quietGin()
			e.GET("/room/:peer", gin.WrapH(g.Middleware(h)))
			return e
		}},
		{"gin above and below", "", func(g *closeguard.Guard, h http.Handler) http.Handler {
			e := quietGin()
			e.GET("/room/:peer", gin.WrapH(g.Middleware(h)))
			return g.Middleware(e)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, library := range []struct {
				name    string
				handler http.Handler
			}{{"gorilla", settings.PlainGorilla(echo)}, {"coder", settings.PlainCoder(echo)}} {
				t.Run(library.name, func(t *testing.T) { tryRouter(t, library.name, tt.route, tt.build, library.handler) })
			}
		})
	}
}

func tryRouter(t *testing.T, library, route string, build func(*closeguard.Guard, http.Handler) http.Handler, h http.Handler) {
	seen := new(events)
	g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(build(g, h))
	t.Cleanup(func() {
		g.Close()
		s.Close()
	})
	url := "ws" + strings.TrimPrefix(s.URL, "http")

	p := &visitor{rawpeer.Dial(t, url+"/room/1"), "/room/1", seen}
	p.send(t, hello)
	p.expect(t, hello)
	p.send(t, rawpeer.ClosePayload([]byte("a"))) // answered rightly by the guard alone
	p.ReadUntilEnd()
	if n := len(p.Frames); n != 2 || p.Frames[1].CloseCode() != 1002 || p.End != rawpeer.FIN {
		t.Errorf("%s: got %v and %s, want a close with 1002", library, p.Frames, p.End)
	}
	ev := p.event(t)
	if info := ev.Connection(); info.Route != route || info.Path != "/room/1" || !info.Guarded {
		t.Errorf("%s: event of %+v, want the route %q", library, info, route)
	}
	if ev.Code() != 1002 {
		t.Errorf("%s: event %v, want 1002", library, ev)
	}

	no := rawpeer.Dial(t, url+"/room/2", rawpeer.AnyStatus(), rawpeer.Header("Origin", "http://elsewhere.test"))
	if no.Response.StatusCode != http.StatusForbidden {
		t.Errorf("%s: a foreign origin got %s", library, no.Response.Status)
	}
	if h := seen.wait(t, "/room/2"); len(h.Refused) != 1 || h.Refused[0].Status != http.StatusForbidden {
		t.Errorf("%s: events %+v, want one Refused with 403", library, h)
	}
}
