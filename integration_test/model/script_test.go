package model

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// settings makes up what lives begin with.
func settings(rt *rapid.T) setting {
	s := setting{
		role:    rapid.SampledFrom([]closeguard.Role{closeguard.Server, closeguard.Client}).Draw(rt, "role"),
		serve:   rapid.Bool().Draw(rt, "serve"),
		strict:  rapid.Bool().Draw(rt, "strict"),
		buffer:  rapid.SampledFrom([]int{64 << 10, 1, 20, 5000}).Draw(rt, "buffer"),
		attends: rapid.Bool().Draw(rt, "attends"),
	}
	s.opts = options(rt)
	return s
}

func options(rt *rapid.T) closeguard.Options {
	pick := func(what string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(rt, what) }
	o := closeguard.Options{
		CloseIdle:    pick("CloseIdle", 0, time.Second, 2*time.Second),
		CloseTimeout: pick("CloseTimeout", 0, 3*time.Second),
		CloseBytes:   rapid.SampledFrom([]int64{0, 1000}).Draw(rt, "CloseBytes"),
		BareClose:    rapid.SampledFrom([]closeguard.Code{0, closeguard.NoClose, closeguard.GoingAway, 4999}).Draw(rt, "BareClose"),
		PingInterval: pick("PingInterval", 0, 0, 2*time.Second),
		IdleTimeout:  pick("IdleTimeout", 0, 0, 4*time.Second),
		MaxAge:       pick("MaxAge", 0, 0, 7*time.Second),
		MaxAgeJitter: 1e-12, // none: 0 is the default, a tenth
		WriteStall:   pick("WriteStall", 0, 0, time.Second),
	}
	if f, ok := rapid.SampledFrom(shutdownFrames).Draw(rt, "ShutdownFrame").(closeguard.CloseFrame); ok {
		o.ShutdownFrame = func(closeguard.ConnInfo) closeguard.CloseFrame { return f }
	}
	return o
}

var shutdownFrames = []any{nil, closeguard.CloseFrame{Code: 1012, Reason: "deploy"}, closeguard.CloseFrame{Code: 1006, Reason: "illegal"}}

// closes are payloads of Closes, legal and not.
var payloads = []string{
	"\x03\xe8", "\x03\xe8bye", "\x03\xe9going away", "\x03\xf6", "\x0f\xa0" + strings.Repeat("x", 123), "", "\x03\xf2",
	"\x03\xea" + "bad close code 1014", "x", "\x00\x00", "\x03\xed", "\x03\xee", "\x03\xf7", "\x03\xe8\xff", "\xff\xff", "\x0f\xa0" + strings.Repeat("x", 124),
}

// frames are those that libraries and peers write beside Closes.
var frames = []rawpeer.Frame{
	rawpeer.Text("hello"), rawpeer.Ping("p"), rawpeer.Pong(""), rawpeer.Binary(make([]byte, 300)),
	{Opcode: rawpeer.OpText, Payload: []byte("begin")}, {Fin: true, Payload: []byte("end")},
	rawpeer.Binary(make([]byte, 150_000)),
}

// broken are frames that no peer may write.
var broken = []rawpeer.Frame{
	{Fin: true, Opcode: 3}, {Fin: true, Opcode: rawpeer.OpPing, RSV: 4},
	{Fin: true, Opcode: rawpeer.OpBinary, Claim: 1 << 63}, {Fin: true, Opcode: rawpeer.OpClose, Claim: 1 << 40},
	{Opcode: rawpeer.OpClose, Payload: []byte("\x03\xe8")}, {Fin: true, Opcode: rawpeer.OpText, Payload: []byte("mask"), Bare: true},
}

// encode is frames as an endpoint of the role writes them.
func encode(from closeguard.Role, frames ...rawpeer.Frame) []byte {
	var b []byte
	for _, f := range frames {
		f.Bare = f.Bare != (from == closeguard.Server)
		b = f.Append(b, [4]byte{0x37, 0xfa, 0x21, 0x3d})
	}
	return b
}

func tell(frames []rawpeer.Frame) string {
	var b strings.Builder
	for i, f := range frames {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(f.String())
		if f.Bare {
			b.WriteString(" wrongly masked")
		}
		if f.Claim > 0 {
			fmt.Fprintf(&b, " of %#x", f.Claim)
		}
	}
	return b.String()
}

// Steps are made up in groups, so that each side has its say.

func someFrames(rt *rapid.T, s setting, rude bool) []rawpeer.Frame {
	frames := frames
	if s.buffer < 5000 { // a byte at a time, the largest takes long
		frames = frames[:len(frames)-1]
	}
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) rawpeer.Frame {
		switch n := rapid.IntRange(0, 9).Draw(rt, "kind"); {
		case n < 6:
			return rapid.SampledFrom(frames).Draw(rt, "frame")
		case n < 9 || !rude:
			return rawpeer.ClosePayload([]byte(rapid.SampledFrom(payloads).Draw(rt, "close")))
		default:
			return rapid.SampledFrom(broken).Draw(rt, "broken")
		}
	}), 1, 3).Draw(rt, "frames")
}

// pieces cuts b in two, or keeps the rest for later.
func pieces(rt *rapid.T, b []byte) (in [][]byte, rest []byte, say string) {
	switch rapid.IntRange(0, 5).Draw(rt, "cut") {
	case 0:
		at := rapid.IntRange(1, min(20, len(b))).Draw(rt, "at")
		return [][]byte{b[:at]}, b[at:], fmt.Sprintf(", the first %d bytes", at)
	case 1:
		at := rapid.IntRange(0, min(20, len(b))).Draw(rt, "at")
		return [][]byte{b[:at], b[at:]}, nil, fmt.Sprintf(", cut at %d", at)
	default:
		return [][]byte{b}, nil, ""
	}
}

func libraryWrites(rt *rapid.T, s setting) step {
	f := someFrames(rt, s, false)
	for i := range f {
		if f[i].Opcode == rawpeer.OpPing && len(f[i].Payload) == 0 {
			f[i].Payload = []byte("p") // the empty ones are the guard's
		}
	}
	b, rest, say := pieces(rt, encode(s.role, f...))
	return step{does: "the library writes " + tell(f) + say, do: func(l *life) {
		// A library finishes a frame before it begins another one.
		for _, piece := range append([][]byte{l.library.rest}, b...) {
			l.library.stream = append(l.library.stream, piece...)
			l.library.writes <- piece
		}
		l.library.rest = rest
	}}
}

func libraryReads(rt *rapid.T, _ setting) step {
	size := rapid.SampledFrom([]int{untilTheEnd, 1, 2, 7, 4096}).Draw(rt, "size")
	say := fmt.Sprintf("the library reads up to %d bytes", size)
	if size == untilTheEnd {
		say = "the library reads until the end"
	}
	return step{does: say, do: func(l *life) { l.library.reads <- size }}
}

func peerWrites(rt *rapid.T, s setting) step {
	f := someFrames(rt, s, true)
	b, _, say := pieces(rt, encode(closeguard.Client-s.role, f...)) // where the rest stays away, what comes next is in its place
	return step{does: "the peer writes " + tell(f) + say, do: func(l *life) {
		for _, piece := range b {
			if len(piece) > 0 {
				l.peers.writes <- piece
			}
		}
	}}
}

func peerReads(rt *rapid.T, _ setting) step {
	size := rapid.SampledFrom([]int{untilTheEnd, 1, 100, 100_000}).Draw(rt, "size")
	return step{does: fmt.Sprintf("the peer reads, %d bytes", size), do: func(l *life) { l.peers.reads <- size }}
}

func peerEnds(rt *rapid.T, _ setting) step {
	return rapid.SampledFrom([]step{
		{does: "the peer ends its stream", do: func(l *life) { l.peers.writes <- nil }},
		{does: "the peer closes TCP", do: func(l *life) { l.peer.Close() }},
		{does: "the peer resets TCP", do: func(l *life) { l.peer.Reset() }},
		{does: "the network breaks", do: func(l *life) { l.tap.breakNetwork() }},
	}).Draw(rt, "end")
}

func timePasses(rt *rapid.T, _ setting) step {
	d := rapid.SampledFrom([]time.Duration{time.Millisecond, 5 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, time.Minute}).Draw(rt, "time")
	return step{does: fmt.Sprintf("%v pass", d), do: func(*life) { time.Sleep(d) }}
}

// codes that programs close with, most of them legal.
var codes = []closeguard.CloseFrame{
	{Code: 1000, Reason: "bye"}, {Code: 1008}, {Code: 4321, Reason: "private"}, {Code: 1005}, {Code: 1010},
	{Code: 1006, Reason: "illegal"}, {Code: 70000}, {Code: 0}, {Code: 1000, Reason: strings.Repeat("é", 62)}, {Code: 1000, Reason: "\xff"},
}

func programCloses(rt *rapid.T, _ setting) step {
	frame := rapid.SampledFrom(codes).Draw(rt, "close")
	wait := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(rt, "wait")
	return rapid.SampledFrom([]step{
		{does: "the library closes", do: func(l *life) { l.later(func() { l.conn.Close() }) }},
		{does: "CloseNow", do: func(l *life) { l.abrupt(); l.later(l.conn.Driver().CloseNow) }},
		{does: "Abort", do: func(l *life) { l.abrupt(); l.later(l.conn.Abort) }},
		{does: fmt.Sprintf("CloseWith %v, waits %v", frame, wait), do: func(l *life) { l.later(func() { l.closeWith(frame, wait) }) }},
		{does: fmt.Sprintf("CloseWith %v, waits %v", frame, wait), do: func(l *life) { l.later(func() { l.closeWith(frame, wait) }) }},
		{does: fmt.Sprintf("shutdown, within %v", wait), do: func(l *life) {
			l.later(func() { l.round(wait, l.guard.Shutdown) })
		}},
		{does: fmt.Sprintf("CloseKey %v, within %v", frame, wait), do: func(l *life) {
			l.later(func() {
				l.round(wait, func(ctx context.Context) (closeguard.Report, error) { return l.guard.CloseKey(ctx, "the key", frame) })
			})
		}},
		{does: "busy", do: func(l *life) { l.conn.Busy() }},
		{does: "idle", do: func(l *life) { l.later(l.conn.Idle) }},
		{does: "a context ends a call", do: func(l *life) { l.later(l.contextEnds) }},
	}).Draw(rt, "program")
}

func (l *life) closeWith(f closeguard.CloseFrame, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	err := l.conn.CloseWith(ctx, f.Code, f.Reason)
	var broken *closeguard.FrameError
	var ev closeguard.CloseEvent
	switch illegal := f.Validate(l.role) != nil; {
	case illegal != (errors.As(err, &broken) && !errors.As(err, &ev)):
		l.fails("2: CloseWith %v returns %v", f, err)
	case illegal, errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &ev):
	case err == nil:
		if ev := l.conn.Event(); ev == nil || !ev.Clean() {
			l.fails("6: CloseWith returns nil, the event is %v", ev)
		}
	case !errors.As(err, &ev):
		l.fails("6: CloseWith returns %v", err)
	}
}

func (l *life) round(wait time.Duration, closes func(context.Context) (closeguard.Report, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if wait == 0 || wait == time.Second {
		l.abrupt() // when its time is over
	}
	report, _ := closes(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, report)
}

// contextEnds is what a library does whose calls take contexts.
func (l *life) contextEnds() {
	ctx, cancel := context.WithCancel(context.Background())
	call := l.conn.Driver().Begin(ctx)
	cancel()
	l.conn.Close()
	call.End(ctx.Err(), true)
}

func (l *life) abrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rough = true
}

func deadlines(rt *rapid.T, _ setting) step {
	in := rapid.SampledFrom([]time.Duration{-time.Second, 0, 5 * time.Millisecond, time.Second, time.Hour}).Draw(rt, "deadline")
	at := func() time.Time {
		if in == 0 {
			return time.Time{}
		}
		return time.Now().Add(in)
	}
	return rapid.SampledFrom([]step{
		{does: fmt.Sprintf("the library's read deadline is in %v", in), do: func(l *life) { l.conn.SetReadDeadline(at()) }},
		{does: fmt.Sprintf("the library's write deadline is in %v", in), do: func(l *life) { l.conn.SetWriteDeadline(at()) }},
	}).Draw(rt, "deadline")
}

var errHandler = errors.New("the handler failed")

func handlerReturns(rt *rapid.T, s setting) step {
	frame := rapid.SampledFrom(codes).Draw(rt, "close")
	how := rapid.SampledFrom([]struct {
		say string
		do  func() error
	}{
		{"returns nil", func() error { return nil }},
		{"returns a close " + frame.String(), func() error { return closeguard.Error(frame.Code, frame.Reason, nil) }},
		{"fails", func() error { return errHandler }},
		{"returns a context's end", func() error { return context.Canceled }},
		{"panics", func() error { panic("the handler") }},
	}).Draw(rt, "handler")
	return step{does: "the handler " + how.say, do: func(l *life) {
		if !s.serve {
			return
		}
		select {
		case l.handler <- how.do:
		default:
		}
	}}
}

// scripts makes up what happens in a life.
func scripts(s setting, crowds bool) *rapid.Generator[[]step] {
	kinds := []func(*rapid.T, setting) step{
		libraryReads, libraryReads, libraryReads, peerWrites, peerWrites, peerWrites, libraryWrites, libraryWrites,
		timePasses, timePasses, programCloses, programCloses, peerReads, peerEnds, deadlines,
	}
	if s.serve {
		kinds = append(kinds, handlerReturns)
	}
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		made := rapid.SampledFrom(kinds).Draw(rt, "step")(rt, s)
		made.atOnce = crowds && rapid.IntRange(0, 2).Draw(rt, "at once") == 0
		return made
	}), 0, 15)
}
