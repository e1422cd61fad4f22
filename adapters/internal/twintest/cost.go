package twintest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// An Echo is a way to echo messages until that fails.
type Echo struct {
	Name    string
	Extra   float64      // allocations per message of the adapter's
	Bare    http.Handler // with the library alone
	Adapter func(g *closeguard.Guard) http.Handler
}

// ways are the ways to serve a connection.
var ways = []struct {
	name  string
	serve func(e Echo, g *closeguard.Guard) http.Handler
}{
	{"bare", func(e Echo, _ *closeguard.Guard) http.Handler { return e.Bare }},
	{"plain guarded", func(e Echo, g *closeguard.Guard) http.Handler { return g.Middleware(e.Bare) }},
	{"adapter", func(e Echo, g *closeguard.Guard) http.Handler { return e.Adapter(g) }},
}

// echoing returns a function that sends a message of that size over TCP and
// reads it back, which allocates nothing itself.
func echoing(tb testing.TB, handler http.Handler, size int) func() {
	server := httptest.NewServer(handler)
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ws.Close()
		server.Close()
	})
	nc := ws.UnderlyingConn()
	message := Frame(0x82, string(make([]byte, size)))
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

// AllocationsPerMessage checks that the guard allocates nothing per message, and neither
// does the adapter but where the Echo says so.
func AllocationsPerMessage(t *testing.T, echoes []Echo) {
	const messages = 40 // per run, so that what others allocate meanwhile makes no difference
	for _, e := range echoes {
		for _, size := range sizes {
			if poolsForget && size > 4<<10 {
				continue // what is read ahead inside a long frame comes from one: see make counts
			}
			t.Run(fmt.Sprintf("%s/%d bytes", e.Name, size), func(t *testing.T) {
				defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what the collector wakes allocates, too
				more := map[string]float64{}
				for _, way := range ways {
					g := NewGuard(t, closeguard.Options{})
					roundTrip := echoing(t, way.serve(e, g), size)
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
				if more["plain guarded"] != 0 || more["adapter"] != e.Extra {
					t.Errorf("allocations per message more than bare: %v guarded, %v with the adapter; want 0 and %v",
						more["plain guarded"], more["adapter"], e.Extra)
				}
			})
		}
	}
}

// BenchmarkEcho compares the ways to serve.
func BenchmarkEcho(b *testing.B, echoes []Echo) {
	for _, e := range echoes {
		for _, size := range sizes {
			for _, way := range ways {
				b.Run(fmt.Sprintf("%s/%d/%s", e.Name, size, way.name), func(b *testing.B) {
					g := NewGuard(b, closeguard.Options{})
					roundTrip := echoing(b, way.serve(e, g), size)
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
