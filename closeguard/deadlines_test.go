package closeguard_test

import (
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Deadlines of the application's shorten its own calls while the connection is
// closing; the handshake goes on without them.
func TestDeadlinesShorten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4 - 4))
		c.write(closeWith(1000, ""))
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, err := c.Read(make([]byte, 10))
		is(t, err, os.ErrDeadlineExceeded)
		c.after(time.Second)
		is(t, c.ends("local closed 1000, sent 1000"), net.ErrClosed, closeguard.ErrCloseIdle)
		c.after(5 * time.Second)
	})
	bubble(t, func(t *testing.T) { // a Write that waits behind the guard's Close
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4))
		closers[1].close(c)
		c.SetDeadline(time.Now().Add(time.Second))
		_, err := c.Write(wireBytes(c.role, text("x")))
		is(t, err, net.ErrClosed)
		c.after(0)
		c.ends("dropped 1006, intended 1008")
		c.after(5 * time.Second)
	})
	bubble(t, func(t *testing.T) { // what the guard writes and reads itself
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4))
		closers[1].close(c)
		synctest.Wait()
		c.SetDeadline(time.Now().Add(-time.Second))
		c.send(big(1 << 20))
		c.peerGets("binary of 65532 bytes | close 1008")
		c.finish()
		c.ends("local closed 1008, sent 1008, received 1000, clean")
	})
}

// They never prolong, whoever sets them again and again.
func TestDeadlinesDontProlong(t *testing.T) {
	for _, closer := range append(closers, struct {
		name  string
		close func(c *guarded)
	}{"bare", func(c *guarded) { c.Close() }}) {
		for _, reading := range []bool{true, false} {
			t.Run(fmt.Sprint(closer.name, " Close, reading ", reading), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, nil)
					stop := make(chan struct{})
					stopped := make(chan struct{})
					go func() { // a keepalive goroutine, as many programs have one
						defer close(stopped)
						for {
							select {
							case <-stop:
								return
							case <-time.After(100 * time.Millisecond):
								c.SetReadDeadline(time.Now().Add(time.Hour))
								c.SetWriteDeadline(time.Time{})
								c.SetDeadline(time.Now().Add(time.Minute))
							}
						}
					}()
					read := make(chan struct{})
					go func() {
						defer close(read)
						if reading {
							c.readAll()
						}
					}()
					synctest.Wait()
					closer.close(c)
					<-c.Done()
					c.after(5 * time.Second)
					<-read
					c.after(5 * time.Second)
					close(stop)
					<-stopped
					c.ended(outcome(c.Event()))
				})
			})
		}
	}
}

// On an open connection deadlines are the transport's.
func TestDeadlinesPassThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.SetDeadline(time.Now().Add(time.Second))
		_, err := c.Read(make([]byte, 1))
		is(t, err, os.ErrDeadlineExceeded)
		c.after(time.Second)
		n, err := c.Write(wireBytes(c.role, text("x")))
		is(t, err, os.ErrDeadlineExceeded)
		if n != 0 {
			t.Errorf("n = %d, want 0", n)
		}
		c.SetDeadline(time.Time{})
		c.write(text("x"))
		c.send(text("y"))
		c.read(text("y"))
		c.SetReadDeadline(time.Now().Add(time.Second))
		go func() {
			time.Sleep(500 * time.Millisecond)
			c.SetReadDeadline(time.Now().Add(time.Second))
		}()
		_, err = c.Read(make([]byte, 1))
		is(t, err, os.ErrDeadlineExceeded)
		c.after(2500 * time.Millisecond)
		if ev := c.Event(); ev != nil {
			t.Errorf("a timeout ended it: %v", ev)
		}
		c.Abort()
		c.ends("dropped 1006")
	})
}
