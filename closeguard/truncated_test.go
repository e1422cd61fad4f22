package closeguard_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// cutTLS is a transport on which EOF looks as it does in crypto/tls when the
// peer's TCP ended without a close_notify.
type cutTLS struct{ *closetest.PipeConn }

func (c cutTLS) Read(p []byte) (int, error) {
	n, err := c.PipeConn.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Rule 8: where the peer's stream ends inside a message, a library that takes
// io.EOF and io.ErrUnexpectedEOF for the message's end gets neither. Between
// messages, and for other libraries, the error stays what it is.
func TestTruncatedMessage(t *testing.T) {
	transports := []struct {
		name   string
		around func(*closetest.PipeConn) net.Conn
		eof    error
	}{
		{"io.EOF", nil, io.EOF},
		{"io.ErrUnexpectedEOF", func(c *closetest.PipeConn) net.Conn { return cutTLS{c} }, io.ErrUnexpectedEOF},
	}
	frames := []frame{text("whole"), start("one"), ping("in between"), middle("two"), end("three"), pong(""), {0xc1, "deflated"}, big(200)}
	inMessage := []bool{false, true, true, true, false, false, false, false} // behind each frame
	for _, transport := range transports {
		for _, strict := range []bool{true, false} {
			for _, role := range bothRoles {
				t.Run(fmt.Sprintf("%s, strict %t, %v", transport.name, strict, role), func(t *testing.T) {
					b := wireBytes(other(role), frames...)
					boundary := map[int]bool{0: false} // and whether a message is open there
					for i, n := 0, 0; i < len(frames); i++ {
						n += len(wireBytes(other(role), frames[i]))
						boundary[n] = inMessage[i]
					}
					for at := range len(b) + 1 {
						open, between := boundary[at]
						truncated := open || !between
						bubble(t, func(t *testing.T) {
							c := guardPipe(t, role, closeguard.Options{}, 64<<10, transport.around)
							if strict {
								c.Driver().StrictEOF()
							}
							c.sendBytes(b[:at])
							c.peer.Close()
							n, err := 0, error(nil)
							for err == nil {
								var m int
								m, err = c.Read(make([]byte, 100))
								n += m
							}
							if n != at {
								t.Errorf("cut at %d: %d bytes were read", at, n)
							}
							if strict && truncated {
								is(t, err)
								if !strings.Contains(err.Error(), "inside a message") {
									t.Errorf("cut at %d: %v doesn't say so", at, err)
								}
							} else if err != transport.eof {
								t.Errorf("cut at %d: %v, want %v as it is", at, err, transport.eof)
							}
							c.Close()
							ev := c.ends("dropped 1006")
							if said := strings.Contains(ev.Error(), "inside a message"); said != truncated {
								t.Errorf("cut at %d: the event says so: %t, want %t: %v", at, said, truncated, ev)
							}
						})
					}
				})
			}
		}
	}
}

// Behind the peer's Close nothing can be cut off.
func TestEOFBehindThePeersClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Driver().StrictEOF()
		c.send(start("half a message"), closeWith(1001, ""))
		c.peer.CloseWrite()
		is(t, c.readAll(), io.EOF)
		c.Close()
		c.ends("peer closed 1001, sent 1001, received 1001, clean")
	})
}

// A reset is an error for every library as it is.
func TestResetInsideAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Driver().StrictEOF()
		c.send(start("half a message"))
		c.peer.Reset()
		is(t, c.readAll(), syscall.ECONNRESET)
		c.Close()
		is(t, c.ends("dropped 1006"), syscall.ECONNRESET)
	})
}

// The middleware knows coder/websocket, for which this is, by its way to hijack.
func TestWhoTakesEOFForTheEndOfAMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		open func(*testing.T, http.ResponseWriter) net.Conn
		want []error
	}{
		"101 written by the library": {upgrade, []error{io.EOF}},
		"101 written by net/http": {func(t *testing.T, w http.ResponseWriter) net.Conn {
			c, _ := accept(t, w)
			return c
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					c := tt.open(t, w)
					is(t, (&guarded{Conn: c.(*closeguard.Conn)}).readAll(), tt.want...)
					c.Close()
				})
				v := s.dial(askUpgrade)
				v.head()
				v.send(start("half a message"))
				v.Close()
				synctest.Wait()
				if ev := s.log.ending(t, 1); ev != nil && outcome(ev) != "dropped 1006" {
					t.Errorf("it ended as %s", outcome(ev))
				}
			})
		})
	}
}
