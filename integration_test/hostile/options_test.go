package hostile

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// drawOptions makes the options of a crowd's guard: limits are short, so that
// all ends soon, and what is off by default is on now and then.
func drawOptions(random *rand.Rand) closeguard.Options {
	between := func(from, to int) time.Duration {
		return time.Duration(from+random.IntN(to-from)) * time.Millisecond
	}
	one := func(in int) bool { return random.IntN(in) == 0 }
	o := closeguard.Options{
		CloseIdle:  between(120, 500),
		CloseBytes: int64(64<<10 + random.IntN(1<<20)),
		BareClose:  []closeguard.Code{closeguard.GoingAway, closeguard.NoClose, closeguard.InternalError}[random.IntN(3)],
		ErrorLog:   slog.New(slog.DiscardHandler),
	}
	o.CloseTimeout = o.CloseIdle + between(0, 800)
	if one(3) {
		o.PingInterval = between(50, 300)
		o.PingTimeout = between(50, 300)
	}
	if one(4) {
		o.IdleTimeout = between(100, 800)
	}
	if one(3) {
		o.WriteStall = between(100, 500)
	}
	if one(4) {
		o.MaxAge = between(200, 1000)
	}
	if one(4) {
		o.MaxClosing = 1 + random.IntN(20)
	}
	if one(3) {
		o.DrainWindow = between(0, 300)
	}
	if one(6) {
		o.ShutdownFrame = func(closeguard.ConnInfo) closeguard.CloseFrame {
			return closeguard.CloseFrame{Code: closeguard.AbnormalClosure, Reason: "an illegal one"}
		}
	}
	return o
}

// optionsText is what of the options isn't as usual.
func optionsText(o closeguard.Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CloseIdle %v, CloseTimeout %v, CloseBytes %d, BareClose %d", o.CloseIdle, o.CloseTimeout, o.CloseBytes, int(o.BareClose))
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"PingInterval", o.PingInterval}, {"PingTimeout", o.PingTimeout}, {"IdleTimeout", o.IdleTimeout},
		{"WriteStall", o.WriteStall}, {"MaxAge", o.MaxAge}, {"MaxClosing", time.Duration(o.MaxClosing)}, {"DrainWindow", o.DrainWindow},
	} {
		switch {
		case d.d != 0 && d.name == "MaxClosing":
			fmt.Fprintf(&b, ", %s %d", d.name, d.d)
		case d.d != 0:
			fmt.Fprintf(&b, ", %s %v", d.name, d.d)
		}
	}
	if o.ShutdownFrame != nil {
		b.WriteString(", an illegal ShutdownFrame")
	}
	return b.String()
}

// Observe takes the events of a crowd's guard.
func (c *crowd) Observe(_ context.Context, ev closeguard.Event) {
	now, called, draining := time.Now(), c.called.Load(), false
	c.addsUp()
	select {
	case <-c.guard.Draining():
		draining = true
	default:
	}
	if _, ok := ev.(*closeguard.Progress); ok {
		return
	}
	of := c.byPath(ev.Connection().Path)
	if of == nil {
		c.Errorf("seed %d: an event of nobody: %v", c.seed, ev)
		return
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	switch ev := ev.(type) {
	case *closeguard.Opened:
		if of.opened++; len(of.closed) > 0 {
			of.misfits = append(of.misfits, "opened after it was closed")
		}
		of.info = ev.ConnInfo
	case *closeguard.Refused:
		of.refused = append(of.refused, ev)
	case closeguard.CloseEvent:
		of.closed = append(of.closed, ev)
		of.toldAt, of.toldCalled, of.toldDraining = now, called, draining
	}
}
