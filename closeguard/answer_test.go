package closeguard_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Rule 4: the answer is the library's. Only an echo of what is illegal, an
// empty answer to one byte and gorilla/websocket's refusal of 1014 are replaced.
func TestTheLibrarysAnswer(t *testing.T) {
	tests := []struct {
		name         string
		theirs, ours frame
		wire         string
		ended        string
		rule         string // broken by theirs
	}{
		{"echo of the code", closeWith(1001, "tab closed"), closeWith(1001, ""), "close 1001",
			"peer closed 1001, sent 1001, received 1001 tab closed, clean", ""},
		{"echo of it all", closeWith(1001, "tab closed"), closeWith(1001, "tab closed"), "close 1001 tab closed",
			"peer closed 1001, sent 1001 tab closed, received 1001 tab closed, clean", ""},
		{"empty to empty", closing(""), closing(""), "close empty", "peer closed 1005, sent 1005, received 1005, clean", ""},
		{"another legal code", closeWith(1001, ""), closeWith(4000, "own words"), "close 4000 own words",
			"peer closed 1001, sent 4000 own words, received 1001, clean", ""},
		{"a refusal of what is legal", closeWith(1000, ""), closeWith(1002, "RSV1 set"), "close 1002 RSV1 set",
			"peer closed 1000, sent 1002 RSV1 set, received 1000, clean", ""},
		{"a client's 1010", closeWith(1010, "ext"), closeWith(1010, ""), "close 1010",
			"peer closed 1010, sent 1010, received 1010 ext, clean", ""},
		{"echo of 1006", closeWith(1006, "x"), closeWith(1006, "x"), "close 1002",
			"peer closed 1002, sent 1002, received 1006 x", "close code"},
		{"echo of 0", closeWith(0, ""), closeWith(0, ""), "close 1002",
			"peer closed 1002, sent 1002, received 0", "close code"},
		{"a refusal of 1006", closeWith(1006, ""), closeWith(1002, "bad code"), "close 1002 bad code",
			"peer closed 1002, sent 1002 bad code, received 1006", "close code"},
		{"echo of bad UTF-8", closeWith(1000, "\xff"), closeWith(1000, "\xff"), "close 1007",
			"peer closed 1007, sent 1007, received 1000 \uFFFD", "reason UTF-8"},
		{"a refusal of bad UTF-8", closeWith(1000, "\xff"), closeWith(1002, ""), "close 1002",
			"peer closed 1007, sent 1002, received 1000 \uFFFD", "reason UTF-8"},
		{"empty to one byte", closing("x"), closing(""), "close 1002",
			"peer closed 1002, sent 1002, received 1005", "close payload length"},
		{"gorilla's refusal of 1014", closeWith(1014, "bad gateway"), closeWith(1002, "bad close code 1014"), "close 1014",
			"peer closed 1014, sent 1014, received 1014 bad gateway, clean", ""},
		{"an illegal answer", closeWith(1000, ""), closeWith(1015, "why"), "close 1001 why",
			"peer closed 1000, sent 1001 why, received 1000, clean", ""},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, " on a ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					c.send(tt.theirs)
					c.read(tt.theirs)
					c.write(tt.ours)
					c.peerGets(tt.wire)
					c.peer.Close()
					ev := c.ends(tt.ended)
					var broken *closeguard.FrameError
					if found := errors.As(ev, &broken); found != (tt.rule != "") || found && broken.Rule != tt.rule {
						t.Errorf("the cause is %v, want rule %q", ev.End().Err, tt.rule)
					}
					is(t, ev)
				})
			})
		}
	}
}

// A library that gives no answer is taken to have given none when it reads on,
// or closes: not earlier, and on no timer.
func TestTheGuardsAnswer(t *testing.T) {
	tests := []struct {
		name   string
		theirs frame
		wire   string
		ended  string
	}{
		{"an echo", closeWith(1001, "tab closed"), "close 1001 tab closed", "peer closed 1001, sent 1001 tab closed, received 1001 tab closed, clean"},
		{"1014", closeWith(1014, ""), "close 1014", "peer closed 1014, sent 1014, received 1014, clean"},
		{"1010", closeWith(1010, ""), "close 1010", "peer closed 1010, sent 1010, received 1010, clean"},
		{"empty", closing(""), "close empty", "peer closed 1005, sent 1005, received 1005, clean"},
		{"illegal code", closeWith(1005, ""), "close 1002", "peer closed 1002, sent 1002, received 1005"},
		{"one byte", closing("x"), "close 1002", "peer closed 1002, sent 1002, received 1005"},
		{"bad UTF-8", closeWith(1000, "\xff"), "close 1007", "peer closed 1007, sent 1007, received 1000 \uFFFD"},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, " when a ", role, " reads on"), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					c.send(tt.theirs)
					c.read(tt.theirs)
					time.Sleep(time.Hour)
					c.peerGetsNothing()
					c.write(text("still allowed")) // rule 4: data may be written until then
					read := make(chan error)
					go func() { read <- c.readAll() }()
					c.peerGets("text still allowed | " + tt.wire)
					c.peer.Close()
					is(t, <-read, io.EOF)
					is(t, c.readAll(), io.EOF)
					c.ends(tt.ended)
				})
			})
			t.Run(fmt.Sprint(tt.name, " when a ", role, " closes"), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					c.send(tt.theirs)
					c.read(tt.theirs)
					time.Sleep(time.Hour)
					c.peerGetsNothing()
					c.Close()
					c.peerGets(tt.wire)
					c.peer.Close()
					c.ends(tt.ended)
				})
			})
		}
	}
}

// The peer sends a request and a Close in one segment, the handler needs a
// moment: its result arrives, and then the answer.
func TestDataBetweenThePeersCloseAndTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.send(text("request"), closeWith(1000, ""))
		c.read(text("request"), closeWith(1000, ""))
		go func() {
			time.Sleep(300 * time.Millisecond)
			c.write(text("result"))
			c.write(closeWith(1000, ""))
		}()
		c.peerSees("text result | close 1000 | EOF")
		c.after(300 * time.Millisecond)
		c.ends("peer closed 1000, sent 1000, received 1000, clean")
	})
}

// The guard's answer is on its way when the library writes one of its own. Its Write
// returns when the answer has left, if that takes no more than a moment.
func TestTheLibrarysAnswerWaitsForTheGuards(t *testing.T) {
	tests := []struct {
		name         string
		takes, waits time.Duration
	}{
		{"a quick transport", 3 * time.Millisecond, 3 * time.Millisecond},
		{"a slow one", time.Second, 5 * time.Millisecond},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, " of a ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, role, closeguard.Options{}, 64<<10, func(p *closetest.PipeConn) net.Conn {
						return &unruly{PipeConn: p, write: func(b []byte) (int, error) {
							time.Sleep(tt.takes)
							return p.Write(b)
						}}
					})
					c.send(closeWith(1001, "tab closed"))
					c.read(closeWith(1001, "tab closed"))
					read := make(chan error)
					go func() { read <- c.readAll() }()
					synctest.Wait() // the answer is with the transport
					c.write(closeWith(1001, ""))
					c.after(tt.waits)
					c.peerGets("close 1001 tab closed")
					c.peer.Close()
					is(t, <-read, io.EOF)
					c.ends("peer closed 1001, sent 1001 tab closed, received 1001 tab closed, clean")
				})
			})
		}
	}
}

// A Close that comes in pieces is one when its last byte is there.
func TestThePeersCloseInPieces(t *testing.T) {
	for _, role := range bothRoles {
		b := wireBytes(other(role), text("before"), closeWith(1001, "tab closed"))
		for at := 1; at < len(b); at++ {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				read := make(chan error)
				go func() { read <- c.readAll() }()
				c.sendBytes(b[:at])
				c.peerGetsNothing()
				if ev := c.Event(); ev != nil {
					t.Errorf("cut at %d: %v, with a byte still to come", at, ev)
				}
				c.sendBytes(b[at:])
				c.peerGets("close 1001 tab closed")
				c.peer.Close()
				<-read
				c.ends("peer closed 1001, sent 1001 tab closed, received 1001 tab closed, clean")
			})
		}
	}
}

// The library's goroutines are at odds: one reads on while another answers.
// There is one answer, and the reader sees the end of the stream.
func TestAnswerWhileAReadIsBlocked(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				c.write(big(1<<16 - 20)) // the answer will wait for room
				c.send(closeWith(1000, ""))
				c.read(closeWith(1000, ""))
				go c.Write(wireBytes(role, closeWith(1000, "longer than what fits")))
				synctest.Wait()
				read := make(chan error)
				go func() { read <- c.readAll() }()
				synctest.Wait()
				c.peerGets("binary of 65516 bytes | close 1000 longer than what fits")
				is(t, <-read, io.EOF)
				c.after(0)
				c.peer.Close()
				c.ends("peer closed 1000, sent 1000 longer than what fits, received 1000, clean")
			})
		})
	}
}

// What comes behind the peer's Close is handed on and means nothing.
func TestNothingCountsBehindThePeersClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		garbage := frame{0xff, "not masked as it should be"}
		c.send(closeWith(1000, ""), garbage, closeWith(4000, "second"))
		c.read(closeWith(1000, ""), garbage, closeWith(4000, "second"))
		c.write(closeWith(1000, ""))
		c.peerGets("close 1000")
		c.peer.Close()
		is(t, c.ends("peer closed 1000, sent 1000, received 1000, clean").End().Err)
	})
}
