package gorilla_test

import (
	"context"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// A Close that the program calls right after a context ended CloseRead leaves; and so
// does the Close that the context's cause chooses.
func TestClosingAfterAContextHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *gorilla.Conn)
		want  string
		event string
	}{
		{"a Close message", nil, func(c *gorilla.Conn) {
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1013, "later"), time.Now().Add(time.Second))
		}, `1013 "later"`, "local closed 1013"},
		{"CloseWith", nil, func(c *gorilla.Conn) { c.CloseWith(context.Background(), 1013, "later") }, `1013 "later"`, "local closed 1013"},
		{"nothing", nil, func(*gorilla.Conn) {}, "EOF", "dropped"},
		{"nothing, and the cause is an Error", closeguard.Error(1013, "later", nil), func(*gorilla.Conn) {}, `1013 "later"`, "local closed 1013"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, c, p := adapter.Connect(t, closeguard.Options{})
			parent, cancel := context.WithCancelCause(t.Context())
			ctx := c.CloseRead(parent)
			p.Send(twintest.Frame(0x89, "")) // that the pong comes back shows that somebody reads
			p.SetPongHandler(func(string) error {
				cancel(tt.cause)
				return nil
			})
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				<-ctx.Done()
				tt.then(c)
			}()
			if got := p.End(); got != tt.want {
				t.Errorf("the peer saw %s, want %s", got, tt.want)
			}
			twintest.Within(t, "closing", closed)
			twintest.ExpectEvent(t, s.Event(t), tt.event)
		})
	}
}
