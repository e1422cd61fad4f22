package closeguard_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// taken is a connection that a handler took by Hijack, with a guard or without one.
type taken struct {
	net.Conn
	rw     *bufio.ReadWriter
	handle *closeguard.Handle // nil on a nil guard
}

// net/http ends the request's context when a Read of its reader fails. It does so
// below the guard, at the same moment, whatever makes the Read fail; and where only the
// guard does, soon.
func TestTheRequestsContextEndsWhenAReadFails(t *testing.T) {
	soon := 100 * time.Millisecond
	readOn := func(c taken) {
		for _, err := c.rw.ReadByte(); err == nil; {
			_, err = c.rw.ReadByte()
		}
	}
	tests := []struct {
		name string
		peer func(v *visit)
		do   func(t *testing.T, c taken)
		bare bool // it is so without a guard, too
	}{
		{"the peer's stream ends", func(v *visit) { v.CloseWrite() }, func(_ *testing.T, c taken) { readOn(c) }, true},
		{"the peer resets", func(v *visit) { v.SetLinger(0); v.Close() }, func(_ *testing.T, c taken) { readOn(c) }, true},
		{"a deadline passes", nil, func(_ *testing.T, c taken) {
			c.SetReadDeadline(time.Now().Add(-time.Second))
			readOn(c)
		}, true},
		{"the program closes it under a Read", nil, func(_ *testing.T, c taken) {
			go func() {
				time.Sleep(time.Millisecond)
				c.Close()
			}()
			readOn(c)
		}, true},
		{"the program closed it before", nil, func(_ *testing.T, c taken) {
			c.Close()
			readOn(c)
		}, true},
		{"the peer is reading on after the program closed it", nil, func(t *testing.T, c taken) {
			c.Write(wireBytes(closeguard.Server, closeWith(1000, "")))
			c.Close()
			time.Sleep(2 * time.Second) // now the guard reads
			readOn(c)
		}, true},
		{"the handshake is over", func(v *visit) { v.send(closeWith(1000, "")) }, func(_ *testing.T, c taken) {
			io.ReadFull(c.rw, make([]byte, len(wireBytes(closeguard.Client, closeWith(1000, "")))))
			readOn(c)
		}, false},
		{"the guard closed it under a Read", nil, func(_ *testing.T, c taken) {
			go c.handle.CloseWith(context.Background(), 4000, "")
			readOn(c)
		}, false},
		{"the guard closed it before, and reads", nil, func(_ *testing.T, c taken) {
			go c.handle.CloseWith(context.Background(), 4000, "")
			time.Sleep(2 * time.Second)
			readOn(c)
		}, false},
		{"it was aborted", nil, func(_ *testing.T, c taken) {
			c.handle.Abort()
			readOn(c)
		}, false},
	}
	opens := map[string]func(*testing.T, http.ResponseWriter) (net.Conn, *bufio.ReadWriter){
		"101 written by the library": func(t *testing.T, w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
			c, rw := hijack(t, w)
			io.WriteString(c, switching)
			return c, rw
		},
		"101 written by net/http": accept,
	}
	for _, tt := range tests {
		for how, open := range opens {
			for _, early := range []string{"", "early bytes"} {
				for _, guarded := range []bool{false, true} {
					if !guarded && !tt.bare {
						continue
					}
					name := tt.name + "/" + how + "/" + early + map[bool]string{false: "/bare", true: "/guarded"}[guarded]
					t.Run(name, func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							outer, ready, done := make(chan context.Context, 1), make(chan struct{}), make(chan struct{})
							handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
								defer close(done)
								nc, rw := open(t, w)
								c := taken{nc, rw, closeguard.FromContext(r.Context())}
								ctxs := []context.Context{r.Context(), <-outer}
								if err := r.Context().Err(); err != nil {
									t.Errorf("before: %v", err)
								}
								close(ready) // net/http reads no more, and sees nothing by itself
								tt.do(t, c)
								failed := time.Now()
								for _, ctx := range ctxs {
									select {
									case <-ctx.Done():
									case <-time.After(time.Minute):
										t.Error("the context doesn't end")
									}
								}
								if took := time.Since(failed); took > soon {
									t.Errorf("the context ended %v after the failed Read", took)
								}
								nc.Close()
							})
							next := http.Handler(handler)
							if guarded {
								next = newGuard(t, closeguard.Options{}).Middleware(handler)
							}
							l := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
								outer <- r.Context()
								next.ServeHTTP(w, r)
							}))
							request := askUpgrade
							if early != "" {
								request += string(wireBytes(closeguard.Client, text("early")))
							}
							v := dial(t, l, request)
							v.head()
							<-ready
							if tt.peer != nil {
								tt.peer(v)
								synctest.Wait()
							}
							if tt.name != "the peer's stream ends" {
								go func() { io.Copy(io.Discard, v); v.Close() }()
							}
							<-done
							v.Close()
						})
					})
				}
			}
		}
	}
}

// What TLS has decrypted already when a Read is made to fail for net/http is the
// guard's: the peer's Close in it was received.
func TestAReadThatFailsForNetHTTPLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		failed := make(chan error, 1)
		inner := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, rw := hijack(t, w)
			io.WriteString(c, switching)
			p := make([]byte, 1)
			if _, err := c.Read(p); err != nil { // the rest of the record is decrypted, and stays in TLS
				t.Error(err)
			}
			c.(*closeguard.Conn).Driver().Serve(func() error {
				c.Close()
				_, err := rw.Read(p)
				failed <- err
				<-r.Context().Done()
				return nil
			})
		}))
		l := closetest.Listen()
		cert := certificate()
		server := &http.Server{Handler: inner}
		go server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}))
		t.Cleanup(func() { server.Close() })
		nc, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		io.WriteString(tc, askUpgrade)
		io.ReadFull(tc, make([]byte, len(switching)))
		tc.Write(wireBytes(closeguard.Client, text("x"), closeWith(4000, "")))
		io.Copy(io.Discard, tc)
		tc.Close()
		if err := <-failed; err == nil {
			t.Error("the Read didn't fail")
		}
		synctest.Wait()
		if ev := log.ending(t, 1); ev != nil && outcome(ev) != "peer closed 4000, sent 4000, received 4000, clean" {
			t.Errorf("it ended as %s", outcome(ev))
		}
	})
}

// A body that came with the request is still there behind Hijack, where net/http left
// it, and the program's reader has it, too.
func TestTheBodyOfARequestIsReadBehindHijack(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			done := make(chan struct{})
			h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				c, rw := hijack(t, w)
				defer c.Close()
				if b, _ := rw.Reader.Peek(5); string(b) != "hello" {
					t.Errorf("guarded %t: the reader has %q", guarded, b)
				}
				if b, err := io.ReadAll(r.Body); string(b) != "hello" || err != nil {
					t.Errorf("guarded %t: the body is %q, %v", guarded, b, err)
				}
			}))
			if guarded {
				h = newGuard(t, closeguard.Options{}).Middleware(h)
			}
			v := dial(t, listen(t, h), strings.Replace(askUpgrade, "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello", 1))
			<-done
			v.Close()
		})
	}
}
