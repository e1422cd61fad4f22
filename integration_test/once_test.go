package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// looks are the kinds of close events that handlers were given, by path.
type looks struct {
	mu     sync.Mutex
	byPath map[string][]string
}

func (l *looks) take(path string, err error) {
	var ev closeguard.CloseEvent
	if errors.As(err, &ev) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.byPath[path] = append(l.byPath[path], record.KindOf(ev))
	}
}

func (l *looks) of(path string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.byPath[path])
}

// serve does what the first message orders, see obey, or reads and writes at
// the same time until both have failed.
func (l *looks) serve(r *http.Request, s socket) error {
	watched := &watchedSocket{s, r.URL.Path, l}
	text, order, err := watched.Read()
	if err != nil {
		return err
	}
	handle := closeguard.FromContext(r.Context())
	defer func() {
		if ev := handle.Event(); ev != nil {
			l.take(r.URL.Path, ev)
		}
	}()
	if slices.Contains(orders, string(order)) {
		return obey(r, &ordered{watched, text, order})
	}
	var talking sync.WaitGroup
	defer talking.Wait()
	over := make(chan struct{})
	talking.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for going := true; going && watched.Write(true, []byte("tick")) == nil; {
			select {
			case <-tick.C:
			case <-over:
				watched.Write(true, []byte("too late"))
				going = false
			}
		}
	})
	for {
		if _, _, err := watched.Read(); err != nil {
			close(over)
			return err
		}
	}
}

// watchedSocket tells which close events its calls return.
type watchedSocket struct {
	socket
	path  string
	looks *looks
}

func (s *watchedSocket) Read() (bool, []byte, error) {
	text, message, err := s.socket.Read()
	s.looks.take(s.path, err)
	return text, message, err
}

func (s *watchedSocket) Write(text bool, message []byte) error {
	err := s.socket.Write(text, message)
	s.looks.take(s.path, err)
	return err
}

func (s *watchedSocket) CloseWith(code int, reason string) error {
	err := s.socket.CloseWith(code, reason)
	s.looks.take(s.path, err)
	return err
}

// ordered gives a message back that was read already.
type ordered struct {
	socket
	text    bool
	message []byte
}

func (s *ordered) Read() (bool, []byte, error) {
	if message := s.message; message != nil {
		s.message = nil
		return s.text, message, nil
	}
	return s.socket.Read()
}

// Everything that a peer does in the tests of this package. Errors are those of
// connections that the server has ended, which is what some of it is about.
var behaviours = []func(v *visitor, random *rand.Rand){
	func(v *visitor, random *rand.Rand) { // closes, in every way there is
		cases := closeCases()
		c := cases[random.IntN(len(cases))]
		v.Write(c.send...)
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) { // closes and is gone
		v.Write(rawpeer.Close(1001, "gone"))
		if random.IntN(2) == 0 {
			v.Reset()
		} else {
			v.TCP.Close()
		}
	},
	func(v *visitor, random *rand.Rand) { // dies in the middle of something
		v.WriteBytes(cuts[random.IntN(len(cuts))].wire)
		v.CloseWrite()
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) { // the same, badly
		v.WriteBytes(cuts[random.IntN(len(cuts))].wire)
		v.Reset()
	},
	func(v *visitor, random *rand.Rand) { // dies between two messages
		v.Write(hello)
		v.TCP.CloseWrite()
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) { v.Reset() },
	func(v *visitor, random *rand.Rand) { // answers a Close, and begins with one if none comes soon
		for range 20 {
			f, ok := v.ReadFrame()
			if !ok || f.Opcode == rawpeer.OpClose {
				break
			}
		}
		v.Write(rawpeer.Close(1000, ""))
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) { // breaks a rule of framing
		v.Write([]rawpeer.Frame{
			{Fin: true, Opcode: rawpeer.OpText, Payload: []byte("not masked"), Bare: true},
			{Fin: true, Opcode: 3},
			{Fin: true, RSV: 2, Opcode: rawpeer.OpText},
			{Opcode: rawpeer.OpPing},
			{Fin: true, Opcode: rawpeer.OpContinuation},
			{Fin: true, Opcode: rawpeer.OpClose, Claim: 1 << 40},
			{Fin: true, Opcode: rawpeer.OpBinary, Claim: 1 << 63},
		}[random.IntN(7)], empty)
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) { // stalls
		v.WriteBytes(rudenesses[random.IntN(len(rudenesses))].begin)
		v.ReadUntilEnd()
	},
	func(v *visitor, random *rand.Rand) {}, // does nothing at all, for ever
}

// A crowd of peers does everything at once. Each 101 that they saw yields one
// Opened and one close event, and whoever looks at an end sees the same kind.
func TestOneCloseEventForEach101(t *testing.T) {
	for _, crowd := range []struct {
		scheme string
		peers  int
	}{{"ws", 400}, {"wss", 120}} {
		t.Run(crowd.scheme, func(t *testing.T) {
			seen := looks{byPath: make(map[string][]string)}
			s := serve(t, crowd.scheme, closeguard.Options{CloseIdle: closeIdle, CloseTimeout: closeTimeout}, seen.serve)
			random := rand.New(rand.NewPCG(1, 2))
			var opened, refused []string
			var doing sync.WaitGroup
			for range crowd.peers {
				e := endpoints[random.IntN(len(endpoints))]
				if random.IntN(20) == 0 {
					refused = append(refused, s.dial(t, e, rawpeer.AnyStatus(), rawpeer.Header("Origin", "http://elsewhere.test")).path)
					continue
				}
				var opts []rawpeer.Option
				if random.IntN(8) == 0 {
					opts = append(opts, rawpeer.Deflate())
				}
				v := s.dial(t, e, opts...)
				v.Waits(1500 * time.Millisecond)
				opened = append(opened, v.path)
				order := append(orders, "read and write", "read and write", "read and write")[random.IntN(len(orders)+3)]
				behave, own := behaviours[random.IntN(len(behaviours))], rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
				doing.Go(func() {
					if own.IntN(10) > 0 {
						v.Write(rawpeer.Text(order))
					}
					behave(v, own)
				})
			}
			doing.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if report, err := s.guard.Shutdown(ctx); err != nil {
				t.Errorf("shutdown: %v, %v", report, err)
			}

			kinds := map[string]int{}
			for _, path := range opened {
				ev := s.events.close(t, path)
				kinds[record.KindOf(ev)]++
				for _, kind := range seen.of(path) {
					if kind != record.KindOf(ev) {
						t.Errorf("%s: the handler was told %q, the observer %v", path, kind, ev)
					}
				}
				if !ev.Connection().Guarded || ev.Connection().Number == 0 {
					t.Errorf("%s: event of %+v", path, ev.Connection())
				}
			}
			for _, path := range refused {
				if h := s.events.wait(t, path); h.Opened+len(h.Closed) != 0 || len(h.Refused) != 1 {
					t.Errorf("%s: events %+v, want one Refused", path, h)
				}
			}
			if all := len(s.events.All()); all != len(opened)+len(refused) {
				t.Errorf("events of %d connections, want %d", all, len(opened)+len(refused))
			}
			if len(kinds) != 3 {
				t.Errorf("only these endings came up: %v", kinds)
			}
			t.Log(kinds, len(refused), "refused")
		})
	}
}
