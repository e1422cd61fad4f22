package closeguard_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// muxTimeout is the deadline error of transports that have one of their own.
type muxTimeout struct{}

func (muxTimeout) Error() string   { return "mux: timeout" }
func (muxTimeout) Timeout() bool   { return true }
func (muxTimeout) Temporary() bool { return true }

// muxed is a transport with that error in place of os.ErrDeadlineExceeded.
func muxed(resumes bool) func(p *closetest.PipeConn) net.Conn {
	own := func(n int, err error) (int, error) {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = muxTimeout{}
		}
		return n, err
	}
	return func(p *closetest.PipeConn) net.Conn {
		return &unruly{PipeConn: p, resumes: resumes,
			read:  func(b []byte) (int, error) { return own(p.Read(b)) },
			write: func(b []byte) (int, error) { return own(p.Write(b)) },
		}
	}
}

// A deadline error of a transport's own is one like os.ErrDeadlineExceeded: the
// guard's own wake readers up, and the program's are no end of TCP.
func TestDeadlineErrorsOfTransports(t *testing.T) {
	for _, resumes := range []bool{true, false} {
		for name, lives := range map[string]func(c *guarded) (ended string){
			"the library closes while it reads": func(c *guarded) string {
				go c.readAll()
				synctest.Wait()
				go c.answer(100 * ms)
				c.leave()
				return "local closed 1008, sent 1008, received 1008, clean"
			},
			"a read deadline passes, then CloseWith": func(c *guarded) string {
				c.SetReadDeadline(time.Now().Add(sec))
				if _, err := c.Read(make([]byte, 1)); err != (muxTimeout{}) {
					c.t.Errorf("Read: %v", err)
				}
				go c.answer(100 * ms)
				if err := c.CloseWith(context.Background(), 1008, ""); err != nil {
					c.t.Errorf("CloseWith: %v", err)
				}
				return "local closed 1008, sent 1008, received 1008, clean"
			},
			"a read deadline passes, then Close": func(c *guarded) string {
				c.SetReadDeadline(time.Now().Add(sec))
				c.Read(make([]byte, 1))
				c.Close()
				c.peer.Close()
				return "dropped 1006"
			},
			"a write deadline passes": func(c *guarded) string {
				c.SetWriteDeadline(time.Now().Add(sec))
				if _, err := c.Write(wireBytes(c.role, big(100_000))); err != (muxTimeout{}) {
					c.t.Errorf("Write: %v", err)
				}
				c.Close()
				c.peer.Close()
				return "dropped 1006"
			},
		} {
			t.Run(fmt.Sprintf("%s, resumes %t", name, resumes), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, closeguard.Server, closeguard.Options{}, 64<<10, muxed(resumes))
					c.ends(lives(c))
				})
			})
		}
	}
}

// What the kernel calls a timeout is the end of TCP.
func TestTheKernelsTimeoutIsTheEnd(t *testing.T) {
	for _, writes := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			failed := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
			fails := func([]byte) (int, error) { return 0, failed }
			c := guardPipe(t, closeguard.Server, closeguard.Options{}, 64<<10, func(p *closetest.PipeConn) net.Conn {
				if writes {
					return &unruly{PipeConn: p, resumes: true, write: fails}
				}
				return &unruly{PipeConn: p, resumes: true, read: fails}
			})
			var err error
			if writes {
				_, err = c.Write(wireBytes(c.role, text("x")))
			} else {
				_, err = c.Read(make([]byte, 1))
			}
			if err != error(failed) || c.Event() == nil {
				t.Errorf("the library gets %v, the event is %v", err, c.Event())
			}
			c.Close() // no Close frame leaves any more
			c.after(0)
			if ev := c.ends("dropped 1006"); !errors.Is(ev, syscall.ETIMEDOUT) || errors.Is(ev, closeguard.ErrBareClose) {
				t.Errorf("its cause: %v", ev)
			}
			c.peerSees("EOF")
		})
	}
}

// covered is what limiters and counters put around a listener's connections: it
// shows nothing of what is below.
type covered struct{ net.Conn }

// TLS may be below any wrapper, and there a Write that a deadline cut can't be
// gone on with: the guard doesn't cut its Close.
func TestTLSBelowAWrapper(t *testing.T) {
	cert := certificate()
	for _, wrapped := range []bool{false, true} {
		t.Run(fmt.Sprint("wrapped ", wrapped), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, 4096, func(below *closetest.PipeConn) net.Conn {
					server := tls.Server(below, &tls.Config{Certificates: []tls.Certificate{cert}})
					if wrapped {
						return covered{server}
					}
					return server
				})
				peer := tls.Client(c.peer, &tls.Config{InsecureSkipVerify: true})
				wrote := make(chan error, 1)
				go func() { // the first Write does the handshake of TLS
					_, err := c.Write(wireBytes(c.role, text("hello")))
					wrote <- err
				}()
				r := frameReader{r: peer, from: closeguard.Server}
				if got := r.next(); got != "text hello" || <-wrote != nil {
					t.Errorf("the peer gets %s", got)
				}
				for range 7 { // a record's head and tail are 22 bytes, the frame's head 4
					c.write(big(500))
				}
				c.write(big(4096 - 7*526 - 26 - 10)) // there is room for 10 bytes, and a Close takes more
				go c.guard.CloseFunc(t.Context(), everybody, kicked)
				time.Sleep(20 * ms) // longer than the guard would wait in the caller
				for range 8 {
					r.next()
				}
				if got := r.next(); got != "close 4003 kicked" {
					t.Errorf("the peer gets %s", got)
				}
				peer.Write(wireBytes(closeguard.Client, closeWith(4003, "")))
				io.Copy(io.Discard, peer)
				peer.Close()
				c.ends("local closed 4003, sent 4003 kicked, received 4003, clean")
			})
		})
	}
}

// Where a transport says that its Writes can be gone on with, the guard cuts its
// Close and goes on with it, and where it doesn't, it waits.
func TestTransportsSayWhetherWritesResume(t *testing.T) {
	for _, resumes := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			cut := 0
			c := guardPipe(t, closeguard.Server, closeguard.Options{}, 4, func(p *closetest.PipeConn) net.Conn {
				return &unruly{PipeConn: p, resumes: resumes, write: func(b []byte) (int, error) {
					n, err := p.Write(b)
					if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
						cut++
					}
					return n, err
				}}
			})
			go c.guard.CloseFunc(t.Context(), everybody, kicked)
			time.Sleep(sec)
			c.peerGets("close 4003 kicked")
			if (cut > 0) != resumes {
				t.Errorf("resumes %t: cut %d times", resumes, cut)
			}
			c.send(closeWith(4003, ""))
			c.peerSees("EOF")
			c.ends("local closed 4003, sent 4003 kicked, received 4003, clean")
		})
	}
}
