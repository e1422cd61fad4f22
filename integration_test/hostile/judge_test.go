package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// judge holds what was told of all connections against their records.
func (c *crowd) judge() {
	records := c.recorder.All()
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, of := range c.connections {
		of.mu.Lock()
		of.record = records[path]
		misfits := append(of.misfits, c.misfits(of, records[path])...)
		c.count(of)
		of.mu.Unlock()
		if len(misfits) > 0 {
			c.wrongs(of, misfits)
		}
	}
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	c.came += len(c.connections)
	c.crowds++
}

// misfits is what is wrong with one connection.
func (c *crowd) misfits(of *connection, r *record.Record) (all []string) {
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if of.script.bare {
		if of.opened == 0 && len(of.closed) == 0 && (of.peer == nil || !of.peer.in.Begun) {
			return nil
		}
	} else if r == nil || !r.Switched() {
		if of.opened+len(of.closed) > 0 && (r == nil || !hidden(of, r)) {
			complain("%d opened, %v, and no 101 left", of.opened, of.closed)
		}
		want := 0
		if r != nil && !of.script.open.page && len(of.closed) == 0 {
			want = 1 // the whole request was read
		}
		if len(of.refused) != want {
			complain("%d times refused, and no 101 left", len(of.refused))
		}
		return all
	}
	if of.opened != 1 || len(of.closed) != 1 || len(of.refused) > 0 {
		complain("%d opened, %d close events %v, refused %v; want one Opened and one close event", of.opened, len(of.closed), of.closed, of.refused)
		return all
	}
	ev := of.closed[0]
	if r != nil {
		all = r.Misfits(ev, func(_, ours *rawpeer.Frame) (peer, server bool) {
			return of.peer.answered(), ours.CloseCode() >= peersCodes
		})
	}
	all = append(all, of.peer.misfits(ev)...)
	end := ev.End()
	for _, own := range causes {
		if errors.Is(ev, own.cause) && !own.may(c, of) {
			complain("%s can't be the cause", own.word)
		}
	}
	all = append(all, c.late(of, r)...)
	if p := (*closeguard.PanicError)(nil); errors.As(ev, &p) && of.script.habit.words != "panics" {
		complain("nobody panicked")
	}
	if info := end.ConnInfo; info.Number != of.info.Number || info.Role != closeguard.Server || !info.Guarded || info.Path != of.path || info.Remote != of.peer.tcp.LocalAddr().String() {
		complain("it is told as %+v, opened as %+v", info, of.info)
	}
	if end.Duration <= 0 || end.Idle < 0 || end.Idle > end.Duration || end.Handshake < 0 || end.Handshake > end.Duration {
		complain("it took %v, idle %v, handshake %v", end.Duration, end.Idle, end.Handshake)
	}
	return all
}

// late is what has taken too long, with time for a busy machine: the end of TCP
// once our Close was out, and the event once the peer had gone.
func (c *crowd) late(of *connection, r *record.Record) (all []string) {
	const more = 4 * time.Second
	check := func(what string, from, to time.Time) {
		if took := to.Sub(from) - record.Stalls.Between(from, to); took > c.opts.CloseTimeout+more {
			all = append(all, fmt.Sprintf("%s took %v", what, took))
		}
	}
	if r != nil {
		r.Look(func(r *record.Record) {
			if r.Out.Close != nil {
				check("the closing handshake", r.Out.At, r.Closed)
			}
		})
	}
	if gone := of.peer.left(); !of.script.habit.keeps {
		check("noticing that the peer has gone", gone, of.toldAt)
	}
	return all
}

// hidden reports whether the connection has the events of one whose 101 net/http
// wrote, as it does for coder/websocket: it doesn't tell that it failed.
func hidden(of *connection, r *record.Record) (is bool) {
	r.Look(func(r *record.Record) { is = r.Out.Err != nil })
	if !is || !strings.Contains(of.path, "coder") || of.opened != 1 || len(of.closed) != 1 {
		return false
	}
	return record.KindOf(of.closed[0]) == "dropped"
}

// causes are the guard's own, in the words of the counts, and where each can be
// one.
var causes = []struct {
	cause error
	word  string
	may   func(c *crowd, of *connection) bool
}{
	{closeguard.ErrAborted, "aborted", broughtAbout(closeguard.ErrAborted)},
	{closeguard.ErrKicked, "kicked", broughtAbout(closeguard.ErrKicked)},
	{closeguard.ErrShutdown, "shut down", func(_ *crowd, of *connection) bool { return of.toldCalled }},
	{closeguard.ErrMaxAge, "too old", func(c *crowd, _ *connection) bool { return c.opts.MaxAge > 0 }},
	{closeguard.ErrIdleTimeout, "idle", func(c *crowd, _ *connection) bool { return c.opts.IdleTimeout > 0 }},
	{closeguard.ErrPingTimeout, "ping timeout", func(c *crowd, _ *connection) bool { return c.opts.PingInterval > 0 }},
	{closeguard.ErrWriteStall, "a write stalled", func(c *crowd, _ *connection) bool { return c.opts.WriteStall > 0 }},
	{closeguard.ErrEvicted, "evicted", func(c *crowd, _ *connection) bool { return c.opts.MaxClosing > 0 }},
	{closeguard.ErrCloseIdle, "no answer", always},
	{closeguard.ErrCloseTimeout, "too long", always},
	{closeguard.ErrCloseBytes, "too many bytes", always},
	{closeguard.ErrBareClose, "bare close", func(_ *crowd, of *connection) bool { return !of.script.way.handler }},
	{closeguard.ErrAbandoned, "abandoned", func(*crowd, *connection) bool { return false }},
}

func always(*crowd, *connection) bool { return true }

// broughtAbout is a cause that a habit has; coder's CloseNow without a frame
// counts as an abort.
func broughtAbout(cause error) func(*crowd, *connection) bool {
	return func(_ *crowd, of *connection) bool {
		return slices.Contains(of.script.habit.may, cause) ||
			cause == closeguard.ErrAborted && of.script.way.path == "/coder/adapter"
	}
}

// count enters a connection in the tally.
func (c *crowd) count(of *connection) {
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	for _, ev := range of.closed {
		c.endings[sortOf(ev)]++
	}
	for _, r := range of.refused {
		c.refusals[fmt.Sprintf("refused with %d", r.Status)]++
	}
	if len(of.closed)+len(of.refused) == 0 {
		c.refusals["never a request for a WebSocket, or no answer"]++
	}
}

// sortOf is what kind of ending it is: the type, and clean or the first cause.
func sortOf(ev closeguard.CloseEvent) string {
	kind := record.KindOf(ev)
	for _, own := range causes {
		if errors.Is(ev, own.cause) {
			return kind + ": " + own.word
		}
	}
	switch words := record.Told(ev); {
	case ev.Clean():
		return kind + " clean"
	case kind == "dropped" && len(words) > 0:
		return kind + ": " + strings.Join(words, " and ")
	case errors.Is(ev, os.ErrDeadlineExceeded) || errors.Is(ev, context.DeadlineExceeded):
		return kind + ": the handler's deadline"
	}
	return kind
}

// story is all that is known of a connection with which something is wrong.
func (c *connection) story(seed uint64, misfits []string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("seed %d, connection %d: %s\n\tthe guard has %s", seed, c.script.number, c.script, c.crowd)
	for _, m := range append(misfits, recordText(c.record)) {
		text += "\n\t" + m
	}
	for _, ev := range c.closed {
		text += fmt.Sprintf("\n\tevent: %v", ev)
	}
	for _, r := range c.refused {
		text += fmt.Sprintf("\n\trefused: %d, %v", r.Status, r.Err)
	}
	return text
}

func recordText(r *record.Record) string {
	if r == nil {
		return "there is no record"
	}
	return "record: " + r.Order()
}
