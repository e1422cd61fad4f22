package closeguard_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// The library may have the answer to our Close before the Write of that has returned.
// Event knows then who closed.
func TestEventKnowsWhoClosedWhenTheAnswerIsRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var transport *unruly
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 64<<10, func(pipe *closetest.PipeConn) net.Conn {
			transport = &unruly{PipeConn: pipe, resumes: true}
			return transport
		})
		read := make(chan struct{})
		transport.write = func(p []byte) (int, error) {
			n, err := transport.PipeConn.Write(p)
			<-read
			time.Sleep(time.Millisecond)
			return n, err
		}
		go func() {
			time.Sleep(time.Millisecond) // until the library reads
			c.CloseWith(context.Background(), 4001, "kicked")
		}()
		go func() {
			c.peerGets("close 4001 kicked")
			c.send(closeWith(4001, "kicked"))
		}()
		c.read(closeWith(4001, "kicked"))
		close(read)
		if ev := c.Event(); ev == nil || ev.Code() != 4001 {
			t.Errorf("who closed is not known: %v", ev)
		} else if _, ours := ev.(*closeguard.LocalClosed); !ours {
			t.Errorf("it is %v, want our own Close", ev)
		}
		synctest.Wait()
		c.peer.Close()
		c.Close()
		c.ends("local closed 4001, sent 4001 kicked, received 4001 kicked, clean")
	})
}
