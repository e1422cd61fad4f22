// Package crowd measures what it costs to open, to end and to kick one
// connection while many others are open: in memory, without a library and
// without the kernel, so that only the guard's own cost can grow.
package crowd

import (
	"context"
	"fmt"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Crowd is a guard with open connections.
type Crowd struct {
	guard *closeguard.Guard
	conns []*member
}

// member is a connection and its peer. Like a library, somebody reads it
// until it ends; like a browser, the peer answers a Close.
type member struct {
	conn *closeguard.Conn
	peer *closetest.PipeConn
}

// New opens n connections.
func New(n int) (*Crowd, error) {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		return nil, err
	}
	c := &Crowd{guard: guard}
	for range n {
		m, err := c.open()
		if err != nil {
			return nil, err
		}
		m.serve()
		c.conns = append(c.conns, m)
	}
	return c, nil
}

func (c *Crowd) open() (*member, error) {
	ours, theirs := closetest.Pipe()
	conn, err := c.guard.WrapConn(ours, closeguard.Server)
	return &member{conn, theirs}, err
}

func (m *member) serve() {
	go func() {
		for buf := make([]byte, 256); ; {
			if _, err := m.conn.Read(buf); err != nil {
				m.conn.Close()
				return
			}
		}
	}()
	go func() {
		defer m.peer.Close()
		buf := make([]byte, 256)
		n, err := m.peer.Read(buf)
		if err != nil || n < 4 || buf[0] != 0x88 {
			return
		}
		m.peer.Write(append([]byte{0x88, 0x82, 0, 0, 0, 0}, buf[2:4]...)) //nolint:errcheck // nothing is left to do
		m.peer.Read(buf)                                                  //nolint:errcheck // its end
	}()
}

// Times are what each step took per connection.
type Times struct{ Open, Close, Kick time.Duration }

// Few opens n more connections, ends half of them by a Close of their peers'
// and the others by key, one after the other.
func (c *Crowd) Few(n int) (t Times, err error) {
	members := make([]*member, n)
	pipes := make([][2]*closetest.PipeConn, n)
	for i := range pipes {
		pipes[i][0], pipes[i][1] = closetest.Pipe()
	}
	began := time.Now()
	for i, p := range pipes {
		conn, err := c.guard.WrapConn(p[0], closeguard.Server)
		if err != nil {
			return t, err
		}
		members[i] = &member{conn, p[1]}
	}
	t.Open = time.Since(began) / time.Duration(n)

	closing, kicked := members[:n/2], members[n/2:]
	began = time.Now()
	for _, m := range closing {
		if err := m.end(); err != nil {
			return t, err
		}
	}
	t.Close = time.Since(began) / time.Duration(len(closing))

	for i, m := range kicked {
		m.conn.SetKeys(fmt.Sprint("user:", i))
		m.serve()
	}
	began = time.Now()
	for i := range kicked {
		report, err := c.guard.CloseKey(context.Background(), fmt.Sprint("user:", i), closeguard.CloseFrame{Code: closeguard.PolicyViolation})
		if err != nil || report.Answered != 1 {
			return t, fmt.Errorf("kicking: %v, %w", report, err)
		}
	}
	t.Kick = time.Since(began) / time.Duration(len(kicked))
	return t, nil
}

// end is the peer's Close, as a library answers it, up to the end of TCP.
func (m *member) end() error {
	frame := []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8} // 1000, masked with 0
	if _, err := m.peer.Write(frame); err != nil {
		return err
	}
	buf := make([]byte, 16)
	if _, err := m.conn.Read(buf); err != nil {
		return err
	}
	if _, err := m.conn.Write([]byte{0x88, 0x02, 0x03, 0xe8}); err != nil {
		return err
	}
	m.conn.Close()
	<-m.conn.Done()
	return m.peer.Close()
}

// Shutdown shuts the guard down and tells how long that took per connection.
func (c *Crowd) Shutdown() (time.Duration, error) {
	began := time.Now()
	report, err := c.guard.Shutdown(context.Background())
	if err == nil && report.Answered != len(c.conns) {
		err = fmt.Errorf("of %d connections: %v", len(c.conns), report)
	}
	return time.Since(began) / time.Duration(len(c.conns)), err
}

// Close ends everything.
func (c *Crowd) Close() { c.guard.Close() } // always nil
