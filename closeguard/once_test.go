package closeguard_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Rule 1: what came first on the wire gives the ending its type, once, whatever
// follows.
func TestTheFirstDecides(t *testing.T) {
	ourClose := func(c *guarded) { c.write(closeWith(4000, "")) }
	theirClose := func(c *guarded) { c.send(closeWith(4001, "")); c.read(closeWith(4001, "")) }
	theirEOF := func(c *guarded) { c.peer.CloseWrite(); c.Read(make([]byte, 1)) }
	abort := func(c *guarded) { c.Abort() }
	bare := func(c *guarded) { c.Close() }
	tests := []struct {
		name  string
		steps []func(c *guarded)
		ended string
	}{
		{"their Close, ours", []func(*guarded){theirClose, ourClose}, "peer closed 4001, sent 4000, received 4001, clean"},
		{"our Close, theirs", []func(*guarded){ourClose, theirClose}, "local closed 4000, sent 4000, received 4001, clean"},
		{"their Close, EOF, ours", []func(*guarded){theirClose, theirEOF, bare}, "peer closed 4001, sent 4001, received 4001, clean"},
		{"our Close, EOF", []func(*guarded){ourClose, theirEOF}, "local closed 4000, sent 4000"},
		{"EOF, our Close", []func(*guarded){theirEOF, ourClose, bare}, "dropped 1006, sent 4000"},
		{"EOF, bare close", []func(*guarded){theirEOF, bare}, "dropped 1006"},
		{"abort, bare close", []func(*guarded){abort, bare}, "dropped 1006"},
		{"our Close, abort", []func(*guarded){ourClose, abort, bare}, "local closed 4000, sent 4000"},
		{"their Close, abort", []func(*guarded){theirClose, abort, bare}, "peer closed 4001, received 4001"},
		{"bare close, their Close", []func(*guarded){bare, func(c *guarded) { c.send(closeWith(4001, "")) }}, "local closed 1001, sent 1001, received 4001, clean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				var early closeguard.CloseEvent
				for i, step := range tt.steps {
					step(c)
					synctest.Wait()
					ev := c.Event()
					if ev == nil {
						t.Fatalf("step %d ended nothing", i+1)
					}
					if early == nil {
						early = ev
					}
					if fmt.Sprintf("%T", ev) != fmt.Sprintf("%T", early) {
						t.Errorf("after step %d it is a %T, before a %T", i+1, ev, early)
					}
				}
				snapshot := early.Error()
				ev := c.ends(tt.ended)
				if fmt.Sprintf("%T", ev) != fmt.Sprintf("%T", early) {
					t.Errorf("the observer is told of a %T, before it was a %T", ev, early)
				}
				if early.Error() != snapshot {
					t.Errorf("an event changed after it was handed out: %q, %q", snapshot, early.Error())
				}
			})
		})
	}
}

// While our Close waits for room the peer's Close comes: ours hadn't left yet.
func TestCrossing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4))
		closers[1].close(c) // CloseWith
		c.send(closeWith(4001, ""))
		time.Sleep(2 * time.Second)
		c.peerGets("binary of 65532 bytes | close 1008")
		ev := c.ends("peer closed 4001, sent 1008, received 4001, clean")
		if ev.End().Sent == nil {
			t.Error("nothing was sent")
		}
	})
}

// Rule 10: events are in order per connection, and one observer that is slow
// for one connection doesn't hold up another.
func TestEventsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{
			closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
				if ev.Connection().Number == 1 {
					time.Sleep(time.Minute)
				}
				log.Observe(ctx, ev)
			}),
		}})
		slow := log.open(t, g, closeguard.Server)
		slow.Abort()
		quick := log.open(t, g, closeguard.Server)
		quick.Abort()
		<-quick.Done()
		quick.ended("dropped 1006")
		time.Sleep(2 * time.Minute)
		slow.ended("dropped 1006")
		if n := len(log.Events()); n != 4 {
			t.Errorf("%d events", n)
		}
	})
}

// An observer may call everything back: it runs outside of all locks and calls.
func TestObserverCallsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var c *guarded
		var g *closeguard.Guard
		told := 0
		opts := closeguard.Options{Observers: []closeguard.Observer{closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
			if _, ok := ev.(closeguard.CloseEvent); !ok || c == nil {
				return
			}
			told++
			c.Close()
			c.Abort()
			c.Driver().CloseNow()
			c.CloseWith(ctx, 1000, "")
			c.Read(make([]byte, 1))
			c.Write(wireBytes(closeguard.Server, text("x")))
			c.SetDeadline(time.Now())
			c.Event()
			<-c.Done()
			g.WrapConn(c.Conn, closeguard.Server)
			g.StartDrain()
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			g.Shutdown(short)
		})}}
		conn := guard(t, closeguard.Server, opts)
		synctest.Wait()
		c, g = conn, conn.guard
		c.write(closeWith(1000, ""))
		c.send(closeWith(1000, ""))
		c.read(closeWith(1000, ""))
		time.Sleep(time.Minute)
		c.ended("local closed 1000, sent 1000, received 1000, clean")
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// It may even close, and wait, when it is told of the opening.
func TestObserverClosesWhatOpens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conns := make(chan *closeguard.Conn, 1)
		full := closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
			if _, ok := ev.(*closeguard.Opened); ok {
				if err := (<-conns).CloseWith(ctx, closeguard.TryAgainLater, "full"); err != nil {
					t.Error(err)
				}
			}
		})
		s := serve(t, closeguard.Options{Observers: []closeguard.Observer{full}}, func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w).(*closeguard.Conn)
			conns <- c
			(&guarded{Conn: c}).readAll()
		})
		v := s.dial(askUpgrade)
		v.head()
		v.gets("close 1013 full")
		v.send(closeWith(1013, ""))
		v.sees("EOF")
		synctest.Wait()
		s.log.ending(t, 1)
	})
}

// awaitAbandoned collects garbage until the guard has told of the end of a
// connection that nobody closed.
func awaitAbandoned(t *testing.T, log *closetest.Recorder) closeguard.CloseEvent {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		closed, err := log.WaitClosed(soon, 1)
		cancel()
		if err == nil {
			return closed[0]
		}
	}
	t.Fatal("no close event")
	return nil
}

// Rule 10: a connection that the program dropped is closed and reported when it
// is collected. The guard holds it weakly. (Not in a bubble: finalizers run
// outside of all bubbles.)
func TestAbandoned(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	func() {
		raw, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c, err := g.WrapConn(raw, closeguard.Server)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(wireBytes(closeguard.Server, text("hello")))
	}()
	go func() {
		r := frameReader{r: peer, from: closeguard.Server}
		if got := r.next() + " | " + r.next(); got != "text hello | close 1001" {
			t.Errorf("the peer gets %s", got)
		}
		peer.Write(wireBytes(closeguard.Client, closeWith(1001, "")))
	}()
	ev := awaitAbandoned(t, log)
	if got := outcome(ev); got != "local closed 1001, sent 1001, received 1001, clean" {
		t.Errorf("it ended as %s", got)
	}
	is(t, ev, net.ErrClosed, closeguard.ErrAbandoned)
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the peer reads %v, want EOF", err)
	}
	if report, err := g.Shutdown(context.Background()); report.Total() != 0 || err != nil {
		t.Errorf("it is still in the set: %v, %v", report, err)
	}
}

// It is found however often the collector has looked before.
func TestAbandonedLater(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}, CloseIdle: 50 * ms})
	below, peer := net.Pipe()
	defer peer.Close()
	go io.Copy(io.Discard, peer)
	c, err := g.WrapConn(below, closeguard.Server)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		looked := make(chan struct{})
		runtime.SetFinalizer(&struct{ c chan struct{} }{looked}, func(s *struct{ c chan struct{} }) { close(s.c) })
		runtime.GC()
		<-looked
	}
	if closed := log.Closed(); len(closed) > 0 {
		t.Errorf("told %v of a connection that is held", closed)
	}
	runtime.KeepAlive(c)
	if ev := awaitAbandoned(t, log); !errors.Is(ev, closeguard.ErrAbandoned) {
		t.Errorf("%v, want ErrAbandoned", ev)
	}
}

// The same through the middleware, where the request's context leads to it.
func TestAbandonedUnderTheMiddleware(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
	handles := make(chan *closeguard.Handle, 1) // holds none
	s := httptest.NewServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrade(t, w)
		handles <- closeguard.FromContext(r.Context())
	})))
	defer s.Close()
	peer := ask(t, s.Listener.Addr())
	h := <-handles
	saw := make(chan struct{})
	go func() {
		defer close(saw)
		b, err := io.ReadAll(peer)
		if err != nil || !bytes.HasSuffix(b, []byte("\x88\x02\x03\xe9")) {
			t.Errorf("the peer reads %q, %v", b, err)
		}
	}()
	peer.Write(wireBytes(closeguard.Client, text("is anybody there?")))
	peer.(*net.TCPConn).CloseWrite()
	ev := awaitAbandoned(t, log)
	is(t, ev, net.ErrClosed, io.EOF, closeguard.ErrAbandoned)
	<-saw
	if c := h.Conn(); c != nil {
		t.Error("the handle holds the connection")
	}
	if h.Event() == nil || !strings.HasPrefix(outcome(h.Event()), "local closed 1001, sent 1001") {
		t.Errorf("the handle's event: %v", h.Event())
	}
}

// keeping is a wrapper whose net.Conn keeps the reader and the writer of its Hijack.
type keeping struct{ http.ResponseWriter }

type kept struct {
	net.Conn
	rw *bufio.ReadWriter
}

func (k keeping) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(k.ResponseWriter).Hijack()
	return &kept{c, rw}, rw, err
}

// The same above a wrapper that keeps what it has handed out.
func TestAbandonedAboveAWrapperThatKeepsItsReader(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}, CloseIdle: 50 * ms})
	guarded := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { upgrade(t, w) }))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { guarded.ServeHTTP(keeping{w}, r) }))
	defer s.Close()
	ask(t, s.Listener.Addr())
	is(t, awaitAbandoned(t, log), net.ErrClosed, closeguard.ErrAbandoned, closeguard.ErrCloseIdle)
	runtime.KeepAlive(g)
}

// What was closed before is not reported again when it is collected.
func TestClosedAndCollected(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
	func() {
		below, peer := net.Pipe()
		c, err := g.WrapConn(below, closeguard.Server)
		if err != nil {
			t.Fatal(err)
		}
		peer.Close()
		c.Abort()
		<-c.Done()
	}()
	awaitAbandoned(t, log)
	for range 3 {
		runtime.GC()
	}
	g.Close()
	if all := log.Events(); len(all) != 2 {
		t.Errorf("events %v, want one Opened and one close event", all)
	}
}

// Abandon is what the collector's finding it does, for adapters.
func TestAbandon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Driver().Abandon()
		c.peerGets("close 1001")
		c.send(closeWith(1001, ""))
		is(t, c.ends("local closed 1001, sent 1001, received 1001, clean"), net.ErrClosed, closeguard.ErrAbandoned)
		c.Driver().Abandon()
		synctest.Wait()
		if n := len(c.log.Events()); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

// Two guards' connections have the same number, and their events are not taken
// for each other's.
func TestNumbers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, conns := fleet(t, 3, closeguard.Options{})
		_, others := fleet(t, 1, closeguard.Options{})
		for i, c := range append(conns, others...) {
			c.Abort()
			<-c.Done()
			if got := c.Event().Connection().Number; got != uint64(i%3+1) {
				t.Errorf("connection %d has the number %d", i+1, got)
			}
		}
		if errors.Is(conns[0].Event(), others[0].Event()) {
			t.Error("two connections' events are the same")
		}
	})
}
