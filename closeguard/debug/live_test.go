package debug_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/closeguard/debug"
)

// link is a query for a route.
func link(route string) string { return "?route=" + url.QueryEscape(route) }

// viewer is a ResponseWriter that takes a stream, as fast as the test lets it.
type viewer struct {
	mu     sync.Mutex
	text   bytes.Buffer
	header http.Header
	status int
	block  chan struct{} // a Write waits until it is closed; nil: it doesn't
}

func (v *viewer) Header() http.Header { return v.header }

func (v *viewer) WriteHeader(status int) { v.status = status }

func (v *viewer) Write(p []byte) (int, error) {
	v.mu.Lock()
	block := v.block
	v.mu.Unlock()
	if block != nil {
		<-block
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.text.Write(p)
}

func (v *viewer) Flush() {}

// hold keeps Writes waiting until release is called.
func (v *viewer) hold() (release func()) {
	block := make(chan struct{})
	set := func(c chan struct{}) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.block = c
	}
	set(block)
	return func() { set(nil); close(block) }
}

// taken is what has come since the last time.
func (v *viewer) taken() string {
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	defer v.text.Reset()
	return v.text.String()
}

// watch opens a stream, until the test ends it.
func (w *world) watch(path string) (v *viewer, end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	v = &viewer{header: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ServeHTTP(v, httptest.NewRequest(http.MethodGet, "/debug/websockets/"+path, nil).WithContext(ctx))
	}()
	return v, func() { cancel(); <-done }
}

// updates are the first n of a stream.
func (w *world) updates(path string, n int) string {
	v, end := w.watch(path)
	defer end()
	time.Sleep(time.Duration(n-1)*time.Second + time.Millisecond)
	return v.taken()
}

// A viewer gets all sections first, and then once a second those that have changed.
func TestLive(t *testing.T) {
	inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
		v, end := w.watch("live?view=events&kind=opened")
		defer end()
		if got := v.taken(); !strings.Contains(got, `event: update`) || !strings.Contains(got, `"events":"`) || v.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("first: %s", got)
		}
		time.Sleep(time.Second)
		if got := v.taken(); got != "event: update\ndata: {}\n\n" {
			t.Errorf("when nothing has changed: %q", got)
		}
		p := w.visit("/", "192.0.2.9:1")
		time.Sleep(time.Second)
		if got := v.taken(); !strings.Contains(got, "192.0.2.9:1") {
			t.Errorf("when something has: %q", got)
		}
		p.Close()
		time.Sleep(time.Second)
		if got := v.taken(); !strings.Contains(got, "of the 2 events") {
			t.Errorf("an event that is not asked for: %q", got)
		}
		if r := ask(w, httptest.NewRequest(http.MethodHead, "/live", nil)); r.Code != 200 {
			t.Errorf("HEAD: %d", r.Code)
		}
	})
}

// A viewer that takes nothing holds up nobody: not observers, not other viewers, not
// the guard. It misses updates, is told how many, and costs no memory meanwhile.
func TestASlowViewer(t *testing.T) {
	inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
		slow, end := w.watch("live?view=events")
		slow.taken()
		release := slow.hold()
		time.Sleep(time.Second)
		synctest.Wait() // it is in a Write
		quick, endQuick := w.watch("live?view=")
		for range 10 {
			for range 100 {
				w.page.Observe(w.t.Context(), &closeguard.Opened{ConnInfo: infoOf(1, "x")})
			}
			w.visit("/", "192.0.2.1:1").Close()
			time.Sleep(time.Second)
			if got := quick.taken(); !strings.Contains(got, "sections") {
				t.Errorf("another viewer gets %q", got)
			}
		}
		endQuick()
		release()
		slow.taken()
		time.Sleep(time.Second)
		if got := slow.taken(); !strings.Contains(got, `"missed":10`) || strings.Count(got, "event:") != 1 || !strings.Contains(got, "events that are kept") {
			t.Errorf("in the end it gets %q", got)
		}
		time.Sleep(time.Second)
		if got := slow.taken(); strings.Contains(got, "missed") {
			t.Errorf("and then %q", got)
		}
		end()
	})
}

// So many viewers are kept up to date and not more, and each that leaves makes room.
func TestManyViewers(t *testing.T) {
	inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
		var ends []func()
		for range 32 {
			v, end := w.watch("live?view=")
			ends = append(ends, end)
			if got := v.taken(); got == "" {
				t.Fatal("one gets nothing")
			}
		}
		more, endMore := w.watch("live?view=")
		if more.taken(); more.status != http.StatusServiceUnavailable || more.header.Get("Retry-After") == "" {
			t.Errorf("one more: %d", more.status)
		}
		endMore()
		if r := w.get(""); r.Code != 200 {
			t.Errorf("a page: %d", r.Code)
		}
		ends[0]()
		v, end := w.watch("live?view=")
		if v.taken() == "" {
			t.Error("nobody has made room")
		}
		end()
		for _, end := range ends[1:] {
			end()
		}
	})
}

// A server that shuts down waits for its streams: they show the drain to its end, and
// end with it, or when for two seconds no connection has ended.
func TestStreamsEndAtShutdown(t *testing.T) {
	for _, tt := range []struct {
		name     string
		conns    int
		answers  bool
		shutdown func(ctx context.Context, w *world) error
		takes    [2]time.Duration // at least, and at most
		says     string
	}{
		{"nothing is open", 0, true, func(ctx context.Context, w *world) error { return w.server.Shutdown(ctx) }, [2]time.Duration{0, time.Second}, "event: bye"},
		{"no drain", 3, true, func(ctx context.Context, w *world) error { return w.server.Shutdown(ctx) }, [2]time.Duration{2 * time.Second, 3 * time.Second}, "event: bye"},
		{"a drain", 10, true, func(ctx context.Context, w *world) error {
			_, err := closeguard.ShutdownServer(ctx, w.guard, w.server)
			return err
		}, [2]time.Duration{9 * time.Second, 11 * time.Second}, "event: bye"},
		{"a drain that stands still", 3, false, func(ctx context.Context, w *world) error {
			w.guard.StartDrain()
			return w.server.Shutdown(ctx)
		}, [2]time.Duration{2 * time.Second, 4 * time.Second}, "event: bye"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			window := 10 * time.Second
			if !tt.answers {
				window = 0
			}
			inWorld(t, closeguard.Options{DrainWindow: window, CloseIdle: 25 * time.Second}, debug.Options{}, func(w *world) {
				for range tt.conns {
					p := w.visit("/", "192.0.2.1:1")
					go func() {
						p.ReadFrame()
						if tt.answers {
							p.WriteClose(1001, "")
							p.ReadToEnd()
						}
					}()
				}
				client := &http.Client{Transport: &http.Transport{DialContext: w.dial}}
				r, err := client.Get("http://example.com/debug/websockets/live?view=")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				text := make(chan string)
				go func() {
					var b bytes.Buffer
					b.ReadFrom(r.Body)
					text <- b.String()
				}()
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				if err := tt.shutdown(ctx, w); err != nil {
					t.Error(err)
					w.server.Close()
				}
				if took := time.Since(began); took < tt.takes[0] || took > tt.takes[1] {
					t.Errorf("it took %v, want %v", took, tt.takes)
				}
				if got := <-text; !strings.Contains(got, tt.says) || tt.name == "a drain" && !strings.Contains(got, "progress") {
					t.Errorf("the stream: %s", got)
				}
				client.CloseIdleConnections()
			})
		})
	}
}

// A viewer that takes nothing keeps a server's shutdown waiting for two seconds and not
// longer: a Write that is under way then has that much time left.
func TestAStuckViewerAtShutdown(t *testing.T) {
	inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
		ours, theirs := closetest.PipeSize(1 << 10)
		listener := &single{conn: ours, closed: make(chan struct{})}
		server := &http.Server{Handler: w}
		go server.Serve(listener)
		fmt.Fprint(theirs, "GET /live?view= HTTP/1.1\r\nHost: example.com\r\n\r\n")
		time.Sleep(time.Second)
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		server.Close()
		theirs.Close()
	})
}

// single is a listener of one connection.
type single struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (s *single) Accept() (c net.Conn, err error) {
	s.once.Do(func() { c = s.conn })
	if c == nil {
		<-s.closed
		err = net.ErrClosed
	}
	return c, err
}

func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }

func (s *single) Close() error {
	close(s.closed)
	return nil
}

// Observing costs the same with viewers and without.
func BenchmarkObserve(b *testing.B) {
	for _, viewers := range []int{0, 8} {
		b.Run(fmt.Sprint(viewers, " viewers"), func(b *testing.B) {
			page, err := debug.New(debug.Options{})
			if err != nil {
				b.Fatal(err)
			}
			guard, err := closeguard.New(closeguard.Options{})
			if err != nil {
				b.Fatal(err)
			}
			w := &world{Handler: page.Handler(guard), page: page}
			for range viewers {
				_, end := w.watch("live?view=")
				defer end()
			}
			ev := &closeguard.Dropped{Ending: closeguard.Ending{ConnInfo: infoOf(1, "text")}}
			var worst []time.Duration
			for b.Loop() {
				began := time.Now()
				page.Observe(b.Context(), ev)
				worst = append(worst, time.Since(began))
			}
			b.ReportMetric(float64(percentile(worst, 99).Nanoseconds()), "p99-ns")
		})
	}
}
