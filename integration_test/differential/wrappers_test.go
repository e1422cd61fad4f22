package differential

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"
)

// The wrappers that a handler may be below.
const (
	muxWrapper        = "ServeMux"
	delegatingWrapper = "a writer with Unwrap"
	hijackingWrapper  = "a writer with Unwrap and Hijack"
	hidingWrapper     = "a writer that hides Hijacker"
	timeoutWrapper    = "http.TimeoutHandler"
	maxBytesWrapper   = "http.MaxBytesHandler"
	keepingWrapper    = "one whose writer the handler uses" // above the guard only
	noURLWrapper      = "one that takes the request's URL away"
	failingWrapper    = "a writer whose FlushError fails"
)

var errFlush = &flushError{}

// flushError is of a type of its own, so that it is told apart.
type flushError struct{}

func (*flushError) Error() string { return "the wrapper can't flush" }

// delegating has no method but http.ResponseWriter's and Unwrap.
type delegating struct{ http.ResponseWriter }

func (d delegating) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// hijacking has the method that libraries ask for by a type assertion.
type hijacking struct{ delegating }

func (h hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// hiding has not even Unwrap.
type hiding struct{ http.ResponseWriter }

// failing is a writer of a middleware that tells what went wrong at a Flush.
type failing struct{ hijacking }

func (f failing) Flush() { http.NewResponseController(f.ResponseWriter).Flush() }

func (f failing) FlushError() error {
	f.Flush()
	return errFlush
}

// kept is where the keeping wrapper's writer is found.
type kept struct{}

// wrap puts a handler below a wrapper.
func wrap(wrapper string, h http.Handler) http.Handler {
	writer := func(change func(http.ResponseWriter) http.ResponseWriter) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(change(w), r) })
	}
	switch wrapper {
	case muxWrapper:
		mux := http.NewServeMux()
		mux.Handle("/", h)
		return mux
	case delegatingWrapper:
		return writer(func(w http.ResponseWriter) http.ResponseWriter { return delegating{w} })
	case hijackingWrapper:
		return writer(func(w http.ResponseWriter) http.ResponseWriter { return hijacking{delegating{w}} })
	case hidingWrapper:
		return writer(func(w http.ResponseWriter) http.ResponseWriter { return hiding{w} })
	case failingWrapper:
		return writer(func(w http.ResponseWriter) http.ResponseWriter { return failing{hijacking{delegating{w}}} })
	case timeoutWrapper:
		return http.TimeoutHandler(h, time.Minute, "too slow")
	case maxBytesWrapper:
		return http.MaxBytesHandler(h, 100)
	case keepingWrapper:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), kept{}, w)))
		})
	case noURLWrapper:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(r.Context())
			r.URL = nil
			h.ServeHTTP(w, r)
		})
	}
	return h
}
