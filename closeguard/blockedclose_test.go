package closeguard_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// While closing TCP blocks, as SO_LINGER makes it with data that the peer doesn't
// read, nobody else waits for it: not who asks for the event, nor another
// connection's limits, nor who closes others.
func TestACloseOfTCPThatBlocks(t *testing.T) {
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{CloseIdle: 300 * ms, Observers: []closeguard.Observer{log}})
	type accepted struct {
		conn   *closeguard.Conn
		handle *closeguard.Handle
	}
	conns := make(chan accepted, 1)
	s := httptest.NewServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns <- accepted{upgrade(t, w).(*closeguard.Conn), closeguard.FromContext(r.Context())}
	})))
	defer s.Close()
	open := func() (accepted, net.Conn) {
		peer := ask(t, s.Listener.Addr())
		if _, err := io.ReadFull(peer, make([]byte, len(switching))); err != nil {
			t.Fatal(err)
		}
		return <-conns, peer
	}
	stuck, peer := open()
	idle, _ := open()
	live, livePeer := open()
	live.conn.SetKeys("live")
	if err := stuck.conn.NetConn().(*net.TCPConn).SetLinger(3); err != nil {
		t.Fatal(err)
	}
	stuck.conn.Write(wireBytes(closeguard.Server, big(1<<20)))
	peer.Write(wireBytes(closeguard.Client, closeWith(1000, "")))
	stuck.conn.Read(make([]byte, 100))
	idle.conn.Write(wireBytes(closeguard.Server, closeWith(1000, ""))) // nobody answers
	began := time.Now()
	idle.conn.Close()
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		stuck.conn.Write(wireBytes(closeguard.Server, closeWith(1000, ""))) // ends TCP
	}()
	go func() {
		r := frameReader{r: livePeer, from: closeguard.Server}
		for r.err == nil {
			if r.next() == "close 4003 kicked" {
				livePeer.Write(wireBytes(closeguard.Client, closeWith(4003, "")))
			}
		}
	}()
	livePeer.SetReadDeadline(time.Now().Add(30 * sec))
	ended, err := log.WaitClosed(t.Context(), 1) // the alarm rings although the other one's Close blocks
	if err != nil || !errors.Is(ended[0], closeguard.ErrCloseIdle) {
		t.Errorf("the first end is %v, %v", ended, err)
	}
	for name, call := range map[string]func(){
		"Conn.Event":   func() { stuck.conn.Event() },
		"Handle.Event": func() { stuck.handle.Event() },
		"Conn.Done":    func() { stuck.conn.Done() },
		"SetKeys":      func() { stuck.handle.SetKeys("x") },
	} {
		before := time.Now()
		if call(); time.Since(before) > 500*ms {
			t.Errorf("%s took %v", name, time.Since(before))
		}
	}
	go func() { // the handler's part
		for {
			if _, err := live.conn.Read(make([]byte, 100)); err != nil {
				live.conn.Close()
				return
			}
		}
	}()
	before := time.Now()
	report, err := g.CloseFunc(t.Context(), func(info closeguard.ConnInfo) bool { return info.Number == 3 }, kicked)
	if took := time.Since(before); report.Answered != 1 || err != nil || took > 500*ms {
		t.Errorf("CloseFunc: %v, %v after %v", report, err, took)
	}
	if took := time.Since(began); took > 2*sec {
		t.Errorf("it all took %v", took)
	}
	select {
	case <-blocked:
		t.Logf("closing TCP took less than %v: it didn't block", time.Since(began))
	default:
	}
	io.Copy(io.Discard, peer) // so that it ends
	<-blocked
}

// The same with a transport of which Close takes long, whoever closes it.
func TestATransportThatTakesLongToClose(t *testing.T) {
	for name, closes := range map[string]func(c *guarded){
		"after both Closes": func(c *guarded) {
			c.send(closeWith(1000, "")) // the reader beside this gets it
			synctest.Wait()
			c.write(closeWith(1000, ""))
		},
		"Abort":     func(c *guarded) { c.Abort() },
		"CloseFunc": func(c *guarded) { go c.guard.CloseFunc(c.t.Context(), everybody, kicked); go c.answers() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				g := newGuard(t, closeguard.Options{CloseIdle: sec, Observers: []closeguard.Observer{log}})
				c := log.wrap(t, g, closeguard.Server, 64<<10, func(p *closetest.PipeConn) net.Conn {
					return &unruly{PipeConn: p, resumes: true, close: func() { time.Sleep(10 * sec) }}
				})
				other := log.open(t, g, closeguard.Server)
				other.leave()
				go c.readAll()
				closes(c)
				synctest.Wait()
				c.Event()
				c.Close()
				if _, err := g.CloseFunc(t.Context(), func(closeguard.ConnInfo) bool { return false }, kicked); err != nil {
					t.Error(err)
				}
				c.after(0)
				<-other.Done()
				other.after(sec)
				<-c.Done()
				c.after(10 * sec)
				g.Close()
				log.ending(t, 1)
			})
		})
	}
}

// answers answers whatever Close comes.
func (c *guarded) answers() {
	r := frameReader{r: c.peer, from: c.role}
	r.next()
	c.peer.Write(wireBytes(other(c.role), closeWith(1000, "")))
}
