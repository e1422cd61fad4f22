package debug_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

// quiet is a transport on which nothing ever happens.
type quiet struct{ net.Conn }

func (quiet) Read([]byte) (int, error)         { return 0, io.EOF }
func (quiet) Close() error                     { return nil }
func (quiet) Write(p []byte) (int, error)      { return len(p), nil }
func (quiet) SetDeadline(time.Time) error      { return nil }
func (quiet) SetReadDeadline(time.Time) error  { return nil }
func (quiet) SetWriteDeadline(time.Time) error { return nil }
func (quiet) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }
func (q quiet) LocalAddr() net.Addr            { return q.RemoteAddr() }

// crowd is a page with open connections.
type crowd struct {
	http.Handler
	guard *closeguard.Guard
	conns []*closeguard.Conn // held: those that a program drops are ended
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	page, err := debug.New(debug.Options{})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{page}})
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{Handler: page.Handler(guard), guard: guard}
	for range n {
		c.open(t)
	}
	t.Cleanup(func() { c.guard.Close() })
	return c
}

func (c *crowd) open(t *testing.T) {
	t.Helper()
	conn, err := c.guard.WrapConn(quiet{}, closeguard.Server)
	if err != nil {
		t.Fatal(err)
	}
	c.conns = append(c.conns, conn)
	conn.SetAttrs(slog.Int("user", len(c.conns)))
	conn.SetKeys(fmt.Sprint("user:", len(c.conns)))
}

// firstByte is when a view's answer begins.
type firstByte struct {
	httptest.ResponseRecorder
	once sync.Once
	at   time.Time
}

func (f *firstByte) Write(p []byte) (int, error) {
	f.once.Do(func() { f.at = time.Now() })
	return len(p), nil
}

// With 18,000 open connections every view answers at once, and needs little memory
// that goes with how many there are.
func TestACrowd(t *testing.T) {
	h := newCrowd(t, 18_000)
	for _, path := range []string{"", "connections", "connections?order=silent&limit=250", "connections?key=user:17999", "connections?attr=user=1", "connections.json?limit=250", "connection?number=18000", "events"} {
		t.Run(path, func(t *testing.T) {
			var took []time.Duration
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const times = 5
			for range times {
				f := &firstByte{ResponseRecorder: *httptest.NewRecorder()}
				began := time.Now()
				h.ServeHTTP(f, httptest.NewRequest(http.MethodGet, "/"+path, nil))
				took = append(took, f.at.Sub(began))
			}
			runtime.ReadMemStats(&after)
			t.Logf("first byte after %v, %d KiB allocated", took, (after.TotalAlloc-before.TotalAlloc)/times>>10)
			if best := slices.Min(took); best > 100*time.Millisecond*slack {
				t.Errorf("the first byte comes after %v", best)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) / times; n > 40<<20 {
				t.Errorf("%d bytes are allocated", n)
			}
		})
	}
}

// Going from page to page finds each connection once, in every order, also while others
// end and open.
func TestPaging(t *testing.T) {
	for _, order := range []string{"newest", "oldest", "silent"} {
		t.Run(order, func(t *testing.T) {
			c := newCrowd(t, 500)
			seen := map[uint64]int{}
			from := ""
			for page := 0; page == 0 || from != ""; page++ {
				r := ask(c, httptest.NewRequest(http.MethodGet, "/connections.json?limit=70&order="+order+"&from="+from, nil))
				var got struct {
					Next        string
					Connections []struct{ Conn uint64 }
				}
				if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil {
					t.Fatal(err, r.Body)
				}
				for _, row := range got.Connections {
					seen[row.Conn]++
				}
				from = got.Next
				c.open(t)
				c.conns[249+page].Abort()
				if page > 20 {
					t.Fatal("there is no end")
				}
			}
			for n := uint64(1); n <= 500; n++ {
				if seen[n] != 1 && (n < 250 || n > 260) {
					t.Errorf("connection %d was seen %d times", n, seen[n])
				}
			}
		})
	}
}

func percentile(all []time.Duration, n int) time.Duration {
	slices.Sort(all)
	return all[len(all)*n/100]
}
