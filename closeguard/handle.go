package closeguard

import (
	"context"
	"log/slog"
)

type handleKey struct{}

// Handle leads from a request's context to its connection, also in plain
// library code. It doesn't keep the connection alive. All methods do nothing on
// a nil Handle and may be called at the same time.
type Handle struct{ link *link }

// FromContext returns the handle of the request below [Guard.Middleware] that
// ctx comes from, nil outside of one.
func FromContext(ctx context.Context) *Handle {
	h, _ := ctx.Value(handleKey{}).(*Handle)
	return h
}

// SetAttrs adds attributes to the connection's log lines and events. Those set
// before the 101 are in the Opened event too.
func (h *Handle) SetAttrs(attrs ...slog.Attr) {
	if h == nil {
		return
	}
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	old := h.link.info.Attrs
	h.link.info.Attrs = append(old[:len(old):len(old)], attrs...)
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
		h.link.abort(ErrAborted)
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
	h := FromContext(ctx)
	if h == nil {
		return nil, nil
	}
	if h.link.guard != g {
		return nil, errOtherGuard
	}
	c := h.Conn()
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	switch {
	case c == nil || h.link.phase != phaseOpen:
		return nil, errNotOpen
	case h.link.claimed:
		return nil, errClaimed
	}
	h.link.claimed = true
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
