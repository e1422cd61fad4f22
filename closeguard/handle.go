package closeguard

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

type linkKey struct{}

// Handle leads from a request's context to its connection, also in plain
// library code. It doesn't keep the connection alive. All methods do nothing on
// a nil Handle and may be called at the same time.
type Handle struct{ link *link }

// requestContext is the context that a request came with, and in it the link.
type requestContext struct {
	context.Context
	link *link
}

// String names the context as those of package context do.
func (c *requestContext) String() string {
	if s, ok := c.Context.(fmt.Stringer); ok {
		return s.String() + ".WithConnection"
	}
	return fmt.Sprintf("%T.WithConnection", c.Context)
}

func (c *requestContext) Value(key any) any {
	if key == (linkKey{}) {
		return c.link
	}
	return c.Context.Value(key)
}

// FromContext returns the handle of the request below [Guard.Middleware] that
// ctx comes from, nil outside of one.
func FromContext(ctx context.Context) *Handle {
	if l := linkFrom(ctx); l != nil {
		return &Handle{l}
	}
	return nil
}

func linkFrom(ctx context.Context) *link {
	l, _ := ctx.Value(linkKey{}).(*link)
	return l
}

// SetAttrs adds attributes to the connection's log lines and events. Those set
// before the 101 are in the Opened event too.
func (h *Handle) SetAttrs(attrs ...slog.Attr) {
	if h == nil {
		return
	}
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	labels := h.link.needLabels()
	labels.attrs = slices.Concat(labels.attrs, attrs)
}

// CloseWith is [Conn.CloseWith]. Before the 101 it is an error.
func (h *Handle) CloseWith(ctx context.Context, code Code, reason string) error {
	if h == nil {
		return nil
	}
	return h.link.closeWith(ctx, CloseFrame{Code: code, Reason: reason})
}

// Abort is [Conn.Abort].
func (h *Handle) Abort() {
	if h != nil {
		h.link.abort()
	}
}

// Event is [Conn.Event].
func (h *Handle) Event() CloseEvent {
	if h == nil {
		return nil
	}
	return h.link.closeEvent()
}

// Done is [Conn.Done]; nil, which blocks for ever, on a nil Handle.
func (h *Handle) Done() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.link.waitDone()
}

// Claim returns the guarded connection of the request that ctx comes from, for
// an adapter whose library doesn't show its net.Conn; nil if the request is not
// below the guard. Each connection can be claimed once: a second claim is an
// error, and so is one of another guard's or before the 101.
func (g *Guard) Claim(ctx context.Context) (*Conn, error) {
	l := linkFrom(ctx)
	switch {
	case l == nil:
		return nil, nil
	case l.guard != g:
		return nil, errOtherGuard
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conn.Value()
	switch {
	case c == nil || l.phase != phaseOpen:
		return nil, errNotOpen
	case l.claimed:
		return nil, errClaimed
	}
	l.claimed = true
	return c, nil
}

// Conn returns the guarded connection, nil before it was hijacked or after the
// program dropped it.
func (h *Handle) Conn() *Conn {
	if h == nil {
		return nil
	}
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	return h.link.conn.Value()
}
