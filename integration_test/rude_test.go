package integration_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// Limits short enough to wait for, and how much later than at a limit
// everything must be over.
const (
	closeIdle    = 300 * time.Millisecond
	closeTimeout = time.Second
	closeBytes   = 1 << 20
	late         = time.Second
)

// alarm is when a timer rings that is set now: in a process that has no time for
// it, or for the guard's, later than it should.
func alarm(d time.Duration) <-chan time.Time {
	rang := make(chan time.Time, 1)
	time.AfterFunc(d, func() { rang <- time.Now() })
	return rang
}

var shortLimits = closeguard.Options{CloseIdle: closeIdle, CloseTimeout: closeTimeout, CloseBytes: closeBytes}

// A session is what a test holds of a running handler.
type session struct {
	handle chan *closeguard.Handle // once, when the handler has read the first message
	leave  chan struct{}           // closed: the handler returns
	wrote  chan struct{}           // after each write
	over   chan struct{}           // closed when its reads and writes have returned
}

// sessions are the running handlers by path.
type sessions struct{ byPath sync.Map }

func (all *sessions) of(path string) *session {
	s, _ := all.byPath.LoadOrStore(path, &session{
		handle: make(chan *closeguard.Handle, 1),
		leave:  make(chan struct{}), wrote: make(chan struct{}, 1), over: make(chan struct{}),
	})
	return s.(*session)
}

// serve reads in one goroutine and writes in another, messages of as many
// bytes as the first message says. It returns when it is told to, or when the
// connection has ended.
func (all *sessions) serve(r *http.Request, s socket) error {
	_, message, err := s.Read()
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(string(message))
	if err != nil {
		return err
	}
	run := all.of(r.URL.Path)
	var working sync.WaitGroup
	var readErr error
	working.Go(func() {
		for readErr == nil {
			_, _, readErr = s.Read()
		}
	})
	if size > 0 {
		working.Go(func() {
			for s.Write(false, make([]byte, size)) == nil {
				select {
				case run.wrote <- struct{}{}:
				default:
				}
			}
		})
	}
	go func() {
		working.Wait()
		close(run.over)
	}()
	run.handle <- closeguard.FromContext(r.Context())
	select {
	case <-run.leave:
		return nil
	case <-run.over:
		return readErr
	}
}

// stuck waits until the handler's writer is blocked.
func (s *session) stuck() {
	for {
		select {
		case <-s.wrote:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

// A rudeness is something that a peer does instead of closing well.
type rudeness struct {
	name   string
	writes int // bytes of the server's messages, which the peer never reads; 0: none are sent
	begin  []byte
	goOn   func(v *visitor) // until writing fails

	limit error // what ends the connection
	after time.Duration
}

var rudenesses = []rudeness{
	{name: "never answers", limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "stalls inside a frame", begin: cut(100, rawpeer.Binary(make([]byte, 1000))), limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "stalls inside a header", begin: cut(1, hello), limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "stalls between fragments", begin: whole(rawpeer.Fragments(hello, "a", "b")[0]), limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "stalls inside its close", begin: cut(7, rawpeer.Close(1000, "")), limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "never reads", writes: 10_000, limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "never reads large messages", writes: 1 << 20, limit: closeguard.ErrCloseIdle, after: closeIdle},
	{name: "sends a little for ever", goOn: func(v *visitor) {
		tick := time.NewTicker(closeIdle / 6)
		defer tick.Stop()
		for range tick.C {
			if v.Write(rawpeer.Pong("")) != nil {
				return
			}
		}
	}, limit: closeguard.ErrCloseTimeout, after: closeTimeout},
}

// A meeting is a rude peer's connection.
type meeting struct {
	e endpoint
	r rudeness
	v *visitor
}

// The ways in which a server closes.
var closers = []struct {
	name string
	do   func(s *site, run *session, handle *closeguard.Handle)
	want func(e endpoint) closeguard.CloseFrame
}{
	{"the handler returns", func(_ *site, run *session, _ *closeguard.Handle) { close(run.leave) }, func(e endpoint) closeguard.CloseFrame {
		if e.Adapter {
			return closeguard.CloseFrame{Code: closeguard.NormalClosure}
		}
		return closeguard.CloseFrame{Code: closeguard.GoingAway}
	}},
	{"CloseWith", func(_ *site, _ *session, handle *closeguard.Handle) {
		handle.CloseWith(context.Background(), 4001, "enough")
	}, func(endpoint) closeguard.CloseFrame { return closeguard.CloseFrame{Code: 4001, Reason: "enough"} }},
	{"Shutdown", func(s *site, _ *session, _ *closeguard.Handle) {
		s.guard.Shutdown(context.Background())
	}, func(endpoint) closeguard.CloseFrame {
		return closeguard.CloseFrame{Code: closeguard.GoingAway, Reason: "server shutting down"}
	}},
}

// Whatever a peer does, it is over within the limits: the library's calls have
// returned, TCP is closed and the event is delivered.
func TestRudePeersAreEndedWithinTheLimits(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		for _, closer := range closers {
			t.Run(scheme+" "+closer.name, func(t *testing.T) {
				var all sessions
				s := serve(t, scheme, shortLimits, all.serve)
				var meetings []meeting
				for _, e := range endpoints {
					for _, r := range rudenesses {
						v := s.dial(t, e, rawpeer.ReadBuffer(4<<10))
						v.send(t, rawpeer.Text(strconv.Itoa(r.writes)))
						if err := v.WriteBytes(r.begin); err != nil {
							t.Fatal(err)
						}
						meetings = append(meetings, meeting{e, r, v})
					}
				}
				var working sync.WaitGroup
				handles := make([]*closeguard.Handle, len(meetings))
				for i, m := range meetings {
					handles[i] = <-all.of(m.v.path).handle
					if m.r.writes > 0 {
						working.Go(all.of(m.v.path).stuck)
					}
				}
				working.Wait()
				defer working.Wait()
				began, due := time.Now(), make([]<-chan time.Time, len(meetings))
				for i, m := range meetings {
					due[i] = alarm(m.r.after)
					working.Go(func() { closer.do(s, all.of(m.v.path), handles[i]) })
					if m.r.goOn != nil {
						working.Go(func() { m.r.goOn(m.v) })
					}
				}
				for i, m := range meetings {
					t.Run(m.e.Path+" "+m.r.name, func(t *testing.T) {
						ev := m.v.event(t)
						<-all.of(m.v.path).over
						over := m.v.events.wait(t, m.v.path).At
						m.expect(t, scheme, closer.name, closer.want(m.e), ev, over.Sub(began), over.Sub(<-due[i]))
						m.v.TCP.Close() // ends what goes on for ever
					})
				}
			})
		}
	}
}

// expect checks the end of a connection that came so long after it was asked for,
// and so long after an alarm at the limit.
func (m meeting) expect(t *testing.T, scheme, closer string, ours closeguard.CloseFrame, ev closeguard.CloseEvent, took, behind time.Duration) {
	t.Helper()
	limit, soonest := m.r.limit, m.r.after
	returned := closer == closers[0].name
	if returned && m.r.writes > 0 {
		// Nobody finishes the frame that the handler was in, unless the guard
		// has all that is left of it: no need to wait.
		limit, soonest = nil, 0
	}
	if took < soonest || behind > late {
		t.Errorf("over after %v and %v behind the limit, want it after %v and at most %v", took, behind, soonest, late)
	}
	want := ending{kind: "local closed", code: ours.Code, sent: ours.String()}
	got := endingOf(ev)
	if m.r.writes > 0 && got.sent == "" { // whether there is room for a Close, the kernel decides
		want = ending{kind: "dropped", code: 1006, intended: ours.String()}
	}
	if got != want || limit != nil && !errors.Is(ev, limit) {
		t.Errorf("event %v\ngot  %+v\nwant %+v and %v", ev, got, want, limit)
	}
	if m.r.writes == 0 && m.r.goOn == nil {
		m.v.expectEnd(t, rawpeer.FIN, rawpeer.Close(int(ours.Code), ours.Reason))
	}
}

// A frame that a library was in the middle of, and all of which the guard has,
// is finished before the Close, for a peer that begins to read just in time.
func TestFrameOfAStuckWriterIsFinished(t *testing.T) {
	const size = 3000 // both libraries write such a message in one piece
	var all sessions
	s := serve(t, "ws", closeguard.Options{}, all.serve)
	each(t, func(t *testing.T, e endpoint) {
		p := s.dial(t, e, rawpeer.ReadBuffer(4<<10))
		p.send(t, rawpeer.Text(strconv.Itoa(size)))
		run := all.of(p.path)
		<-run.handle
		run.stuck()
		close(run.leave)
		<-run.over
		for f, ok := p.ReadFrame(); ok && f.Opcode != rawpeer.OpClose; f, ok = p.ReadFrame() {
			if f.Opcode != rawpeer.OpBinary || !f.Fin || len(f.Payload) != size {
				t.Fatalf("read %s, want %d bytes", f, size)
			}
		}
		last := p.Frames[len(p.Frames)-1]
		if last.CloseCode() != int(closers[0].want(e).Code) {
			t.Fatalf("the last frame is %s, then %s and %d bytes; want a close", last, p.End, len(p.Rest))
		}
		p.send(t, last)
		p.expectEnd(t, rawpeer.FIN)
		if ev := p.event(t); !ev.Clean() || record.KindOf(ev) != "local closed" {
			t.Errorf("event %v, want a clean local close", ev)
		}
	})
}

// A peer that sends on is read, and what it sends discarded, up to CloseBytes.
func TestPeerThatSendsTooMuchIsEnded(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		s := serve(t, scheme, closeguard.Options{CloseBytes: closeBytes}, func(*http.Request, socket) error { return nil })
		each(t, func(t *testing.T, e endpoint) {
			p := s.dial(t, e)
			message := whole(rawpeer.Binary(make([]byte, 60_000)))
			sent := len(message) // the write that fails may have sent something
			for p.WriteBytes(message) == nil {
				sent += len(message)
			}
			if ev := p.event(t); !errors.Is(ev, closeguard.ErrCloseBytes) || record.KindOf(ev) != "local closed" || sent < closeBytes {
				t.Errorf("%s: event %v after %d bytes, want ErrCloseBytes", scheme, ev, sent)
			}
		})
	}
}

// A Close that claims 2^40 bytes costs no memory, however much of it comes.
func TestACloseOfATebibyteCostsNothing(t *testing.T) {
	const peers, megabytes = 4, 8
	s := serve(t, "ws", closeguard.Options{CloseBytes: 2 * megabytes << 20}, echo)
	each(t, func(t *testing.T, e endpoint) {
		var visitors []*visitor
		for range peers {
			visitors = append(visitors, s.dial(t, e))
		}
		garbage := make([]byte, 1<<20)
		huge := rawpeer.Frame{Fin: true, Opcode: rawpeer.OpClose, Claim: 1 << 40, Payload: make([]byte, 200)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, v := range visitors {
			v.send(t, huge)
			for range megabytes {
				if err := v.WriteBytes(garbage); err != nil {
					t.Fatal(err)
				}
			}
			if err := v.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range visitors {
			want := ending{kind: "local closed", code: 1002, illegal: illegal("control frame length", 1<<40)}
			ev := v.event(t)
			got := endingOf(ev)
			got.sent = "" // the libraries' words differ
			if got != want || ev.End().Sent.Code != 1002 {
				t.Errorf("event %v\ngot  %+v\nwant %+v and 1002 sent", ev, got, want)
			}
			expectPayload(t, ev, make([]byte, 200))
		}
		runtime.ReadMemStats(&after)
		if cost := after.TotalAlloc - before.TotalAlloc; cost > peers*megabytes<<20/50 {
			t.Errorf("%d bytes were allocated for %d MiB of garbage", cost, peers*megabytes)
		}
	})
}
