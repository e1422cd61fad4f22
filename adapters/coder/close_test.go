package coder_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A Close that the program calls right after a context ended its call leaves, although
// the library has closed the connection for it; and so does the Close that the
// context's cause chooses.
func TestClosingAfterAContextHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *coder.Conn)
		want  string
		event string
	}{
		{"Close", nil, func(c *coder.Conn) { c.Close(websocket.StatusTryAgainLater, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseWith", nil, func(c *coder.Conn) { c.CloseWith(context.Background(), 1013, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseNow", nil, func(c *coder.Conn) { c.CloseNow() }, "EOF", "dropped"},
		{"nothing", closeguard.Error(1013, "later", nil), func(*coder.Conn) {}, `1013 "later"`, "local closed 1013"},
	} {
		for _, call := range []struct {
			name string
			call func(ctx context.Context, c *coder.Conn) error
		}{
			{"Read", func(ctx context.Context, c *coder.Conn) error {
				_, _, err := c.Read(ctx)
				return err
			}},
			{"CloseRead", func(ctx context.Context, c *coder.Conn) error {
				ctx = c.CloseRead(ctx)
				<-ctx.Done()
				return ctx.Err()
			}},
		} {
			t.Run(tt.name+" after "+call.name, func(t *testing.T) {
				for range 10 {
					s, c, p := adapter.Connect(t, closeguard.Options{})
					ctx, cancel := context.WithCancelCause(t.Context())
					closed := make(chan struct{})
					go func() {
						defer close(closed)
						if err := call.call(ctx, c); tt.cause == nil && (!errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
							t.Errorf("the call: %v, want %v", err, context.Canceled)
						}
						tt.then(c)
					}()
					p.Send(twintest.Frame(0x89, "")) // that the pong comes back shows that somebody reads
					p.SetPongHandler(func(string) error { cancel(tt.cause); return nil })
					if got := p.End(); got != tt.want {
						t.Errorf("the peer saw %s, want %s", got, tt.want)
					}
					twintest.Within(t, "closing", closed)
					twintest.ExpectEvent(t, s.Event(t), tt.event)
				}
			})
		}
	}
}
