package closeguard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

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
