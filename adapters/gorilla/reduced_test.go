package gorilla_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// A call that fails by itself is not the end.
func TestReducedModeAndErrorsOfOneCall(t *testing.T) {
	s, c, p := adapter.Reduced(t, nil)
	if err := c.WriteControl(websocket.PingMessage, make([]byte, 126), time.Time{}); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("a ping that is too long: %v", err)
	}
	if err := c.WriteJSON(func() {}); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("a value that has no JSON: %v", err)
	}
	p.Expect("") // the library sends the message that it has begun
	p.Send(twintest.Frame(0x81, "{"))
	if err := c.ReadJSON(new(any)); err != io.ErrUnexpectedEOF {
		t.Errorf("half of a JSON value: %v", err)
	}
	adapter.ExpectEcho(t, c, p)
	p.Send(twintest.Frame(0x88, twintest.ClosePayload(1001, "")))
	twintest.ExpectEvent(t, readMessage(c), "peer closed 1001")
	if ev := s.Event(t); twintest.Kind(ev) != "peer closed 1001" {
		t.Errorf("event %v", ev)
	}
}

// Without the guard nobody reads on: CloseWith waits for the application to
// read the answer, for 5 s at most.
func TestReducedModeCloseWith(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reads bool
		want  string // "": nil
		takes time.Duration
	}{
		{"somebody reads", true, "", 0},
		{"nobody reads", false, "local closed 4000", 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, p := adapter.Reduced(t, closetest.Listen())
				go p.End()
				if tt.reads {
					go readMessage(c)
				}
				began := time.Now()
				err := c.CloseWith(t.Context(), 4000, "bye")
				if (err == nil) != (tt.want == "") || err != nil && twintest.Kind(err) != tt.want {
					t.Errorf("CloseWith: %v, want the event %q", err, tt.want)
				}
				if took := time.Since(began); took != tt.takes {
					t.Errorf("CloseWith took %v, want %v", took, tt.takes)
				}
				twintest.ExpectEvent(t, s.Event(t), "local closed 4000")
				c.Close()
			})
		})
	}
}

// CloseRead closes for a message that nobody expects, and reads for the answer.
func TestReducedModeCloseRead(t *testing.T) {
	s, c, p := adapter.Reduced(t, nil)
	ctx := c.CloseRead(t.Context())
	p.Send(twintest.Frame(0x81, "hello"))
	if got := p.End(); got != `1008 "unexpected data message"` {
		t.Errorf("the peer saw %s", got)
	}
	twintest.Within(t, "the context", ctx.Done())
	twintest.ExpectEvent(t, context.Cause(ctx), "local closed 1008")
	twintest.ExpectEvent(t, s.Event(t), "local closed 1008")
}

// A Close of ours that can't leave, because the peer doesn't read, doesn't keep the
// peer's from the reader: the library gives its own answer a second, too.
func TestReducedModeReadsTheCloseOfAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, p := adapter.Reduced(t, closetest.Listen())
		c.EnableWriteCompression(false)
		go c.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20))
		synctest.Wait() // the writer is stuck
		go c.WriteControl(websocket.CloseMessage, []byte(twintest.ClosePayload(1000, "")), time.Time{})
		synctest.Wait() // so is our Close
		p.Send(twintest.Frame(0x88, twintest.ClosePayload(1001, "")))
		began := time.Now()
		if err := readMessage(c); closeguard.CodeOf(err) != closeguard.GoingAway {
			t.Errorf("ReadMessage: %v, want 1001", err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("ReadMessage waited %v for our Close", took)
		}
		c.Close()
		s.Event(t)
	})
}
