package closeguard_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// certificate is good for example.com.
func certificate() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
}

// overTLS is a guarded connection over crypto/tls; peer is the client's end in
// plain text, and the embedded one's peer the raw end of the pipe.
func overTLS(t *testing.T, cert tls.Certificate, size int) (c *guarded, peer *tls.Conn) {
	t.Helper()
	c = guardPipe(t, closeguard.Server, closeguard.Options{}, size, func(below *closetest.PipeConn) net.Conn {
		return tls.Server(below, &tls.Config{Certificates: []tls.Certificate{cert}})
	})
	peer = tls.Client(c.peer, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error)
	go func() { done <- peer.Handshake() }()
	if err := c.NetConn().(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c, peer
}

// Over TLS the guard sees plain text, and the end of TLS is an orderly one.
func TestTLS(t *testing.T) {
	cert := certificate()
	bubble(t, func(t *testing.T) {
		c, peer := overTLS(t, cert, 64<<10)
		c.write(text("secret"))
		c.write(closeWith(1006, "gone"))
		r := frameReader{r: peer, from: closeguard.Server}
		if got := r.next() + " | " + r.next(); got != "text secret | close 1001 gone" {
			t.Errorf("the peer gets %s", got)
		}
		peer.Write(wireBytes(closeguard.Client, closeWith(1001, "")))
		c.read(closeWith(1001, ""))
		if got := r.next(); got != "EOF" {
			t.Errorf("the peer gets %s, want EOF with a close_notify", got)
		}
		c.ends("local closed 1001, sent 1001 gone, received 1001, intended 1006 gone, clean")
		c.after(0)
		peer.Close()
	})
	bubble(t, func(t *testing.T) {
		c, peer := overTLS(t, cert, 64<<10)
		c.Close()
		r := frameReader{r: peer, from: closeguard.Server}
		if got := r.next(); got != "close 1001" {
			t.Errorf("the peer gets %s", got)
		}
		peer.Write(wireBytes(closeguard.Client, closeWith(1001, ""), text("and more")))
		if got := r.next(); got != "EOF" {
			t.Errorf("the peer gets %s, want EOF with a close_notify", got)
		}
		peer.Close()
		c.ends("local closed 1001, sent 1001, received 1001, clean")
		c.after(0)
	})
}

// A peer that doesn't read holds nothing up, although crypto/tls would wait 5 s
// for room for its goodbye.
func TestTLSAtTheLimits(t *testing.T) {
	cert := certificate()
	t.Run("the Close left, the peer never answers", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _ := overTLS(t, cert, 64<<10)
			c.write(closeWith(1000, ""))
			limitCall(t, c.readAll(), closeguard.ErrCloseIdle)
			c.after(5 * time.Second)
			c.ended("local closed 1000, sent 1000")
			c.after(5 * time.Second)
		})
	})
	t.Run("there is no room for the Close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _ := overTLS(t, cert, 4096)
			wrote := make(chan error)
			go func() { _, err := c.Write(wireBytes(c.role, big(100_000))); wrote <- err }()
			synctest.Wait()
			closers[1].close(c)
			limitCall(t, <-wrote, closeguard.ErrCloseIdle)
			c.after(5 * time.Second)
			c.ended("dropped 1006, intended 1008")
		})
	})
	t.Run("a Write is blocked and the library closes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _ := overTLS(t, cert, 4096)
			wrote := make(chan error)
			go func() { _, err := c.Write(wireBytes(c.role, big(100_000))); wrote <- err }()
			synctest.Wait()
			c.Close()
			is(t, <-wrote, net.ErrClosed)
			c.ends("dropped 1006, intended 1001")
			if took := time.Since(c.began); took > 5*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("Abort while a Write is blocked", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _ := overTLS(t, cert, 4096)
			wrote := make(chan error)
			go func() { _, err := c.Write(wireBytes(c.role, big(100_000))); wrote <- err }()
			synctest.Wait()
			c.Abort()
			is(t, <-wrote, net.ErrClosed)
			c.ends("dropped 1006")
			c.after(0)
		})
	})
	t.Run("both frames are there and the peer stops reading", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, peer := overTLS(t, cert, 4096)
			r := frameReader{r: peer, from: closeguard.Server}
			c.write(closeWith(1000, ""))
			if got := r.next(); got != "close 1000" {
				t.Errorf("the peer gets %s", got)
			}
			c.NetConn().(*tls.Conn).NetConn().Write(make([]byte, 4096)) // no room for a goodbye
			peer.Write(wireBytes(closeguard.Client, closeWith(1000, "")))
			c.read(closeWith(1000, ""))
			c.ends("local closed 1000, sent 1000, received 1000, clean")
			c.after(time.Second)
		})
	})
}

// Somebody closes the transport underneath: that is an end like any other.
func TestTransportClosedUnderneath(t *testing.T) {
	for name, call := range map[string]func(c *guarded) error{
		"Read":  func(c *guarded) error { return c.readAll() },
		"Write": func(c *guarded) error { _, err := c.Write(wireBytes(c.role, big(1<<20))); return err },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				failed := make(chan error)
				go func() { failed <- call(c) }()
				synctest.Wait()
				c.NetConn().Close()
				is(t, <-failed, net.ErrClosed)
				is(t, c.ends("dropped 1006"), net.ErrClosed)
				is(t, c.Close(), nil...)
			})
		})
	}
}

// What a Conn says of itself is the transport's.
func TestAddresses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Client, closeguard.Options{})
		if c.NetConn() != net.Conn(c.below) ||
			c.LocalAddr() != c.below.LocalAddr() || c.RemoteAddr() != c.below.RemoteAddr() {
			t.Errorf("%v %v %v", c.NetConn(), c.LocalAddr(), c.RemoteAddr())
		}
		c.Abort()
		ev := c.ends("dropped 1006")
		if got, want := ev.Connection().Remote, c.below.RemoteAddr().String(); got != want {
			t.Errorf("Remote is %s, want %s", got, want)
		}
		_, err := c.Read(nil)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "read" || op.Addr != c.RemoteAddr() || op.Source != c.LocalAddr() {
			t.Errorf("error of a Read after the end: %#v", err)
		}
	})
}

// Before the 101, ending is plain, too, and nothing is written into HTTP.
func TestEndsBeforeThe101(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c *closeguard.Conn, h *closeguard.Handle)
		sees string
	}{
		"Abort":      {func(c *closeguard.Conn, h *closeguard.Handle) { h.Abort() }, "reset"},
		"CloseNow":   {func(c *closeguard.Conn, _ *closeguard.Handle) { c.Driver().CloseNow() }, "EOF"},
		"a deadline": {func(c *closeguard.Conn, _ *closeguard.Handle) { c.SetDeadline(time.Now()) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					nc, _ := hijack(t, w)
					c := nc.(*closeguard.Conn)
					tt.end(c, closeguard.FromContext(r.Context()))
					if _, err := io.WriteString(c, switching); err == nil {
						t.Error("the 101 was written")
					}
					c.SetDeadline(time.Time{})
					c.Write([]byte("\x88\x02\x03\xee")) // it is plain, for ever
					c.Close()
				})
				v := s.dial(askUpgrade)
				want := tt.sees
				if name == "a deadline" {
					want = "close 1006 | EOF"
				}
				v.sees(want)
				synctest.Wait()
				if got := refusals(s.log.Events()); got != "0" {
					t.Errorf("refused: %s, want 0", got)
				}
			})
		})
	}
}

// Over 1 MiB before the 101 is no WebSocket: the guard keeps no more of it.
func TestTooManyEarlyBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		early := bytes.Repeat([]byte{0x88}, 1<<20+1)
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(t, w)
			got := make([]byte, len(early))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, early) {
				t.Errorf("the program didn't read all: %v", err)
			}
			io.WriteString(c, switching)
			c.Close()
		})
		v := s.dial(askUpgrade)
		synctest.Wait()
		v.Write(early)
		v.head()
		v.sees("EOF")
		v.Close()
	})
}

// A client that closes before it has the server's answer sends no frame.
func TestClientClosesBeforeThe101(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		below, peer := closetest.Pipe()
		nc, err := g.Driver().WrapHandshake(below)
		if err != nil {
			t.Fatal(err)
		}
		c := nc.(*closeguard.Conn)
		io.WriteString(c, askUpgrade)
		if err := c.CloseWith(context.Background(), 1000, ""); err == nil || !strings.Contains(err.Error(), "not open") {
			t.Errorf("CloseWith: %v", err)
		}
		c.Close()
		if got, err := io.ReadAll(peer); string(got) != askUpgrade || err != nil {
			t.Errorf("the server reads %q, %v", got, err)
		}
		if n := len(log.Events()); n != 0 {
			t.Errorf("%d events", n)
		}
		is(t, c.Close(), net.ErrClosed)
	})
}
