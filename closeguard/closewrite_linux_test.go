package closeguard_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Who half-closes is done: what lies unread was first.
func TestCloseWriteLooksAtWhatLiesUnread(t *testing.T) {
	c, peer := overTCP(t, closeguard.Options{BareClose: closeguard.GoingAway})
	sent := wireBytes(closeguard.Client, closeWith(4000, ""))
	peer.Write(sent)
	untilUnread(t, c, len(sent))
	is(t, c.CloseWrite())
	if got := (&frameReader{r: peer, from: closeguard.Server}).next(); got != "close 4000" {
		t.Errorf("the peer got %s", got)
	}
	peer.Close()
	<-c.Done()
	if got := c.Event().Kind(); got != "peer_closed" {
		t.Errorf("it is %s: %v", got, c.Event())
	}
}

// Nobody writes the rest of a frame in which the program half-closes: the peer learns of
// the end at once, also where a Close of ours is due.
func TestCloseWriteInsideAFrame(t *testing.T) {
	for name, due := range map[string]func(*closeguard.Conn, net.Conn){
		"BareClose": func(c *closeguard.Conn, _ net.Conn) { c.Handle.SetBareClose(closeguard.GoingAway) },
		"an answer": func(c *closeguard.Conn, peer net.Conn) {
			peer.Write(wireBytes(closeguard.Client, closeWith(1000, "")))
			c.Read(make([]byte, 100))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := overTCP(t, closeguard.Options{CloseIdle: time.Hour, CloseTimeout: time.Hour})
			part := wireBytes(closeguard.Server, text("hello"))[:4]
			c.Write(part)
			due(c, peer)
			is(t, c.CloseWrite())
			is(t, peer.SetReadDeadline(time.Now().Add(10*sec)))
			if got, err := io.ReadAll(peer); err != nil || string(got) != string(part) {
				t.Errorf("the peer got %x, %v", got, err)
			}
		})
	}
}
