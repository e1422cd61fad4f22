package model

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// move is a step that the model can foresee: it is done, and told to the model.
type move struct {
	does string
	do   func(*life, *model)
}

// TestModel: who does what, one after the other, and the model says after each
// step what has left, whether TCP has ended and what the event is.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := plainSettings(rt)
		moves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return rapid.SampledFrom(plainMoves).Draw(rt, "move")(rt, s)
		}), 1, 12).Draw(rt, "moves")
		rapid.SyncTest(rt, func(rt *rapid.T) { foresee(rt, s, moves) })
	})
}

// plainSettings are those that the model knows.
func plainSettings(rt *rapid.T) setting {
	s := settings(rt)
	s.buffer, s.attends = 64<<10, true
	s.opts.PingInterval, s.opts.WriteStall, s.opts.CloseBytes = 0, 0, 0
	s.opts.CloseFrameFor = func(_ closeguard.ConnInfo, cause error) closeguard.CloseFrame { return lifetimes[cause] }
	return s
}

func foresee(rt *rapid.T, s setting, moves []move) {
	l := &life{T: rt, setting: s, began: time.Now()}
	l.open()
	m := &model{setting: s, serving: s.serve}
	script := make([]step, len(moves))
	for i, mv := range moves {
		script[i] = step{does: mv.does}
	}
	for i, mv := range moves {
		l.tap.begin(i)
		mv.do(l, m)
		synctest.Wait()
		m.settle()
		l.compare(m)
		if len(l.wrong) > 0 {
			script = script[:i+1]
			break
		}
	}
	l.tap.begin(len(script))
	if len(l.wrong) == 0 {
		l.finishAs(m)
	} else {
		l.finish()
	}
	if len(l.wrong) > 0 {
		rt.Fatalf("%s\n%s\n%s%s", strings.Join(l.wrong, "\n"), l.setting.words(), words(script), l.tap)
	}
}

// finishAs is finish, foreseen.
func (l *life) finishAs(m *model) {
	m.returnsNil()
	m.closes()
	m.passes(l.closeTimeout() + lasts + time.Millisecond)
	l.finish()
	l.compare(m)
	l.judge()
}

// compare holds what is known now against the model.
func (l *life) compare(m *model) {
	var left []string
	t := read(l.tap.all(), l.role)
	for _, f := range t.frames {
		f.Masked = false
		left = append(left, f.String())
	}
	if !slices.Equal(left, m.leaves) {
		l.fails("model: %v left, want %v", left, m.leaves)
	}
	select {
	case <-l.conn.Done():
		if at := l.finished.Sub(l.began); !m.ended || at != m.endedAt {
			l.fails("model: it ended after %v, want %t, %v", at, m.ended, m.endedAt)
		}
	default:
		if m.ended {
			l.fails("model: it hasn't ended, want after %v", m.endedAt)
		}
	}
	ev := l.conn.Event()
	if ev == nil || m.first == "" {
		if (ev == nil) != (m.first == "") {
			l.fails("model: the event is %v, want first %q", ev, m.first)
		}
		return
	}
	e := ev.End()
	got := fmt.Sprintf("%s sent %v received %v intended %v clean %t", kind(ev), e.Sent, e.Received, e.Intended, ev.Clean())
	clean := m.sent != nil && m.received != nil && !m.illegal && !m.aborted
	if want := fmt.Sprintf("%s sent %v received %v intended %v clean %t", m.first, m.sent, m.received, m.intended, clean); got != want {
		l.fails("model: it is told %s\nwant %s", got, want)
	}
}

var plainMoves = []func(*rapid.T, setting) move{
	peerSends, peerSends, peerSends, libraryReadsOnce, libraryPumps, librarySends, librarySends, someTime, someTime, theProgram, theProgram, thePeerEnds, theHandler,
}

func peerSends(rt *rapid.T, s setting) move {
	f := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) rawpeer.Frame {
		switch n := rapid.IntRange(0, 9).Draw(rt, "kind"); {
		case n < 4:
			return rapid.SampledFrom(frames[:4]).Draw(rt, "frame")
		case n < 9:
			return rawpeer.ClosePayload([]byte(rapid.SampledFrom(payloads[:len(payloads)-1]).Draw(rt, "close")))
		default:
			return rapid.SampledFrom([]rawpeer.Frame{broken[0], broken[1], broken[4], broken[5]}).Draw(rt, "broken")
		}
	}), 1, 3).Draw(rt, "frames")
	return move{"the peer sends " + tell(f), func(l *life, m *model) {
		if m.unanswered() {
			return
		}
		l.peers.writes <- encode(closeguard.Client-s.role, f...)
		if !m.ended && !m.over {
			m.queue = append(m.queue, f...)
		}
	}}
}

func thePeerEnds(rt *rapid.T, _ setting) move {
	return rapid.SampledFrom([]move{
		{"the peer ends its stream", func(l *life, m *model) {
			if !m.unanswered() {
				l.peers.writes <- nil
				m.over, m.fin = true, m.fin || !m.reset
			}
		}},
		{"the peer resets TCP", func(l *life, m *model) {
			if len(m.queue) == 0 && !m.unanswered() { // else reading and writing find different things at the same moment
				l.peer.Reset()
				m.over, m.reset = true, true
			}
		}},
	}).Draw(rt, "end")
}

func libraryReadsOnce(*rapid.T, setting) move {
	return move{"the library reads what is there", func(l *life, m *model) {
		if !m.pumps && (len(m.queue) > 0 || m.over) { // else it would wait
			l.library.reads <- 8192
			m.reads()
		}
	}}
}

// unanswered: what now comes could be read before or after the guard's answer.
func (m *model) unanswered() bool { return m.received != nil && m.sent == nil }

func libraryPumps(*rapid.T, setting) move {
	return move{"the library reads all the time", func(l *life, m *model) {
		if !m.pumps && !m.closed {
			l.library.reads <- untilTheEnd
			m.pumps = true
		}
	}}
}

func librarySends(rt *rapid.T, s setting) move {
	f := rapid.SampledFrom(frames[:4]).Draw(rt, "frame")
	if rapid.Bool().Draw(rt, "closes") {
		f = rawpeer.ClosePayload([]byte(rapid.SampledFrom(payloads).Draw(rt, "close")))
	}
	return move{"the library writes " + tell([]rawpeer.Frame{f}), func(l *life, m *model) {
		b := encode(s.role, f)
		l.library.stream = append(l.library.stream, b...)
		l.library.writes <- b
		synctest.Wait()
		l.mu.Lock()
		err := l.wrote
		l.mu.Unlock()
		if want, known := m.refuses(f); known && errors.Is(err, net.ErrClosed) != want || known && !want && err != nil {
			l.fails("3: the library's Write fails with %v, refused should it be: %t", err, want)
		}
		m.writes(f)
	}}
}

func someTime(rt *rapid.T, _ setting) move {
	d := rapid.SampledFrom([]time.Duration{time.Millisecond, 300 * time.Millisecond, 1100 * time.Millisecond, 2300 * time.Millisecond, 5700 * time.Millisecond, time.Minute}).Draw(rt, "time")
	return move{fmt.Sprintf("%v pass", d), func(_ *life, m *model) {
		time.Sleep(d)
		m.passes(d)
	}}
}

func theProgram(rt *rapid.T, s setting) move {
	f := rapid.SampledFrom(codes).Draw(rt, "close")
	return rapid.SampledFrom([]move{
		{"the library closes", func(l *life, m *model) {
			if m.wakes() {
				return
			}
			l.later(func() { l.conn.Close() })
			m.closes()
		}},
		{"CloseNow", func(l *life, m *model) {
			if m.wakes() {
				return
			}
			l.later(l.conn.Driver().CloseNow)
			if m.serving || m.first != "" {
				m.closes()
			} else {
				m.abort()
			}
		}},
		{"Abort", func(l *life, m *model) {
			l.abrupt()
			l.later(l.conn.Abort)
			m.abort()
		}},
		{fmt.Sprintf("CloseWith %v", f), func(l *life, m *model) {
			l.later(func() { l.closeWith(f, time.Hour) })
			m.closesWith(f)
		}},
		{"shutdown", func(l *life, m *model) {
			l.later(func() { l.round(time.Hour, l.guard.Shutdown) })
			m.closesInRound(s.shutdownFrame())
		}},
		{fmt.Sprintf("CloseKey %v", f), func(l *life, m *model) {
			l.later(func() {
				l.round(time.Hour, func(ctx context.Context) (closeguard.Report, error) { return l.guard.CloseKey(ctx, "the key", f) })
			})
			if valid(f, closeguard.Server) {
				m.closesInRound(f)
			}
		}},
	}).Draw(rt, "program")
}

// wakes: a handler's reader would be woken while CloseWith waits to read instead
// of it, which may begin at once or a second later.
func (m *model) wakes() bool { return m.serving && m.pumps && m.takeover }

func (s setting) shutdownFrame() closeguard.CloseFrame {
	if s.opts.ShutdownFrame == nil {
		return closeguard.CloseFrame{Code: 1001, Reason: "server shutting down"}
	}
	return s.opts.ShutdownFrame(closeguard.ConnInfo{})
}

func theHandler(rt *rapid.T, s setting) move {
	f := rapid.SampledFrom(codes).Draw(rt, "close")
	internal := closeguard.CloseFrame{Code: 1011, Reason: "internal error"}
	returns := func(how func() error, then func(*model)) func(*life, *model) {
		return func(l *life, m *model) {
			if m.serving {
				l.handler <- how
				then(m)
			}
		}
	}
	return rapid.SampledFrom([]move{
		{"the handler returns nil", returns(func() error { return nil }, (*model).returnsNil)},
		{"the handler closes with " + f.String(), returns(func() error { return closeguard.Error(f.Code, f.Reason, nil) }, func(m *model) { m.returns(f) })},
		{"the handler fails", returns(func() error { return errHandler }, func(m *model) { m.returns(m.faultOr(internal)) })},
		{"the handler panics", returns(func() error { panic("the handler") }, func(m *model) { m.returns(internal) })},
	}).Draw(rt, "handler")
}
