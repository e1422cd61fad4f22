package closeguard

import "context"

// lifespan is a context that ends with the connection. It leads to nothing, so that
// whoever ends it keeps nothing alive.
type lifespan struct {
	context.Context
	end context.CancelCauseFunc
}

// connContext is a lifespan with the values of the request's context.
type connContext struct {
	context.Context // the lifespan
	values          context.Context
}

// String names the context as those of package context do.
func (c *connContext) String() string { return "closeguard.Context" }

func (c *connContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v // it is how package context finds the cause
	}
	return c.values.Value(key)
}

// Context returns a context that ends with the connection, at the same moment as
// Done: [context.Cause] is then the close event. It has the values of the request's
// context and leads to the connection, but doesn't end with the request, which a
// handler that returns ends while the connection may go on. Work for a connection
// that belongs to no handler takes it.
//
// A Context that is asked for only when the connection has ended may lack the values of
// the request's context. On a nil Handle it is [context.Background].
func (h *Handle) Context() context.Context {
	if h == nil {
		return context.Background()
	}
	l := h.link
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.needAudience()
	if a.span == nil {
		a.span = new(lifespan)
		a.span.Context, a.span.end = context.WithCancelCause(context.Background())
		if l.ended.final() {
			a.span.end(l.event(nil, false))
		}
	}
	return &connContext{a.span.Context, &requestContext{l.context(), l}}
}
