package closeguard_test

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// What lies unread says that the peer is there: a program that doesn't read is
// told of no idle connection and no ping timeout. Where nothing lies unread it is,
// though it never reads.
func TestUnreadMessagesAreLife(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system doesn't tell what lies unread")
	}
	for _, tt := range []struct {
		name  string
		opts  closeguard.Options
		cause error
	}{
		{"idle", closeguard.Options{IdleTimeout: 200 * ms}, closeguard.ErrIdleTimeout},
		{"ping", closeguard.Options{PingInterval: 100 * ms}, closeguard.ErrPingTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := new(recorder)
			tt.opts.Observers = []closeguard.Observer{log}
			g := newGuard(t, tt.opts)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			open := func() (*closeguard.Conn, net.Conn) {
				peer, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { peer.Close() })
				raw, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				c, err := g.WrapConn(raw, closeguard.Server)
				if err != nil {
					t.Fatal(err)
				}
				return c, peer
			}
			full, sends := open()
			for range 3 {
				sends.Write(wireBytes(closeguard.Client, text("unread")))
				// One that opens now reaches its limit when the first one would have.
				quiet, silent := open()
				(&frameReader{r: silent, from: closeguard.Server}).untilClose()
				quiet.Abort()
				<-quiet.Done()
				if !errors.Is(quiet.Event(), tt.cause) {
					t.Errorf("nothing lies unread, and it ended with %v", quiet.Event())
				}
				if full.Event() != nil {
					t.Fatalf("a message lies unread, and it ended with %v", full.Event())
				}
			}
			sends.Write(wireBytes(closeguard.Client, closeWith(1000, "")))
			if err := (&guarded{Conn: full}).readAll(); err == nil {
				t.Error("no end")
			}
			full.Close()
			<-full.Done()
			if got := outcome(full.Event()); got != "peer closed 1000, sent 1000, received 1000, clean" {
				t.Errorf("it ended as %s", got)
			}
			g.Close()
		})
	}
}

// answerTCP answers a Close and nothing else.
func answerTCP(peer net.Conn) {
	r := frameReader{r: peer, from: closeguard.Server}
	r.untilClose()
	peer.Write(wireBytes(closeguard.Client, closeWith(1001, "")))
	r.next()
	peer.Close()
}

// untilClose reads up to a Close frame.
func (r *frameReader) untilClose() {
	for r.err == nil && !strings.HasPrefix(r.next(), "close ") {
	}
}
