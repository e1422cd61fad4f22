package closeguard_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// lateTeller is a transport whose Write takes everything at once and returns
// only when the connection is closed, as on a machine that has much to do.
type lateTeller struct {
	*closetest.PipeConn
	closed chan struct{}
}

func (c *lateTeller) NetConn() net.Conn { return c.PipeConn }

func (c *lateTeller) Write(p []byte) (int, error) {
	n, err := c.PipeConn.Write(p)
	<-c.closed
	return n, err
}

func (c *lateTeller) Close() error {
	close(c.closed)
	return c.PipeConn.Close()
}

// Our Close is with the transport when the connection is cut short. Whether it
// left, and so was the first, the transport knows.
func TestCutShortWhileOurCloseLeaves(t *testing.T) {
	closes := map[string]func(c *guarded){
		"the library's Close": func(c *guarded) { c.Write(wireBytes(c.role, closeWith(4001, ""))) },
		"CloseWith":           func(c *guarded) { c.CloseWith(c.t.Context(), 4001, "") },
	}
	cuts := map[string]struct {
		cut   func(c *guarded)
		cause error
	}{
		"Abort":   {func(c *guarded) { c.Abort() }, closeguard.ErrAborted},
		"a limit": {func(*guarded) {}, closeguard.ErrCloseIdle},
	}
	transports := map[string]struct {
		size   int
		around func(*closetest.PipeConn) net.Conn
		want   string
	}{
		"it left":   {64 << 10, func(p *closetest.PipeConn) net.Conn { return &lateTeller{p, make(chan struct{})} }, "local closed 4001, sent 4001"},
		"it didn't": {1, nil, "dropped 1006, intended 4001"},
	}
	for closer, closes := range closes {
		for cutter, cut := range cuts {
			for transport, through := range transports {
				for _, role := range bothRoles {
					t.Run(closer+" "+cutter+" "+transport+" "+role.String(), func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							c := guardPipe(t, role, closeguard.Options{}, through.size, through.around)
							go closes(c)
							synctest.Wait()
							cut.cut(c)
							if ev := c.ends(through.want); !errors.Is(ev, cut.cause) {
								t.Errorf("%v is not for %q", ev, cut.cause)
							}
							c.peer.Close()
						})
					})
				}
			}
		}
	}
}
