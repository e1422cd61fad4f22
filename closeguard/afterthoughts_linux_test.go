package closeguard_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// canceledRead is a call of the library's that its context ends, for which the library
// closes, as coder/websocket does.
func canceledRead(c *closeguard.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		c.Close()
		close(closed)
	})
	call := c.Driver().Begin(ctx)
	reading := make(chan struct{})
	go func() {
		_, err := c.Read(make([]byte, 100))
		call.End(err, true)
		close(reading)
	}()
	cancel()
	<-closed
	<-reading
}

// What the peer says after the library has closed for a context takes nothing back: the
// context is the cause, and no frame is made up.
func TestAPeerThatTalksAfterTheEndOfAContext(t *testing.T) {
	for name, opts := range map[string]closeguard.Options{
		"without BareClose": {},
		"with BareClose":    {BareClose: closeguard.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := overTCP(t, opts)
			canceledRead(c)
			peer.Write(wireBytes(closeguard.Client, text("hello")))
			if got, _ := io.ReadAll(peer); len(got) > 0 {
				t.Errorf("the peer got %x", got)
			}
			peer.Close()
			<-c.Done()
			if got := c.Event().Cause(); got != cause.Context {
				t.Errorf("the cause is %v: %v", got, c.Event())
			}
		})
	}
}

// In that second the connection counts as closing, and Idle waits for its end.
func TestIdleWaitsForAConnectionThatAContextEnded(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	ours, peer := net.Pipe()
	defer peer.Close()
	c, err := g.WrapConn(ours, closeguard.Server)
	is(t, err)
	canceledRead(c)
	if got := g.Stats(); got.Closing != 1 {
		t.Errorf("%+v, want one that is closing", got)
	}
	is(t, g.Idle(t.Context()))
	if got := g.Stats(); got.Open != 0 {
		t.Errorf("Idle returned with %+v", got)
	}
}

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

// byTheReader is a wrapper's net.Conn that reads from the bufio.Reader of Hijack, so
// that nothing that is buffered there is lost.
type byTheReader struct {
	net.Conn
	r *bufio.Reader
}

func (c byTheReader) Read(p []byte) (int, error) { return c.r.Read(p) }

type wrapsByTheReader struct{ http.ResponseWriter }

func (w wrapsByTheReader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return byTheReader{nc, rw.Reader}, rw, nil
}

// leavesTCP is a wrapper's net.Conn whose Close leaves TCP for later.
type leavesTCP struct{ net.Conn }

func (leavesTCP) Close() error { return nil }

type closesLater struct{ http.ResponseWriter }

func (w closesLater) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	return leavesTCP{nc}, rw, err
}

// sniffing is a wrapper's net.Conn that has read ahead into a bufio.Reader, whose WriteTo
// reads before it writes.
type sniffing struct {
	net.Conn
	buf *bufio.Reader
}

func (c sniffing) Read(p []byte) (int, error)         { return c.buf.Read(p) }
func (c sniffing) WriteTo(w io.Writer) (int64, error) { return c.buf.WriteTo(w) }

type sniffs struct {
	http.ResponseWriter
	hijacked chan struct{}
}

func (w sniffs) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, _, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	close(w.hijacked)
	c := sniffing{nc, bufio.NewReader(nc)}
	c.buf.Peek(1) // it waits for the peer's first byte
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

// What a wrapper hands out at Hijack works below the guard's Hijack as it does bare.
func TestHijackersThatKeepTheReader(t *testing.T) {
	hello := wireBytes(closeguard.Client, text("hello"))
	hijacked := make(chan struct{})
	for _, tt := range []struct {
		name   string
		wraps  func(http.ResponseWriter) http.ResponseWriter
		first  bool // the peer speaks before the 101
		handle func(c net.Conn, rw *bufio.ReadWriter) string
		want   string
	}{
		{"its net.Conn reads by the reader", func(w http.ResponseWriter) http.ResponseWriter { return wrapsByTheReader{w} }, false,
			func(c net.Conn, _ *bufio.ReadWriter) string { return readFully(c, len(hello)) }, fmt.Sprintf("%x <nil>", hello)},
		{"its reader has read ahead", func(w http.ResponseWriter) http.ResponseWriter { return sniffs{w, hijacked} }, true,
			func(_ net.Conn, rw *bufio.ReadWriter) string { return readFully(rw, len(hello)) }, fmt.Sprintf("%x <nil>", hello)},
		{"its Close leaves TCP for later", func(w http.ResponseWriter) http.ResponseWriter { return closesLater{w} }, false,
			func(c net.Conn, rw *bufio.ReadWriter) string {
				c.Close()
				<-c.(*closeguard.Conn).Done()
				_, err := rw.Read(make([]byte, 10))
				return fmt.Sprint(err != nil)
			}, "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(t, closeguard.Options{})
			got := make(chan string, 1)
			h := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, switching)
				got <- tt.handle(c, rw)
				c.Close()
			}))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			is(t, err)
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(tt.wraps(w), r) })}
			go s.Serve(l)
			t.Cleanup(func() { s.Close() })
			peer, err := net.Dial("tcp", l.Addr().String())
			is(t, err)
			defer peer.Close()
			io.WriteString(peer, askUpgrade)
			if tt.first {
				<-hijacked
			} else {
				http.ReadResponse(bufio.NewReader(peer), nil)
			}
			peer.Write(hello)
			if text := <-got; text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

func readFully(r io.Reader, n int) string {
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	return fmt.Sprintf("%x %v", p, err)
}

// Whoever waits for the end of a request that was refused has waited enough.
func TestTheEndOfWhatNeverOpened(t *testing.T) {
	h := make(chan *closeguard.Handle, 1)
	s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
		handle := closeguard.FromContext(r.Context())
		handle.Context() // is asked for before anything is known
		h <- handle
		http.Error(w, "no", http.StatusBadRequest)
	})
	s.dial(askUpgrade)
	handle := <-h
	<-handle.Context().Done()
	<-handle.Done()
}
