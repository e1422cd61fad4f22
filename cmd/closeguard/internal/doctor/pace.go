package doctor

import (
	"context"
	"time"
)

// between is the least time between two connections: at most 10 a second.
const between = 100 * time.Millisecond

// A pace spaces out connections. The zero pace lets the first one go at once.
type pace struct{ last time.Time }

// wait returns when the next connection may begin, or the context's error.
func (p *pace) wait(ctx context.Context) error {
	if !p.last.IsZero() {
		pause(ctx, between-time.Since(p.last))
	}
	p.last = time.Now()
	return ctx.Err()
}
