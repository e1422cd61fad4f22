package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Whatever a library, a program and a peer do to a connection at the same time,
// it ends within its limits, with one close event, and leaves nothing behind.
func TestStress(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		bubble(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			stress(t, seed)
		})
		if t.Failed() {
			return
		}
	}
}

func stress(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	opts := closeguard.Options{CloseBytes: 1 << uint(10+r.IntN(12))}
	if r.IntN(4) == 0 {
		opts.BareClose = closeguard.NoClose
	}
	if r.IntN(3) == 0 {
		opts.CloseIdle, opts.CloseTimeout = time.Duration(1+r.IntN(3000))*time.Millisecond, 3*time.Second
	}
	c := guardPipe(t, bothRoles[r.IntN(2)], opts, 1+r.IntN(5000), nil)
	if r.IntN(2) == 0 {
		c.Driver().StrictEOF()
	}

	// Each actor has its own random numbers, and pauses that are often the same
	// for several: then they act at the same moment.
	done := make(chan struct{})
	actors := 0
	act := func(n int, step func(r *rand.Rand) error) {
		actors++
		r := rand.New(rand.NewPCG(seed, r.Uint64()))
		go func() {
			defer func() { done <- struct{}{} }()
			for range n {
				time.Sleep(time.Duration(r.IntN(5)) * 100 * time.Millisecond)
				if step(r) != nil {
					return
				}
			}
		}()
	}
	frames := []frame{text("hello"), ping("p"), pong(""), start("a"), end("b"), big(3000), big(90_000), closeWith(1000, "bye"), closeWith(1006, ""), closing("x")}
	pieces := func(r *rand.Rand, from closeguard.Role, write func([]byte) (int, error)) error {
		b := wireBytes(from, frames[r.IntN(len(frames))])
		at := r.IntN(len(b) + 1)
		_, err := write(b[:at])
		if err == nil {
			_, err = write(b[at:])
		}
		return err
	}

	// The library, one goroutine reading and one or two writing.
	act(1+r.IntN(200), func(r *rand.Rand) error {
		_, err := c.Read(make([]byte, 1+r.IntN(5000)))
		return err
	})
	for range 1 + r.IntN(2) {
		act(r.IntN(20), func(r *rand.Rand) error { return pieces(r, c.role, c.Write) })
	}
	act(r.IntN(10), func(r *rand.Rand) error {
		at := time.Now().Add(time.Duration(r.IntN(2000)-200) * time.Millisecond)
		if r.IntN(3) == 0 {
			at = time.Time{}
		}
		switch r.IntN(3) {
		case 0:
			return c.SetDeadline(at)
		case 1:
			return c.SetReadDeadline(at)
		default:
			return c.SetWriteDeadline(at)
		}
	})

	// The program, at odds with itself.
	for range r.IntN(4) {
		act(1, func(r *rand.Rand) error {
			time.Sleep(time.Duration(r.IntN(20)) * 100 * time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(4))*time.Second)
			defer cancel()
			switch r.IntN(8) {
			case 0, 1, 2:
				return c.Close()
			case 3, 4:
				return c.CloseWith(ctx, closeguard.PolicyViolation, "stress")
			case 5:
				c.Driver().CloseNow()
			case 6:
				c.Abort()
			default:
				_, err := c.guard.Shutdown(ctx)
				return err
			}
			return nil
		})
	}
	if r.IntN(3) == 0 {
		act(1, func(r *rand.Rand) error {
			c.Driver().Serve(func() error {
				time.Sleep(time.Duration(r.IntN(20)) * 100 * time.Millisecond)
				if r.IntN(2) == 0 {
					c.Close()
				}
				return []error{nil, errHandler, closeguard.Error(4000, "", nil)}[r.IntN(3)]
			})
			return nil
		})
	}

	// The peer.
	act(r.IntN(200), func(r *rand.Rand) error {
		_, err := c.peer.Read(make([]byte, 1+r.IntN(5000)))
		return err
	})
	act(r.IntN(20), func(r *rand.Rand) error { return pieces(r, other(c.role), c.peer.Write) })
	act(r.IntN(2), func(r *rand.Rand) error {
		time.Sleep(time.Duration(r.IntN(50)) * 100 * time.Millisecond)
		switch r.IntN(3) {
		case 0:
			return c.peer.CloseWrite()
		case 1:
			return c.peer.Close()
		default:
			return c.peer.Reset()
		}
	})

	// In the end the library closes, if nobody has: from then on there are limits.
	time.Sleep(10 * time.Second)
	closing := time.Now()
	c.Close()
	<-c.Done()
	if took := time.Since(closing); took > 31*time.Second {
		t.Errorf("it took %v to end", took)
	}
	c.peer.Close()
	for range actors {
		<-done
	}
	synctest.Wait()
	ev := c.log.ending(t, 1)
	if ev == nil {
		return
	}
	c.ended(outcome(ev))
	check(t, ev)
	if got, want := c.guard.Stats(), counted(ev); got != want {
		t.Errorf("%s: counted as %+v, want %+v", outcome(ev), got, want)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a Read after the end succeeded")
	}
}

// counted is a guard's Stats of one connection that has ended so.
func counted(ev closeguard.CloseEvent) closeguard.Stats {
	s := closeguard.Stats{Opened: 1}
	switch ev.(type) {
	case *closeguard.PeerClosed:
		s.PeerClosed++
	case *closeguard.LocalClosed:
		s.LocalClosed++
	case *closeguard.Dropped:
		s.Dropped++
	}
	return s
}

// check looks for contradictions in an ending.
func check(t *testing.T, ev closeguard.CloseEvent) {
	t.Helper()
	e := ev.End()
	fail := func(format string, args ...any) { t.Errorf("%s: %s", outcome(ev), fmt.Sprintf(format, args...)) }
	switch ev.(type) {
	case *closeguard.PeerClosed:
		if e.Received == nil {
			fail("nothing was received")
		}
	case *closeguard.LocalClosed:
		if e.Sent == nil {
			fail("nothing was sent")
		}
	case *closeguard.Dropped:
		if e.Err == nil && e.Intended == nil {
			fail("no cause")
		}
	}
	if e.Sent != nil {
		if err := e.Sent.Validate(closeguard.Client); err != nil {
			fail("%v", err)
		}
	}
	if ev.Clean() && (e.Sent == nil || e.Received == nil) {
		fail("clean, and not answered")
	}
	if e.Duration < 0 || e.Idle < 0 || e.Handshake < 0 || e.Handshake > e.Duration {
		fail("Duration %v, Idle %v, Handshake %v", e.Duration, e.Idle, e.Handshake)
	}
	var inner closeguard.CloseEvent
	if errors.As(e.Err, &inner) {
		fail("an event in its own tree: %v", e.Err)
	}
}
