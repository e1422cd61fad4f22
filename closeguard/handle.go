package closeguard

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

type linkKey struct{}

// Handle is what a program does with a connection beside reading and writing. It
// leads from a request's context to its connection, also in plain library code,
// see [FromContext], and is part of each [Conn]. It doesn't keep the connection
// alive. All methods do nothing on a nil Handle and may be called at the same time.
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

// SetRoute names the connection's route in its log lines and events, for a framework
// with patterns of its own; "" changes nothing. Before the 101 it takes the place of
// Options.Route, and is in the Opened event too. What is longer than 256 bytes is cut.
func (h *Handle) SetRoute(route string) {
	if h == nil || route == "" {
		return
	}
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	h.link.route = keep(route, maxName)
}

// SetBareClose sets Options.BareClose for this connection alone: the code that is
// sent if the library closes TCP without a Close frame, or [NoClose]; 0 is what
// Options say. A code that may not be sent is a *[FrameError], and nothing changes.
func (h *Handle) SetBareClose(code Code) error {
	if h == nil {
		return nil
	}
	if code != 0 && code != NoClose {
		if err := (CloseFrame{Code: code}).Validate(h.link.role); err != nil {
			return err
		}
	}
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	h.link.bareClose = int16(code)
	return nil
}

// CloseWith sends a Close frame and waits until the connection has ended or
// ctx is done. It returns nil if the closing handshake was clean, else the
// close event; if ctx ends first, its error, and the handshake goes on. Before the
// 101 it is an error.
//
// A frame that may not be sent is a *[FrameError]: nothing is sent, and the
// connection stays as it was. If the connection is closing already, by either
// side, nothing is sent and CloseWith waits. What the peer still sends is
// discarded unless somebody reads it.
func (h *Handle) CloseWith(ctx context.Context, code Code, reason string) error {
	if h == nil {
		return nil
	}
	f := CloseFrame{Code: code, Reason: reason}
	if err := f.Validate(h.link.role); err != nil {
		return err
	}
	if !h.link.askToClose(f) {
		return errNotOpen
	}
	select {
	case <-h.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ev := h.Event(); !ev.Clean() {
		return ev
	}
	return nil
}

// Abort ends TCP at once with a reset. Nothing is sent, and what was sent and
// not yet received may be lost.
func (h *Handle) Abort() {
	if h != nil {
		h.link.abort()
	}
}

// Event returns how the connection ended as far as that is known now, nil
// while it is open.
//
// Plain library code below the middleware sees the peer's answer to a Close of the
// guard's, as Shutdown and CloseKey send, as a Close of the peer's own: to the library
// it is one. Event tells them apart, at the moment at which the library returns it:
//
//	_, _, err := ws.ReadMessage()
//	if _, ours := closeguard.FromContext(r.Context()).Event().(*closeguard.LocalClosed); ours {
//		// err holds the answer: we have closed
//	}
func (h *Handle) Event() CloseEvent {
	if h == nil {
		return nil
	}
	return h.link.closeEvent()
}

// Done is closed when the connection has ended and TCP is closed. It is nil, which
// blocks for ever, on a nil Handle.
func (h *Handle) Done() <-chan struct{} {
	if h == nil {
		return nil
	}
	return h.link.waitDone()
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
