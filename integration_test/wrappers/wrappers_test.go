package wrappers

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/felixge/httpsnoop"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/labstack/echo/v4"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"

	"github.com/closeguard/ws/closeguard"
)

// A wrapper is what a program puts around a handler. A place is where the guard is,
// beside above and below it.
type wrapper struct {
	name   string
	wrap   func(testing.TB, http.Handler) http.Handler
	places []place
}

type place struct {
	name  string
	build func(tb testing.TB, g *closeguard.Guard, h http.Handler) http.Handler
}

// around makes the two places that every wrapper has.
func (w wrapper) around() []place {
	if w.wrap == nil {
		return w.places
	}
	return append([]place{
		{"above", func(tb testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
			return g.Middleware(w.wrap(tb, h))
		}},
		{"below", func(tb testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
			return w.wrap(tb, g.Middleware(h))
		}},
	}, w.places...)
}

// writer is a middleware that gives its handler another ResponseWriter.
func writer(change func(http.ResponseWriter) http.ResponseWriter) func(testing.TB, http.Handler) http.Handler {
	return func(_ testing.TB, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(change(w), r) })
	}
}

var quiet = log.New(io.Discard, "", 0)

var wrappers = []wrapper{
	{name: "nothing else", places: []place{{"", func(_ testing.TB, g *closeguard.Guard, h http.Handler) http.Handler { return g.Middleware(h) }}}},
	{name: "http.ServeMux", wrap: func(_ testing.TB, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /room/{id}", h)
		return mux
	}},
	{name: "chi", wrap: func(_ testing.TB, h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(
			middleware.RequestID,
			middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet}),
			middleware.Recoverer,
			middleware.Compress(5),
		)
		r.Method("GET", "/room/{id}", h)
		return r
	}, places: []place{{"`r.Use`", func(_ testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(g.Middleware, middleware.Compress(5))
		r.Method("GET", "/room/{id}", h)
		return r
	}}}},
	{name: "gin", wrap: func(_ testing.TB, h http.Handler) http.Handler {
		e := newGin()
		e.GET("/room/:id", gin.WrapH(h))
		return e
	}, places: []place{
		{"`e.Use`, with `c.Request = r` alone", func(_ testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
			e := newGin()
			e.Use(func(c *gin.Context) {
				g.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					c.Request = r
					c.Next()
				})).ServeHTTP(c.Writer, c.Request)
			})
			e.GET("/room/:id", gin.WrapH(h))
			return e
		}},
		{"`e.Use`, with `c.Writer`, too", func(_ testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
			e := newGin()
			e.Use(func(c *gin.Context) {
				g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.Request, c.Writer = r, ginWriter{c.Writer, w}
					c.Next()
				})).ServeHTTP(c.Writer, c.Request)
			})
			e.GET("/room/:id", gin.WrapH(h))
			return e
		}},
	}},
	{name: "echo v4", wrap: func(_ testing.TB, h http.Handler) http.Handler {
		e := echo.New()
		e.GET("/room/:id", echo.WrapHandler(h))
		return e
	}, places: []place{{"`e.Use(echo.WrapMiddleware(...))`", func(_ testing.TB, g *closeguard.Guard, h http.Handler) http.Handler {
		e := echo.New()
		e.Use(echo.WrapMiddleware(g.Middleware))
		e.GET("/room/:id", echo.WrapHandler(h))
		return e
	}}}},
	{name: "gorilla/handlers: log, compress, recover", wrap: func(_ testing.TB, h http.Handler) http.Handler {
		return handlers.CombinedLoggingHandler(io.Discard, handlers.CompressHandler(handlers.RecoveryHandler(handlers.RecoveryLogger(quiet))(h)))
	}},
	{name: "httpsnoop, as otelhttp has it", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter {
		return httpsnoop.Wrap(w, httpsnoop.Hooks{WriteHeader: func(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc { return next }})
	})},
	{name: "a writer with `Hijack` that asserts the one below, as promhttp's", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter {
		return &counting{recording{ResponseWriter: w}}
	})},
	{name: "a compressing writer that passes a 101", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter {
		return &compressing{counting: &counting{recording{ResponseWriter: w}}}
	})},
	{name: "a compressing writer that holds every status back", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter {
		return &compressing{counting: &counting{recording{ResponseWriter: w}}, holds: true}
	})},
	{name: "a writer with `Unwrap` alone", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter { return &unwrapping{recording{ResponseWriter: w}} })},
	{name: "a writer with neither `Hijack` nor `Unwrap`", wrap: writer(func(w http.ResponseWriter) http.ResponseWriter { return &recording{ResponseWriter: w} })},
	{name: "http.TimeoutHandler", wrap: func(_ testing.TB, h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "late") }},
	{name: "http.MaxBytesHandler", wrap: func(_ testing.TB, h http.Handler) http.Handler { return http.MaxBytesHandler(h, 100) }},
	{name: "h2c", wrap: func(_ testing.TB, h http.Handler) http.Handler { return h2c.NewHandler(h, new(http2.Server)) }},
	{name: "httputil.ReverseProxy", wrap: func(tb testing.TB, h http.Handler) http.Handler {
		backend := httptest.NewServer(h)
		tb.Cleanup(backend.Close)
		to, err := url.Parse(backend.URL)
		if err != nil {
			tb.Fatal(err)
		}
		return &httputil.ReverseProxy{ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	}},
}

func newGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard))
	return e
}

// ginWriter leads gin's handlers to the guard's ResponseWriter.
type ginWriter struct {
	gin.ResponseWriter
	to http.ResponseWriter
}

func (w ginWriter) WriteHeader(status int)            { w.to.WriteHeader(status) }
func (w ginWriter) Write(p []byte) (int, error)       { return w.to.Write(p) }
func (w ginWriter) WriteString(s string) (int, error) { return io.WriteString(w.to, s) }
func (w ginWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.to).Hijack()
}
func (w ginWriter) Unwrap() http.ResponseWriter { return w.to }

// recording notes the status, and has no other method: what a first middleware
// looks like.
type recording struct {
	http.ResponseWriter
	status int
}

func (w *recording) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

type unwrapping struct{ recording }

func (w *unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type counting struct{ recording }

func (w *counting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// compressing is a compressing middleware's, for an answer too short for that.
type compressing struct {
	*counting
	holds bool // the status waits for the first byte, 101 too
	held  int
}

func (w *compressing) WriteHeader(status int) {
	if w.holds {
		w.held = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *compressing) Write(p []byte) (int, error) {
	if w.held != 0 {
		w.ResponseWriter.WriteHeader(w.held)
		w.held = 0
	}
	return w.ResponseWriter.Write(p)
}
