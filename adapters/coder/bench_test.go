package coder_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// A messenger is what echoes need of a connection, the library's or the adapter's.
type messenger interface {
	Read(context.Context) (websocket.MessageType, []byte, error)
	Write(context.Context, websocket.MessageType, []byte) error
	Reader(context.Context) (websocket.MessageType, io.Reader, error)
	Writer(context.Context, websocket.MessageType) (io.WriteCloser, error)
	SetReadLimit(int64)
}

// The ways to echo one message.
var echoes = []struct {
	name  string
	extra float64 // allocations per message of the adapter's
	echo  func(ctx context.Context, c messenger) error
}{
	{"Read and Write", 0, func(ctx context.Context, c messenger) error {
		kind, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		return c.Write(ctx, kind, message)
	}},
	{"Reader and Writer", 0, func(ctx context.Context, c messenger) error {
		kind, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := c.Writer(ctx, kind)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		return w.Close()
	}},
}

// The ways to serve a connection.
var ways = []struct {
	name  string
	serve func(g *closeguard.Guard, echo func(context.Context, messenger) error) http.Handler
}{
	{"bare", func(_ *closeguard.Guard, echo func(context.Context, messenger) error) http.Handler {
		return plain(echo)
	}},
	{"plain guarded", func(g *closeguard.Guard, echo func(context.Context, messenger) error) http.Handler {
		return g.Middleware(plain(echo))
	}},
	{"adapter", func(g *closeguard.Guard, echo func(context.Context, messenger) error) http.Handler {
		return coder.Handler(g, nil, func(r *http.Request, c *coder.Conn) error { return repeat(r.Context(), c, echo) })
	}},
}

func plain(echo func(context.Context, messenger) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		repeat(r.Context(), c, echo)
	})
}

// repeat echoes under a context that can end, as most do.
func repeat(ctx context.Context, c messenger, echo func(context.Context, messenger) error) error {
	c.SetReadLimit(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if err := echo(ctx, c); err != nil {
			return err
		}
	}
}

// echoing returns a function that sends a message of that size over TCP and
// reads it back, which allocates nothing itself.
func echoing(tb testing.TB, handler http.Handler, size int) func() {
	server := httptest.NewServer(handler)
	ws, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ws.Close()
		server.Close()
	})
	nc := ws.UnderlyingConn()
	message := frame(0x82, string(make([]byte, size)))
	from, buf := bufio.NewReader(nc), make([]byte, size+8)
	return func() {
		if _, err := nc.Write(message); err != nil {
			tb.Fatal(err)
		}
		if n, err := receive(from, buf); n != size || err != nil {
			tb.Fatalf("%d bytes came back, %v; want %d", n, err, size)
		}
	}
}

// receive reads a message, of one frame or several, and returns its length.
func receive(from *bufio.Reader, buf []byte) (n int, err error) {
	for {
		if _, err := io.ReadFull(from, buf[:2]); err != nil {
			return n, err
		}
		final, length := buf[0]&0x80 != 0, int(buf[1])
		switch length {
		case 126:
			_, err = io.ReadFull(from, buf[:2])
			length = int(binary.BigEndian.Uint16(buf))
		case 127:
			_, err = io.ReadFull(from, buf[:8])
			length = int(binary.BigEndian.Uint64(buf))
		}
		if err == nil {
			_, err = io.ReadFull(from, buf[:length])
		}
		if n += length; final || err != nil {
			return n, err
		}
	}
}

var sizes = []int{64, 4 << 10, 64 << 10}

// The guard allocates nothing per message, and neither does the adapter.
func TestAllocationsPerMessage(t *testing.T) {
	const messages = 40 // per run, so that what others allocate meanwhile makes no difference
	for _, e := range echoes {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s/%d bytes", e.name, size), func(t *testing.T) {
				more := map[string]float64{}
				for _, way := range ways {
					g := newGuard(t, closeguard.Options{})
					roundTrip := echoing(t, way.serve(g, e.echo), size)
					allocs := testing.AllocsPerRun(1, func() {
						for range messages {
							roundTrip()
						}
					})
					if way.name == "bare" {
						more["bare"] = allocs
						continue
					}
					more[way.name] = math.Round((allocs - more["bare"]) / messages)
				}
				if more["plain guarded"] != 0 || more["adapter"] != e.extra {
					t.Errorf("allocations per message more than bare: %v guarded, %v with the adapter; want 0 and %v",
						more["plain guarded"], more["adapter"], e.extra)
				}
			})
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, e := range echoes {
		for _, size := range sizes {
			for _, way := range ways {
				b.Run(fmt.Sprintf("%s/%d/%s", e.name, size, way.name), func(b *testing.B) {
					g := newGuard(b, closeguard.Options{})
					roundTrip := echoing(b, way.serve(g, e.echo), size)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						roundTrip()
					}
				})
			}
		}
	}
}
