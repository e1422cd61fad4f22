package doctor

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

func TestEveryProbeSaysAll(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range append(Probes(), Idle(time.Second), Watch(1, time.Second)[0]) {
		if p.Name == "" || p.RFC == "" || p.Does == "" || p.Wants == "" || p.Do == nil || p.Judge == nil {
			t.Errorf("%s: something is missing", p.FullName())
		}
		if k := p.Kind; k.Name == "" || !strings.HasSuffix(k.Means, ".") || !strings.HasSuffix(k.Cure, ".") {
			t.Errorf("%s: something of its kind is missing", p.FullName())
		}
		if p.Heavy != (p.Sends > 1<<20) {
			t.Errorf("%s sends %d bytes, heavy is %v", p.FullName(), p.Sends, p.Heavy)
		}
		if seen[p.FullName()] {
			t.Errorf("%s is there twice", p.FullName())
		}
		seen[p.FullName()] = true
	}
}

func TestSelect(t *testing.T) {
	tests := []struct {
		names, first string
		heavy        bool
		count        int
	}{
		{"", "echo/1000", false, len(Probes()) - 2},
		{"", "echo/1000", true, len(Probes())},
		{"ping", "ping/short", false, 3},
		{"ping/long,echo/1014,ping/long", "echo/1014", false, 2},
		{"heavy", "heavy/refused-upload", true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.names, func(t *testing.T) {
			got, err := Select(strings.FieldsFunc(tt.names, func(r rune) bool { return r == ',' }), tt.heavy)
			if err != nil || len(got) != tt.count || got[0].FullName() != tt.first {
				t.Errorf("%d probes, error %v", len(got), err)
			}
		})
	}
	for _, name := range []string{"heavy", "echo/1", "", "ECHO/1000"} {
		unknown := new(UnknownProbeError)
		if _, err := Select([]string{name}, false); !errors.As(err, &unknown) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		began := time.Now()
		for range 31 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("31 connections in %v, want 3 s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); err == nil {
			t.Error("it goes on when the context has ended")
		}
	})
}

// A counter takes all that comes, answers nothing, and counts.
type counter struct {
	listener net.Listener
	came     atomic.Int64
}

func newCounter(t *testing.T) (*counter, *client.Endpoint) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{listener: listener}
	go c.serve(t.Context())
	t.Cleanup(func() { listener.Close() })
	e := &client.Endpoint{URL: &url.URL{Scheme: "ws", Host: listener.Addr().String()}}
	if err := e.Locate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return c, e
}

func (c *counter) serve(ctx context.Context) {
	for {
		nc, err := c.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer nc.Close()
			if _, err := closetest.Accept(ctx, nc); err != nil {
				return
			}
			b := make([]byte, 64<<10)
			for {
				n, err := nc.Read(b)
				c.came.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
}

// No probe sends more than it says, and an endpoint that answers nothing is never good.
func TestProbesKeepTheirBudget(t *testing.T) {
	var running sync.WaitGroup
	for _, p := range Probes() {
		c, endpoint := newCounter(t)
		running.Go(func() {
			r := p.run(t.Context(), endpoint, 4*time.Second)
			if strings.Contains(r.Seen, "a fault of the doctor's") || r.Unexamined {
				t.Errorf("%s: %s", p.FullName(), r.Seen)
			}
			if came := c.came.Load(); came > int64(p.Sends) {
				t.Errorf("%s sent %d bytes, and says %d", p.FullName(), came, p.Sends)
			}
			if r.Verdict == Good && p.Name != "half-closes" { // for which the server ends TCP
				t.Errorf("%s is good, but saw %s", p.FullName(), r.Seen)
			}
		})
	}
	running.Wait()
}

// An examination ends with its context, and says what it hasn't done.
func TestInterrupted(t *testing.T) {
	_, endpoint := newCounter(t)
	ctx, cancel := context.WithCancel(t.Context())
	e := &Examination{Endpoint: endpoint, Probes: Probes(), Timeout: time.Hour, Done: func(Result) {}}
	started := make(chan struct{})
	e.Probes[0].Do = func(context.Context, *client.Conn) error { close(started); return nil }
	go func() { <-started; cancel() }()
	o := Judge(e.Run(ctx))
	if o.Missed != len(e.Probes) || o.ExitStatus() != 2 {
		t.Errorf("%+v of %d", o, len(e.Probes))
	}
}

// A server that closes TCP right behind its Close, over what the client still sends, is
// told from one that reads on: the system's reading call alone would show a FIN.
func TestDeaf(t *testing.T) {
	probes, err := Select([]string{"rude/deaf"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		readsOn bool
		want    Verdict
	}{"closes at once": {false, Bad}, "reads on": {true, Good}} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				nc, err := listener.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				p, err := closetest.Accept(t.Context(), nc)
				if err != nil {
					return
				}
				p.ReadFrame()
				p.WriteClose(closeguard.ProtocolError, "")
				if tt.readsOn {
					p.ReadClose()
				}
			}()
			e := &client.Endpoint{URL: &url.URL{Scheme: "ws", Host: listener.Addr().String()}}
			if err := e.Locate(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if r := probes[0].run(t.Context(), e, 10*time.Second); r.Verdict != tt.want {
				t.Errorf("%v, want %v: saw %s", r.Verdict, tt.want, r.Seen)
			}
		})
	}
}
