package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// unruly is a transport that misbehaves where a test says so.
type unruly struct {
	*closetest.PipeConn
	read, write func(p []byte) (int, error)
	deadline    func() error
	close       func()
	resumes     bool
	nameless    bool
}

func (c *unruly) ResumesWrites() bool { return c.resumes }

func (c *unruly) Read(p []byte) (int, error) {
	if c.read != nil {
		return c.read(p)
	}
	return c.PipeConn.Read(p)
}

func (c *unruly) Write(p []byte) (int, error) {
	if c.write != nil {
		return c.write(p)
	}
	return c.PipeConn.Write(p)
}

func (c *unruly) Close() error {
	if c.close != nil {
		c.close()
	}
	return c.PipeConn.Close()
}

func (c *unruly) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *unruly) SetReadDeadline(t time.Time) error {
	if c.deadline != nil {
		return c.deadline()
	}
	return c.PipeConn.SetReadDeadline(t)
}

func (c *unruly) SetWriteDeadline(t time.Time) error {
	if c.deadline != nil {
		return c.deadline()
	}
	return c.PipeConn.SetWriteDeadline(t)
}

func (c *unruly) LocalAddr() net.Addr {
	if c.nameless {
		return nil
	}
	return c.PipeConn.LocalAddr()
}

func (c *unruly) RemoteAddr() net.Addr {
	if c.nameless {
		return nil
	}
	return c.PipeConn.RemoteAddr()
}

var errRude = errors.New("a bug in somebody's net.Conn")

// breaks are how code breaks off, and what recover says of it.
var breaks = []struct {
	name      string
	off       func()
	recovered any
}{
	{"panics", func() { panic(errRude) }, errRude},
	{"ends the goroutine", runtime.Goexit, nil},
}

// caught runs f on a goroutine of its own and returns whether it broke off, and
// what it panicked with.
func caught(f func()) (broke bool, v any) {
	done := make(chan struct{})
	broke = true
	go func() {
		defer close(done)
		defer func() { v = recover() }()
		f()
		broke = false
	}()
	<-done
	return broke, v
}

// toldOf is whether a caller learns that the transport broke off.
type toldOf int

const (
	never     toldOf = iota // it was in a goroutine of the guard's
	always                  // it was in his call
	ifResumed               // in his call, if a Write there can be cut short
)

// A transport that breaks off ends its own connection and nothing else: whoever
// called learns it, the process lives, and neighbours' limits are in time.
func TestTransportsThatBreakOff(t *testing.T) {
	var (
		breaksWrite    = func(c *unruly, off func()) { c.write = func([]byte) (int, error) { off(); return 0, nil } }
		breaksRead     = func(c *unruly, off func()) { c.read = func([]byte) (int, error) { off(); return 0, nil } }
		breaksDeadline = func(c *unruly, off func()) { c.deadline = func() error { off(); return nil } }
		breaksClose    = func(c *unruly, off func()) { c.close = off }
	)
	tests := []struct {
		name   string
		opts   closeguard.Options
		breaks func(c *unruly, off func())
		call   func(c *guarded) // during which it breaks off
		told   toldOf           // the caller learns it
	}{
		{"a Write of the library's", closeguard.Options{}, breaksWrite, func(c *guarded) { c.Write(wireBytes(c.role, text("x"))) }, always},
		{"a Write, with lifetimes", closeguard.Options{IdleTimeout: time.Hour}, breaksWrite, func(c *guarded) { c.Write(wireBytes(c.role, text("x"))) }, always},
		{"the Write of the library's Close", closeguard.Options{}, breaksWrite, func(c *guarded) { c.Write(wireBytes(c.role, closeWith(1000, ""))) }, always},
		{"a Read of the library's", closeguard.Options{}, breaksRead, func(c *guarded) { c.Read(make([]byte, 1)) }, always},
		{"a Read behind the library's Close", closeguard.Options{}, breaksRead, func(c *guarded) {
			c.write(closeWith(1000, ""))
			c.Read(make([]byte, 1))
		}, always},
		{"the answer to the peer's Close, in a Read", closeguard.Options{}, breaksWrite, func(c *guarded) {
			c.send(closeWith(1000, ""))
			c.read(closeWith(1000, ""))
			c.Read(make([]byte, 1))
		}, never},
		{"the Close of CloseWith", closeguard.Options{}, breaksWrite, func(c *guarded) { c.CloseWith(c.t.Context(), 1008, "") }, never},
		{"the Close for the library's", closeguard.Options{}, breaksWrite, func(c *guarded) { c.Close() }, ifResumed},
		{"the Close of a handler that returns", closeguard.Options{}, breaksWrite, func(c *guarded) { c.Driver().Serve(func() error { return nil }) }, ifResumed},
		{"the Close of CloseFunc", closeguard.Options{}, breaksWrite, func(c *guarded) { c.guard.CloseFunc(canceled(c.t), everybody, kicked) }, never},
		{"the Close of a shutdown", closeguard.Options{}, breaksWrite, func(c *guarded) { c.guard.StartDrain(); synctest.Wait() }, never},
		{"the Close of Abandon", closeguard.Options{}, breaksWrite, func(c *guarded) { c.Driver().Abandon(); synctest.Wait() }, never},
		{"a ping", closeguard.Options{PingInterval: sec}, breaksWrite, func(*guarded) { time.Sleep(2 * sec) }, never},
		{"the Close at a limit", closeguard.Options{IdleTimeout: sec}, breaksWrite, func(*guarded) { time.Sleep(2 * sec) }, never},
		{"a Read of the guard's", closeguard.Options{}, breaksRead, func(c *guarded) { c.leave(); time.Sleep(2 * sec) }, never},
		{"Close of the transport", closeguard.Options{}, breaksClose, func(c *guarded) {
			c.write(closeWith(1000, ""))
			c.send(closeWith(1000, ""))
			c.read(closeWith(1000, ""))
		}, never},
		{"Close of the transport, after Abort", closeguard.Options{}, breaksClose, func(c *guarded) { c.Abort() }, never},
		{"SetDeadline of the library's", closeguard.Options{}, breaksDeadline, func(c *guarded) { c.SetDeadline(time.Now()) }, always},
		{"SetDeadline for a Read of the guard's", closeguard.Options{}, breaksDeadline, func(c *guarded) { c.write(closeWith(1008, "")); c.Driver().CloseNow() }, never},
		{"SetDeadline of a ping's", closeguard.Options{PingInterval: sec}, breaksDeadline, func(*guarded) { time.Sleep(2 * sec) }, never},
		{"SetDeadline for a library that closes while it reads", closeguard.Options{}, breaksDeadline, func(c *guarded) {
			go c.readAll()
			synctest.Wait()
			c.Close()
		}, never},
	}
	for _, tt := range tests {
		for _, b := range breaks {
			if strings.HasPrefix(tt.name, "SetDeadline") && b.recovered == nil {
				continue
			}
			for _, resumes := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s, resumes %t", tt.name, b.name, resumes), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						log := new(recorder)
						opts := tt.opts
						opts.Observers = append(opts.Observers, log)
						opts.ErrorLog = slog.New(slog.DiscardHandler)
						g := newGuard(t, opts)
						var below *unruly
						c := log.wrap(t, g, closeguard.Server, 64<<10, func(p *closetest.PipeConn) net.Conn {
							below = &unruly{PipeConn: p, resumes: resumes}
							return below
						})
						c.write(text("fine")) // from here on nothing keeps Writes from the fast path
						var broken atomic.Bool
						tt.breaks(below, func() { broken.Store(true); b.off() })
						neighbour := log.open(t, g, closeguard.Server)
						neighbour.leave()
						inTime := make(chan time.Duration, 1)
						go func() {
							<-neighbour.Done()
							inTime <- time.Since(neighbour.began)
						}()
						told := tt.told == always || tt.told == ifResumed && resumes
						if broke, v := caught(func() { tt.call(c) }); told && (!broke || v != b.recovered) || !told && v != nil {
							t.Errorf("the caller learns %t, %v; want %v", broke, v, b.recovered)
						}
						synctest.Wait()
						if !broken.Load() {
							t.Error("nothing broke off")
						}
						wrote := time.Now()
						caught(func() { c.Write(wireBytes(c.role, text("x"))) })
						if took := time.Since(wrote); took > 0 {
							t.Errorf("a Write afterwards took %v", took)
						}
						closed := time.Now()
						caught(func() { c.Close() })
						<-c.Done()
						if took := time.Since(closed); took > 6*sec || below.write != nil && took > 0 {
							t.Errorf("it ended %v after the library had closed", took)
						}
						if took := <-inTime; took != 5*sec {
							t.Errorf("the neighbour's CloseIdle came after %v", took)
						}
						time.Sleep(time.Minute)
						if log.ending(t, 1) == nil || log.ending(t, 2) == nil {
							t.Log(c.Event())
						}
						g.Close()
						c.peer.Close()
						io.Copy(io.Discard, below.PipeConn)
						below.PipeConn.Close()
					})
				})
			}
		}
	}
}

// Closing many goes on behind a transport that breaks off.
func TestClosingManyGoesOnBehindATransportThatBreaksOff(t *testing.T) {
	for name, closes := range map[string]func(g *closeguard.Guard){
		"CloseFunc": func(g *closeguard.Guard) { g.CloseFunc(context.Background(), everybody, kicked) },
		"Shutdown":  func(g *closeguard.Guard) { g.Shutdown(context.Background()) },
	} {
		for _, b := range breaks {
			t.Run(name+", it "+b.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					cr := newCrowd(t, closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler)})
					for i := range 9 {
						if i%3 > 0 {
							cr.live(0)
							continue
						}
						c := cr.log.wrap(t, cr.guard, closeguard.Server, 64<<10, func(p *closetest.PipeConn) net.Conn {
							return &unruly{PipeConn: p, resumes: true, write: func([]byte) (int, error) { b.off(); return 0, nil }}
						})
						cr.conns = append(cr.conns, c)
						go c.readAll()
					}
					synctest.Wait()
					caught(func() { closes(cr.guard) })
					if closes := cr.told(); len(closes) != 6 || time.Since(cr.began) > sec {
						t.Errorf("after %v: %v, want one for each of 6", time.Since(cr.began), closes)
					}
					cr.guard.Close()
					for i := range cr.conns {
						cr.log.ending(t, uint64(i+1))
					}
				})
			})
		}
	}
}

// A transport that lies about what it wrote or read, or has no deadlines, harms
// nobody: the connection ends within its limits, with one event.
func TestTransportsThatLie(t *testing.T) {
	sure := func(n int, err error) func(c *unruly) func([]byte) (int, error) {
		return func(*unruly) func([]byte) (int, error) {
			return func([]byte) (int, error) { return n, err }
		}
	}
	tests := []struct {
		name  string
		lies  func(c *unruly)
		wrote bool // the library's Write succeeds
		reads bool // its Read of what the peer sends does
	}{
		{"Write of more than there is", func(c *unruly) { c.write = sure(1000, nil)(c) }, false, true},
		{"Write of less than nothing", func(c *unruly) { c.write = sure(-1, nil)(c) }, false, true},
		{"Write of less than nothing, with an error", func(c *unruly) { c.write = sure(-1, errRude)(c) }, false, true},
		{"Write of nothing", func(c *unruly) { c.write = sure(0, nil)(c) }, false, true},
		{"Write of one byte at a time", func(c *unruly) {
			c.write = func(p []byte) (int, error) { return c.PipeConn.Write(p[:min(1, len(p))]) }
		}, true, true},
		{"Read of more than there is", func(c *unruly) { c.read = sure(100_000, nil)(c) }, true, false},
		{"Read of less than nothing", func(c *unruly) { c.read = sure(-1, nil)(c) }, true, false},
		{"Read of less than nothing, with an error", func(c *unruly) { c.read = sure(-1, errRude)(c) }, true, false},
		{"no deadlines", func(c *unruly) { c.deadline = func() error { return errRude } }, true, true},
		{"no addresses", func(c *unruly) { c.nameless = true }, true, true},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, ", ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, role, closeguard.Options{PingInterval: 10 * sec}, 64<<10, func(p *closetest.PipeConn) net.Conn {
						below := &unruly{PipeConn: p, resumes: true}
						tt.lies(below)
						return below
					})
					for range 2 { // a slow and a fast one
						if n, err := c.Write(wireBytes(role, text("hello"))); (err == nil) != tt.wrote || err == nil && n != len(wireBytes(role, text("hello"))) {
							t.Errorf("Write: %d, %v", n, err)
						}
						c.send(text("hello"))
						p := make([]byte, 100)
						if n, err := c.Read(p); (err == nil) != tt.reads || n < 0 || n > len(p) {
							t.Errorf("Read: %d, %v", n, err)
						}
					}
					c.SetDeadline(time.Time{})
					time.Sleep(15 * sec) // a ping
					c.Write(wireBytes(role, closeWith(1000, "")))
					c.Close()
					c.Read(make([]byte, 1))
					c.SetDeadline(time.Now())
					c.Close()
					<-c.Done()
					synctest.Wait()
					c.log.ending(t, 1)
					if took := time.Since(c.began); took > 50*sec {
						t.Errorf("it ended after %v", took)
					}
					c.guard.Close()
				})
			})
		}
	}
}
