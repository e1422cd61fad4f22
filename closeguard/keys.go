package closeguard

import (
	"context"
	"slices"

	"github.com/closeguard/ws/closeguard/cause"
)

// SetKeys sets the keys by which [Guard.CloseKey] finds the connection, such as
// "user:42", in place of those it had. It may be called before the 101; after the end
// it changes nothing.
func (h *Handle) SetKeys(keys ...string) {
	if h != nil {
		h.link.guard.setKeys(h.link, keys)
	}
}

func (g *Guard) setKeys(l *link, keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.ended.final() || l.phase == phasePassthrough {
		return // nobody would take them out again
	}
	g.unkey(l)
	if l.labels == nil && len(keys) == 0 {
		return
	}
	l.needLabels().keys = slices.Clone(keys)
	for _, k := range l.labels.keys {
		if g.keys[k] == nil {
			g.keys[k] = make(map[*link]struct{})
		}
		g.keys[k][l] = struct{}{}
	}
}

// unkey makes a connection one that no key finds, with the guard's mu held. Its events
// still tell the keys.
func (g *Guard) unkey(l *link) {
	if l.labels == nil {
		return
	}
	for _, k := range l.labels.keys {
		delete(g.keys[k], l)
		if len(g.keys[k]) == 0 {
			delete(g.keys, k)
		}
	}
}

// CloseKey closes all open connections that have the key with the frame, and
// waits until they have ended, their handlers have returned and the observers
// know; a handler or an observer that calls it waits for the end of TCP only. It
// costs what these connections cost. A frame that may not be sent is a
// *[FrameError], and nothing is closed. The causes of the endings are [ErrKicked].
//
// When ctx ends, CloseKey returns the context's cause, and the closing handshakes
// go on. If that cause is [ErrAborted], as [context.WithTimeoutCause] can make it,
// what is left is aborted, and the error is an *[AbortedError].
func (g *Guard) CloseKey(ctx context.Context, key string, frame CloseFrame) (Report, error) {
	if err := frame.Validate(Server); err != nil {
		return Report{}, err
	}
	g.mu.Lock()
	links := make([]*link, 0, len(g.keys[key]))
	for l := range g.keys[key] {
		links = append(links, l)
	}
	g.mu.Unlock()
	return g.kick(ctx, links, frame)
}

// CloseFunc is [Guard.CloseKey] for all open connections that match, which it
// asks one after the other.
func (g *Guard) CloseFunc(ctx context.Context, match func(ConnInfo) bool, frame CloseFrame) (Report, error) {
	if match == nil {
		return Report{}, errNilMatch
	}
	if err := frame.Validate(Server); err != nil {
		return Report{}, err
	}
	var links []*link
	for _, l := range g.all() {
		l.mu.Lock()
		info, open := l.info().clone(), l.machine().Record().Open()
		l.mu.Unlock()
		if open && match(info) {
			links = append(links, l)
		}
	}
	return g.kick(ctx, links, frame)
}

func (g *Guard) kick(ctx context.Context, links []*link, frame CloseFrame) (Report, error) {
	r := newRound(g, cause.Kicked, isWithin(ctx))
	r.joinAll(links)
	r.sealed()
	send := g.sender()
	defer func() {
		for _, l := range links { // are left if a transport has ended this goroutine
			g.writers.Do(func() { r.close(l, frame) })
		}
	}()
	for len(links) > 0 {
		l := links[0]
		links = links[1:]
		send(func() bool { return r.close(l, frame) })
	}
	return r.wait(ctx)
}
