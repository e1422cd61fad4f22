package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

func everybody(closeguard.ConnInfo) bool { return true }

var kicked = closeguard.CloseFrame{Code: 4003, Reason: "kicked"}

// open says which of the crowd's connections are open.
func (cr *crowd) open() (numbers []int) {
	synctest.Wait()
	for i, c := range cr.conns {
		if c.Event() == nil {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// A key closes all connections that have it now, with the frame, and no others.
func TestCloseKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		keys   func(c []*guarded) // of 4 connections
		closes string             // the connections that "user:42" closes
	}{
		{"one has it", func(c []*guarded) { c[1].SetKeys("user:42"); c[2].SetKeys("user:4") }, "[2]"},
		{"several have it", func(c []*guarded) { c[1].SetKeys("user:42"); c[2].SetKeys("user:42") }, "[2 3]"},
		{"among several keys", func(c []*guarded) { c[3].SetKeys("room:1", "user:42", "room:2") }, "[4]"},
		{"twice", func(c []*guarded) { c[0].SetKeys("user:42", "user:42") }, "[1]"},
		{"the keys were replaced", func(c []*guarded) {
			c[0].SetKeys("user:42")
			c[0].SetKeys("user:43")
			c[1].SetKeys("user:1")
			c[1].SetKeys("user:42")
		}, "[2]"},
		{"the keys were taken back", func(c []*guarded) { c[0].SetKeys("user:42"); c[0].SetKeys() }, "[]"},
		{"the slice has changed since", func(c []*guarded) {
			keys := []string{"user:42"}
			c[0].SetKeys(keys...)
			keys[0] = "user:43"
			c[1].SetKeys(keys...)
			keys[0] = "user:42"
			c[1].SetKeys("user:44")
		}, "[1]"},
		{"the slice had changed when the keys were taken back", func(c []*guarded) {
			keys := []string{"user:42"}
			c[0].SetKeys(keys...)
			keys[0] = "user:43"
			c[0].SetKeys()
		}, "[]"},
		{"the empty key", func(c []*guarded) { c[0].SetKeys("") }, "[]"},
		{"nobody has it", func([]*guarded) {}, "[]"},
		{"it has ended", func(c []*guarded) { c[0].SetKeys("user:42"); c[0].Abort() }, "[1]"},
		{"it was set after the end", func(c []*guarded) { c[0].Abort(); <-c[0].Done(); c[0].SetKeys("user:42") }, "[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{})
				for range 4 {
					cr.live(0)
				}
				tt.keys(cr.conns)
				synctest.Wait()
				report, err := cr.guard.CloseKey(t.Context(), "user:42", kicked)
				if err != nil {
					t.Error(err)
				}
				var closed []int
				for i, c := range cr.conns {
					if c.Event() != nil {
						closed = append(closed, i+1)
					}
				}
				if got := fmt.Sprint(closed); got != tt.closes {
					t.Errorf("it closes %s, want %s", got, tt.closes)
				}
				if report.Total() != report.Answered || report.Answered != len(cr.told()) {
					t.Errorf("report: %v", report)
				}
				for _, c := range cr.told() {
					if c.frame != "close 4003 kicked" {
						t.Errorf("connection %d got %s", c.number, c.frame)
					}
					ev := cr.conns[c.number-1].ended("local closed 4003, sent 4003 kicked, received 1001, clean")
					if !errors.Is(ev, closeguard.ErrKicked) || errors.Is(ev, closeguard.ErrShutdown) {
						t.Errorf("its causes: %v", ev)
					}
				}
				if again, err := cr.guard.CloseKey(t.Context(), "user:42", kicked); again.Total() != 0 || err != nil {
					t.Errorf("once more: %v, %v", again, err)
				}
				cr.guard.Close()
			})
		})
	}
}

// CloseFunc asks for every open connection, outside of all locks, and for none
// that is closing already.
func TestCloseFunc(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		for range 6 {
			cr.live(0)
		}
		cr.conns[0].Abort()
		cr.deaf().write(closeWith(4000, ""))
		synctest.Wait()
		asked := 0
		report, err := cr.guard.CloseFunc(t.Context(), func(info closeguard.ConnInfo) bool {
			asked++
			cr.conns[info.Number-1].SetKeys("asked")
			return info.Number%2 == 0
		}, kicked)
		if report.Answered != 3 || report.Total() != 3 || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		if asked != 5 {
			t.Errorf("it asked for %d connections, want the 5 open ones", asked)
		}
		if got := fmt.Sprint(cr.open()); got != "[3 5]" {
			t.Errorf("open are %s, want [3 5]", got)
		}
		cr.guard.Close()
	})
}

// A frame that may not be sent is an error, and so is no function; nothing is closed.
func TestKicksThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		cr.live(0).SetKeys("k")
		for _, frame := range []closeguard.CloseFrame{{}, {Code: 1006}, {Code: 1010}, {Code: 5000}, {Code: 4000, Reason: string(make([]byte, 124))}} {
			_, keyErr := cr.guard.CloseKey(t.Context(), "k", frame)
			_, funcErr := cr.guard.CloseFunc(t.Context(), everybody, frame)
			for _, err := range []error{keyErr, funcErr} {
				if illegal := (*closeguard.FrameError)(nil); !errors.As(err, &illegal) {
					t.Errorf("%v: %v, want a *FrameError", frame, err)
				}
			}
		}
		if _, err := cr.guard.CloseFunc(t.Context(), nil, kicked); err == nil {
			t.Error("no function is no error")
		}
		if got := fmt.Sprint(cr.open()); got != "[1]" {
			t.Errorf("open are %s", got)
		}
		cr.guard.Close()
	})
}

// When the context ends, what was kicked and hasn't ended goes on, but for one
// whose cause says that it is to be aborted.
func TestKickAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		cr.live(0).SetKeys("k")
		cr.deaf().SetKeys("k")
		cr.deaf()
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if report, err := cr.guard.CloseKey(soon, "k", kicked); report.Total() != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", report, err)
		}
		if got := fmt.Sprint(cr.open()); got != "[3]" {
			t.Errorf("open are %s, want [3]", got)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, closeguard.ErrAborted)
		defer cancel()
		report, err := cr.guard.CloseKey(ctx, "k", kicked)
		var aborted *closeguard.AbortedError
		if !errors.As(err, &aborted) || !errors.Is(err, closeguard.ErrAborted) ||
			report.Aborted != 1 || report.Total() != 1 {
			t.Errorf("%v, %v", report, err)
		}
		if got := time.Since(cr.began); got != 2*time.Second {
			t.Errorf("it took %v", got)
		}
		ev := cr.conns[1].ended("local closed 4003, sent 4003 kicked")
		if !errors.Is(ev, closeguard.ErrKicked) || !errors.Is(ev, closeguard.ErrAborted) || errors.Is(ev, closeguard.ErrShutdown) {
			t.Errorf("its causes: %v", ev)
		}
		if got := fmt.Sprint(cr.open()); got != "[3]" {
			t.Errorf("open are %s, want [3]", got)
		}
		cr.guard.Close()
	})
}

// Kicked twice, or kicked in a shutdown, a connection gets one Close and counts
// in each report.
func TestKicksOverlap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{DrainWindow: time.Minute})
		cr.live(3*time.Second).SetKeys("a", "b")
		reports := make(chan closeguard.Report)
		kick := func(key string) {
			report, err := cr.guard.CloseKey(context.Background(), key, kicked)
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}
		go kick("a")
		synctest.Wait()
		go kick("b")
		synctest.Wait()
		if err := cr.shutdown(0, closeguard.Report{Answered: 1}, 3*time.Second); err != nil {
			t.Error(err)
		}
		for range 2 {
			if report := <-reports; report.Answered != 1 || report.Total() != 1 {
				t.Errorf("report: %v", report)
			}
		}
		if got := cr.told(); len(got) != 1 || got[0].frame != "close 4003 kicked" {
			t.Errorf("Closes: %v", got)
		}
	})
}

// A kick doesn't wait for peers that do nothing any more with each frame, but
// once for all.
func TestKickingDeafPeersCostsOneCloseIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		for range 1000 {
			c := cr.deaf()
			c.SetKeys("k")
			c.Write(wireBytes(closeguard.Server, big(1<<16-4)))
		}
		report, err := cr.guard.CloseKey(context.Background(), "k", kicked)
		if report.Unsent != 1000 || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		if got := time.Since(cr.began); got > 5500*time.Millisecond {
			t.Errorf("it took %v", got)
		}
		for _, c := range cr.conns {
			c.peer.Close()
		}
	})
}

// In plain library code keys are set through the request's context, before the
// 101 or later. A request that comes to nothing leaves none behind.
func TestKeysThroughTheContext(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler func(t *testing.T, h *closeguard.Handle, w http.ResponseWriter) io.ReadCloser
		kicked  int
	}{
		{"before the 101", func(t *testing.T, h *closeguard.Handle, w http.ResponseWriter) io.ReadCloser {
			h.SetKeys("user:42")
			return upgrade(t, w)
		}, 1},
		{"after the 101", func(t *testing.T, h *closeguard.Handle, w http.ResponseWriter) io.ReadCloser {
			c := upgrade(t, w)
			h.SetKeys("user:42")
			return c
		}, 1},
		{"changed after the 101", func(t *testing.T, h *closeguard.Handle, w http.ResponseWriter) io.ReadCloser {
			h.SetKeys("user:42")
			c := upgrade(t, w)
			h.SetKeys("user:43")
			return c
		}, 0},
		{"refused", func(t *testing.T, h *closeguard.Handle, w http.ResponseWriter) io.ReadCloser {
			h.SetKeys("user:42")
			http.Error(w, "no", http.StatusForbidden)
			h.SetKeys("user:42")
			return http.NoBody
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					c := tt.handler(t, closeguard.FromContext(r.Context()), w)
					io.Copy(io.Discard, c)
					c.Close()
				})
				v := s.dial(askUpgrade)
				v.head()
				synctest.Wait()
				if tt.kicked > 0 {
					go func() {
						v.gets("close 4003 kicked")
						v.send(closeWith(4003, ""))
					}()
				}
				report, err := s.guard.CloseKey(t.Context(), "user:42", kicked)
				if report.Answered != tt.kicked || report.Total() != tt.kicked || err != nil {
					t.Errorf("%v, %v", report, err)
				}
				v.Close()
				s.guard.Close()
			})
		})
	}
	closeguard.FromContext(t.Context()).SetKeys("k") // no request: nothing to do
}
