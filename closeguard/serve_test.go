package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

var errHandler = errors.New("database password is wrong") // not for the peer

// A handler's return chooses the Close, and is the cause that the event has.
func TestServeReturns(t *testing.T) {
	tests := []struct {
		name  string
		opts  closeguard.Options
		err   error
		wire  string
		ended string
		is    error // in the tree of Err; nil: Err is nil
	}{
		{"nil", closeguard.Options{}, nil, "close 1000", "local closed 1000, sent 1000, received 1000, clean", nil},
		{"an error", closeguard.Options{}, errHandler,
			"close 1011 internal error", "local closed 1011, sent 1011 internal error, received 1000, clean", errHandler},
		{"Error", closeguard.Options{}, closeguard.Error(4001, "bad token", errHandler),
			"close 4001 bad token", "local closed 4001, sent 4001 bad token, received 1000, clean", errHandler},
		{"Error without a cause", closeguard.Options{}, closeguard.Error(1008, "", nil),
			"close 1008", "local closed 1008, sent 1008, received 1000, clean", nil},
		{"Error, wrapped", closeguard.Options{}, fmt.Errorf("room 7: %w", closeguard.Error(4001, "full", errHandler)),
			"close 4001 full", "local closed 4001, sent 4001 full, received 1000, clean", errHandler},
		{"Error, illegal", closeguard.Options{}, closeguard.Error(1006, "x", nil),
			"close 1001 x", "local closed 1001, sent 1001 x, received 1000, intended 1006 x, clean", nil},
		{"Error around a timeout", closeguard.Options{}, closeguard.Error(4002, "", os.ErrDeadlineExceeded),
			"close 4002", "local closed 4002, sent 4002, received 1000, clean", os.ErrDeadlineExceeded},
		{"a timeout", closeguard.Options{}, fmt.Errorf("read: %w", os.ErrDeadlineExceeded),
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", os.ErrDeadlineExceeded},
		{"a context's deadline", closeguard.Options{BareClose: 4003}, context.DeadlineExceeded,
			"close 4003", "local closed 4003, sent 4003, received 1000, clean", context.DeadlineExceeded},
		{"a context's end", closeguard.Options{}, fmt.Errorf("query: %w", context.Canceled),
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", context.Canceled},
		{"a timeout of package net", closeguard.Options{}, &net.OpError{Op: "read", Err: errCut{}},
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", errCut{}},
		{"a timeout, BareClose off", closeguard.Options{BareClose: closeguard.NoClose}, os.ErrDeadlineExceeded,
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", os.ErrDeadlineExceeded},
		{"EOF of something else", closeguard.Options{}, io.EOF,
			"close 1011 internal error", "local closed 1011, sent 1011 internal error, received 1000, clean", io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, tt.opts)
				c.Driver().Serve(func() error {
					c.write(text("hello"))
					return tt.err
				})
				c.peerGets("text hello | " + tt.wire)
				c.send(closeWith(1000, ""))
				c.peer.Close()
				ev := c.ends(tt.ended)
				if err := ev.End().Err; !errors.Is(err, tt.is) {
					t.Errorf("Err is %v, want %v", err, tt.is)
				}
			})
		})
	}
}

// A panic is 1011 and goes on; a Goexit, as of t.FailNow, is 1011 too.
func TestServePanics(t *testing.T) {
	for name, leave := range map[string]func(){
		"panic":                func() { panic("boom") },
		"panic with an error":  func() { panic(errHandler) },
		"panic with nil":       func() { panic(nil) },
		"http.ErrAbortHandler": func() { panic(http.ErrAbortHandler) },
		"Goexit":               runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				panicked := make(chan any, 1)
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { panicked <- recover() }()
					c.Driver().Serve(func() error {
						defer c.Close() // as every handler does
						leave()
						return nil
					})
				}()
				<-done
				value := <-panicked
				c.peerGets("close 1011 internal error")
				c.send(closeWith(1011, ""))
				ev := c.ends("local closed 1011, sent 1011 internal error, received 1011, clean")
				p := panicOf(ev)
				if name == "Goexit" {
					if value != nil || p != nil {
						t.Errorf("recovered %v, Panic is %v", value, p)
					}
					return
				}
				if value == nil || p == nil || p.Value != value || !strings.Contains(string(p.Stack), "serve_test.go") {
					t.Errorf("recovered %v, Panic is %v", value, p)
				}
				if err, ok := value.(error); ok && !errors.Is(ev, err) {
					t.Errorf("%v isn't found in %v", err, ev)
				}
			})
		})
	}
}

// The peer broke a rule of framing and the library said nothing to it: it is
// told 1002 unless the handler chooses a Close, also by a handler that returns nil.
func TestServeReturnsAfterAViolation(t *testing.T) {
	for name, tt := range map[string]struct {
		err         error
		wire, ended string
	}{
		"nil":       {nil, "close 1002", "local closed 1002, sent 1002, received 1002, clean"},
		"an error":  {errHandler, "close 1002", "local closed 1002, sent 1002, received 1002, clean"},
		"a timeout": {os.ErrDeadlineExceeded, "close 1002", "local closed 1002, sent 1002, received 1002, clean"},
		"Error":     {closeguard.Error(4001, "", nil), "close 4001", "local closed 4001, sent 4001, received 1002, clean"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.Driver().Serve(func() error {
					c.sendBytes([]byte("\x81\x02hi")) // unmasked
					c.Read(make([]byte, 100))
					return tt.err
				})
				c.peerGets(tt.wire)
				c.send(closeWith(1002, ""))
				c.peer.Close()
				ev := c.ends(tt.ended)
				if fe := (*closeguard.FrameError)(nil); !errors.As(ev, &fe) || fe.Rule != "mask" {
					t.Errorf("%v doesn't say what was broken", ev)
				}
			})
		})
	}
}

// While a handler runs, Close and CloseNow wake the reader and leave a mark: the
// frame is chosen when the handler has returned.
func TestCloseInsideServeIsAMark(t *testing.T) {
	for name, end := range map[string]func(c *guarded){
		"Close":    func(c *guarded) { c.Close() },
		"CloseNow": func(c *guarded) { c.Driver().CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.Driver().Serve(func() error {
					read := make(chan error)
					go func() { read <- c.readAll() }()
					synctest.Wait()
					end(c)
					is(t, <-read, net.ErrClosed)
					c.after(0)
					_, err := c.Write(wireBytes(c.role, text("late")))
					is(t, err, net.ErrClosed)
					time.Sleep(time.Hour) // and nothing happens until the handler returns
					c.peerGetsNothing()
					if ev := c.Event(); ev != nil {
						t.Errorf("it ended already: %v", ev)
					}
					return closeguard.Error(4000, "done", nil)
				})
				c.peerGets("close 4000 done")
				c.send(closeWith(4000, ""))
				c.ends("local closed 4000, sent 4000 done, received 4000, clean")
			})
		})
	}
}

// Abort acts at once, also inside a handler.
func TestAbortInsideServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Driver().Serve(func() error {
			c.Abort()
			<-c.Done()
			c.after(0)
			c.peerSees("reset")
			return errHandler
		})
		is(t, c.ends("dropped 1006"), net.ErrClosed, closeguard.ErrAborted)
	})
}

// The close event is delivered when the connection has ended and the handler
// has returned, and has the handler's error.
func TestEventAfterServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Driver().Serve(func() error {
			c.send(closeWith(1001, ""))
			c.read(closeWith(1001, ""))
			c.write(closeWith(1001, ""))
			<-c.Done()
			time.Sleep(time.Minute) // cleaning up
			if n := len(c.log.Events()); n != 1 {
				t.Errorf("%d events while the handler runs, want Opened only", n)
			}
			return errHandler
		})
		ev := c.ended("peer closed 1001, sent 1001, received 1001, clean")
		if !errors.Is(ev, errHandler) {
			t.Errorf("the handler's error isn't in %v", ev)
		}
		if d := ev.End().Duration; d != 0 {
			t.Errorf("Duration is %v: it ended at once", d)
		}
	})
}

// A handler that returns the event of its own connection adds nothing, and
// makes no circle.
func TestServeReturnsItsOwnEvent(t *testing.T) {
	for name, wrap := range map[string]func(error) error{
		"as it is": func(err error) error { return err },
		"wrapped":  func(err error) error { return fmt.Errorf("echo: %w", err) },
		"joined":   func(err error) error { return errors.Join(errHandler, err) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.Driver().Serve(func() error {
					c.send(closeWith(1001, ""))
					c.read(closeWith(1001, ""))
					return wrap(c.Event())
				})
				c.peerGets("close 1001")
				ev := c.ends("peer closed 1001, sent 1001, received 1001, clean")
				var inner closeguard.CloseEvent
				if errors.As(ev.End().Err, &inner) {
					t.Errorf("the event is in its own tree: %v", ev.End().Err)
				}
			})
		})
	}
	bubble(t, func(t *testing.T) { // another connection's event is a cause as any other
		c, d := guard(t, closeguard.Server, closeguard.Options{}), guard(t, closeguard.Server, closeguard.Options{})
		d.Abort()
		theirs := d.ends("dropped 1006")
		c.Driver().Serve(func() error { return theirs })
		c.peerGets("close 1011 internal error")
		c.peer.Close()
		var inner closeguard.CloseEvent
		if ev := c.ends("local closed 1011, sent 1011 internal error"); !errors.As(ev.End().Err, &inner) || inner != theirs {
			t.Errorf("the other's event isn't in %v", ev.End().Err)
		}
	})
}

// What happened on the wire before the handler returned decides.
func TestServeReturnsAfterTheEnd(t *testing.T) {
	tests := []struct {
		name   string
		before func(c *guarded)
		wire   string
		ended  string
	}{
		{"the peer's Close", func(c *guarded) { c.send(closeWith(4000, "x")); c.read(closeWith(4000, "x")) },
			"close 4000 x | EOF", "peer closed 4000, sent 4000 x, received 4000 x, clean"},
		{"EOF", func(c *guarded) { c.peer.CloseWrite(); c.readAll() }, "EOF", "dropped 1006"},
		{"our Close", func(c *guarded) { c.write(closeWith(4000, "x")); c.send(closeWith(4000, "")) },
			"close 4000 x | EOF", "local closed 4000, sent 4000 x, received 4000, clean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.Driver().Serve(func() error {
					tt.before(c)
					return nil
				})
				c.peerSees(tt.wire)
				c.ends(tt.ended)
			})
		})
	}
}

// Under the middleware a returning handler ends nothing: the program may go on
// in goroutines. One that panics ends the connection, and the panic goes on.
func TestHandlerUnderTheMiddleware(t *testing.T) {
	t.Run("returns", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
				c := upgrade(t, w)
				go func() {
					time.Sleep(time.Hour)
					c.Write(wireBytes(closeguard.Server, text("still here"), closeWith(1000, "")))
					c.Close()
				}()
			})
			v := s.dial(askUpgrade)
			v.head()
			v.gets("text still here | close 1000")
			v.send(closeWith(1000, ""))
			v.sees("EOF")
			synctest.Wait()
			s.log.ending(t, 1)
		})
	})
	t.Run("panics", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
				upgrade(t, w)
				panic(errHandler)
			})
			v := s.dial(askUpgrade)
			v.head()
			v.gets("close 1011 internal error")
			v.send(closeWith(1011, ""))
			v.sees("EOF")
			synctest.Wait()
			if ev := s.log.ending(t, 1); ev != nil && (!errors.Is(ev, errHandler) || panicOf(ev) == nil) {
				t.Errorf("it ended with %v", ev)
			}
		})
	})
	t.Run("panics after the end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
				c := &guarded{Conn: upgrade(t, w).(*closeguard.Conn)}
				c.readAll()
				c.Close()
				<-c.Done()
				time.Sleep(time.Second)
				panic("too late")
			})
			v := s.dial(askUpgrade)
			v.head()
			v.send(closeWith(1000, ""))
			v.sees("close 1000 | EOF")
			time.Sleep(time.Minute)
			if ev := s.log.ending(t, 1); ev != nil && panicOf(ev) != nil {
				t.Error("the event has a panic that came after it was told")
			}
		})
	})
	t.Run("panics below Serve", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
				c := upgrade(t, w).(*closeguard.Conn)
				c.Driver().Serve(func() error { panic(errHandler) })
			})
			v := s.dial(askUpgrade)
			v.head()
			v.gets("close 1011 internal error")
			v.Close()
			synctest.Wait()
			if ev := s.log.ending(t, 1); ev != nil && (!errors.Is(ev, errHandler) || panicOf(ev) == nil) {
				t.Errorf("it ended with %v", ev)
			}
		})
	})
}

// panicOf is the panic that an event tells of, nil if there was none.
func panicOf(ev closeguard.CloseEvent) *closeguard.PanicError {
	var p *closeguard.PanicError
	errors.As(ev, &p)
	return p
}
