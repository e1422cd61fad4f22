package closeguard_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// idles calls Idle and checks how long that takes.
func idles(t *testing.T, ctx context.Context, g *closeguard.Guard, want time.Duration) {
	t.Helper()
	began := time.Now()
	if err := g.Idle(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took != want {
		t.Errorf("Idle took %v, want %v", took, want)
	}
}

// slowToTell is an observer that takes its time with one kind of event.
func slowToTell[E closeguard.Event](takes time.Duration) closeguard.Observer {
	return closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
		if _, ok := ev.(E); ok {
			time.Sleep(takes)
		}
	})
}

// Idle waits for what is closing and for what is to be told, and for nothing else.
// The guard goes on.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name    string
		slow    closeguard.Observer
		happens func(c *guarded)
		want    time.Duration
	}{
		{"nothing", nil, func(*guarded) {}, 0},
		{"a message", nil, func(c *guarded) { c.send(text("hello")); c.read(text("hello")) }, 0},
		{"a Close of ours that is answered", nil, func(c *guarded) {
			c.Close()
			time.AfterFunc(sec, func() { c.send(closeWith(1000, "")) })
		}, sec},
		{"one that is not", nil, func(c *guarded) { c.Close() }, 5 * sec},
		{"a Close of the peer's that the library answers", nil, func(c *guarded) {
			c.send(closeWith(1000, ""))
			c.read(closeWith(1000, ""))
			time.AfterFunc(sec, func() { c.write(closeWith(1000, "")) })
		}, sec},
		{"the end of a stream, and the library doesn't close", nil, func(c *guarded) { c.peer.Close(); c.readAll() }, 30 * sec},
		{"an abort", nil, func(c *guarded) { c.Abort() }, 0},
		{"an observer of the end", slowToTell[closeguard.CloseEvent](time.Minute), func(c *guarded) { c.Abort() }, time.Minute},
		{"an observer of the beginning", slowToTell[*closeguard.Opened](time.Minute), func(*guarded) {}, time.Minute},
		{"a handler that cleans up", nil, func(c *guarded) {
			go c.Driver().Serve(func() error {
				c.readAll()
				time.Sleep(time.Hour)
				return nil
			})
			c.peer.Reset()
			synctest.Wait() // until the handler has seen it
		}, time.Hour},
		{"one that is still serving", nil, func(c *guarded) {
			go c.Driver().Serve(func() error { return c.readAll() })
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				opts := closeguard.Options{}
				if c.slow != nil {
					opts.Observers = []closeguard.Observer{c.slow}
				}
				opts.Observers = append(opts.Observers, log)
				g := newGuard(t, opts)
				conn := log.open(t, g, closeguard.Server)
				c.happens(conn)
				idles(t, t.Context(), g, c.want)
				if s := g.Stats(); s.Closing != 0 || uint64(len(log.Events())) != s.Opened+s.PeerClosed+s.LocalClosed+s.Dropped {
					t.Errorf("after Idle: %+v, and %d events", s, len(log.Events()))
				}

				next := log.open(t, g, closeguard.Server)
				next.Abort()
				if c.slow == nil {
					idles(t, t.Context(), g, 0)
					log.ending(t, 2)
				}
				conn.Abort()
				conn.peer.Close()
				time.Sleep(time.Hour)
			})
		})
	}
}

// Idle waits for requests that wait for their answer, and for who is told of it.
func TestIdleWaitsForRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{Observers: []closeguard.Observer{slowToTell[*closeguard.Refused](time.Minute)}},
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			})
		v := s.dial(askUpgrade)
		v.head()
		idles(t, t.Context(), s.guard, time.Second+time.Minute)
		if n := len(s.log.Events()); n != 1 {
			t.Errorf("%d events, want that of the refusal", n)
		}
		v.Close()
	})
}

// When the context ends first, the error says what is left; what was closing goes
// on.
func TestIdleWithoutTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 2, closeguard.Options{})
		for _, c := range conns {
			c.Close()
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), sec, errHandler)
		defer cancel()
		if err := g.Idle(ctx); !errors.Is(err, errHandler) || !strings.Contains(err.Error(), "2 connections closing, 0 ended") {
			t.Errorf("error: %v", err)
		}
		for _, c := range conns {
			c.send(closeWith(1000, ""))
		}
		synctest.Wait()
		idles(t, ctx, g, 0) // there is nothing that the context could end
	})
}

// A handler or an observer doesn't wait for itself.
func TestIdleFromWithin(t *testing.T) {
	t.Run("a handler whose own connection is closing", func(t *testing.T) {
		for in, run := range map[string]func(c *closeguard.Conn, handler func() error){
			"a plain handler": func(_ *closeguard.Conn, handler func() error) { handler() },
			"Serve":           func(c *closeguard.Conn, f func() error) { c.Driver().Serve(f) },
		} {
			for name, want := range map[string]time.Duration{"the request's context": 0, "another context": 30 * sec} {
				t.Run(in+" with "+name, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						var s *site
						s = serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
							c := upgrade(t, w).(*closeguard.Conn)
							run(c, func() error {
								io.Copy(io.Discard, c)
								ctx := r.Context()
								if want > 0 {
									ctx = t.Context()
								}
								idles(t, ctx, s.guard, want)
								return nil
							})
							c.Close()
						})
						v := s.dial(askUpgrade)
						v.head()
						v.Close()
						time.Sleep(time.Minute)
						s.log.ending(t, 1)
					})
				})
			}
		}
	})
	t.Run("an observer", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var g *closeguard.Guard
			told := 0
			g = newGuard(t, closeguard.Options{Observers: []closeguard.Observer{closeguard.ObserverFunc(func(ctx context.Context, _ closeguard.Event) {
				idles(t, ctx, g, 0)
				idles(t, t.Context(), g, 0)
				told++
			})}})
			log := new(recorder)
			log.open(t, g, closeguard.Server).Abort()
			idles(t, t.Context(), g, 0)
			if told != 2 {
				t.Errorf("%d events were told", told)
			}
		})
	})
	t.Run("a handler that waits for another connection", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var s *site
			s = serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
				c := upgrade(t, w)
				log := new(recorder)
				log.open(t, s.guard, closeguard.Server).Close()
				idles(t, r.Context(), s.guard, 5*sec)
				c.Close()
			})
			v := s.dial(askUpgrade)
			v.head()
			v.gets("close 1001")
			v.Close()
			time.Sleep(time.Minute)
		})
	})
}

// A request that asks for no WebSocket is no handler of one: what it calls waits for
// everything.
func TestIdleFromAPlainRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *site
		s = serve(t, closeguard.Options{Observers: []closeguard.Observer{slowToTell[closeguard.CloseEvent](time.Minute)}},
			func(_ http.ResponseWriter, r *http.Request) { idles(t, r.Context(), s.guard, time.Minute) })
		s.log.open(t, s.guard, closeguard.Server).Abort()
		v := s.dial("GET /idle HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, _ := io.ReadAll(v); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
			t.Errorf("answer: %q", got)
		}
		s.log.ending(t, 1)
	})
}
