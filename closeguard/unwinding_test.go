package closeguard_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// The Close that a handler defers runs before its panic has passed the
// middleware, and the connection may be over by then. The event waits for the
// panic, but not for ever: it may be recovered on the way.
func TestPanicBehindADeferredClose(t *testing.T) {
	type told struct {
		after time.Duration
		panic bool
	}
	for name, test := range map[string]struct {
		bare    closeguard.Code
		handler func(t *testing.T, w http.ResponseWriter)
		sees    string
		want    told
	}{
		"a bare close": {
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				defer func() { c.Close(); time.Sleep(100 * time.Millisecond) }()
				panic(errHandler)
			},
			sees: "close 1011 internal error | EOF", want: told{100 * time.Millisecond, true},
		},
		"a bare close that would send nothing": {
			bare: closeguard.NoClose,
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				defer func() { c.Close(); time.Sleep(100 * time.Millisecond) }()
				panic(errHandler)
			},
			sees: "close 1011 internal error | EOF", want: told{100 * time.Millisecond, true},
		},
		"a close behind the library's": {
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				defer func() { c.Close(); time.Sleep(100 * time.Millisecond) }()
				c.Write(wireBytes(closeguard.Server, closeWith(1000, "")))
				panic(errHandler)
			},
			sees: "close 1000 | EOF", want: told{100 * time.Millisecond, true},
		},
		"a panic that doesn't arrive in time": {
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				defer func() { c.Close(); time.Sleep(time.Hour) }()
				panic(errHandler)
			},
			sees: "close 1011 internal error | EOF", want: told{time.Second, false},
		},
		"recovered below the middleware": {
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				defer func() { recover() }()
				defer func() { c.Close(); time.Sleep(100 * time.Millisecond) }()
				panic(errHandler)
			},
			sees: "close 1011 internal error | EOF", want: told{100 * time.Millisecond, false},
		},
		"of a goroutine whose handler has returned": {
			handler: func(t *testing.T, w http.ResponseWriter) {
				c := upgrade(t, w)
				go func() {
					defer func() { recover() }()
					defer c.Close()
					time.Sleep(time.Millisecond)
					panic(errHandler)
				}()
			},
			sees: "close 1011 internal error | EOF", want: told{time.Millisecond, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{BareClose: test.bare}, func(w http.ResponseWriter, _ *http.Request) { test.handler(t, w) })
				began := time.Now()
				v := s.dial(askUpgrade)
				v.head()
				v.send(closeWith(1000, ""))
				v.sees(test.sees)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				ev := s.log.ending(t, 1)
				if ev == nil {
					return
				}
				p := panicOf(ev)
				if got := (told{s.log.times[1].Sub(began), p != nil}); got != test.want || p != nil && !errors.Is(ev, errHandler) {
					t.Errorf("told %+v, want %+v: %v", got, test.want, ev)
				}
				// The Close tells why only where nobody has seen the panic.
				why := map[bool]cause.Cause{true: cause.Panic, false: cause.BareClose}[test.want.panic]
				if ev.Cause() != why || errors.Is(ev, closeguard.ErrBareClose) == test.want.panic {
					t.Errorf("the cause is %v, want %v: %v", ev.Cause(), why, ev)
				}
			})
		})
	}
}
