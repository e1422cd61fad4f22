package gorilla_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// A writing is a method that writes: what is needed before the end, and the call.
type writing struct {
	name  string
	begin func(t *testing.T, c *gorilla.Conn) (write func() error)
}

var writings = []writing{
	{"WriteMessage", func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteMessage(websocket.TextMessage, []byte("x")) }
	}},
	{"WriteControl", func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteControl(websocket.PingMessage, nil, time.Time{}) }
	}},
	{"WritePreparedMessage", func(t *testing.T, c *gorilla.Conn) func() error {
		pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("x"))
		if err != nil {
			t.Error(err)
		}
		return func() error { return c.WritePreparedMessage(pm) }
	}},
	{"NextWriter", func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				return err
			}
			return w.Close()
		}
	}},
	{"the writer's Write", func(t *testing.T, c *gorilla.Conn) func() error {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Error(err)
		}
		part := make([]byte, 16<<10) // more than the library buffers
		return func() error {
			_, err := w.Write(part)
			return err
		}
	}},
	{"the writer's Close", func(t *testing.T, c *gorilla.Conn) func() error {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Error(err)
		}
		return w.Close
	}},
	{"WriteJSON", func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteJSON("x") }
	}},
}

// Whatever ends a connection, every writing method returns the close event.
func TestTerminalWriteErrorsAreCloseEvents(t *testing.T) {
	opts := closeguard.Options{CloseIdle: 50 * time.Millisecond}
	for _, m := range writings {
		for _, e := range endings {
			if e.half {
				continue // the peer may still read
			}
			t.Run(m.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := connect(t, opts)
				if e.before != nil {
					e.before(c)
				}
				write := m.begin(t, c)
				read := make(chan error, 1)
				go func() { read <- readMessage(c) }()
				e.end(t, c, p, websocket.TextMessage)
				within(t, "ReadMessage", read)
				if m.name != "the writer's Close" { // it can be closed once
					expectEvent(t, untilError(write), e.want)
				}

				c.Close()
				within(t, "Done", c.Done())
				err := untilError(write)
				expectEvent(t, err, e.want)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("begun after the end: %v, want it to be net.ErrClosed", err)
				}
				expectEvent(t, s.event(t), e.want)
			})
		}
	}
}

// untilError repeats a call: the first one after a reset may still succeed.
func untilError(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
	}
}

// A writer that is stuck, because the peer doesn't read, is woken by the end.
// After a bare close it can't be known at once whether a Close will leave.
func TestABlockedWriteReturnsTheEvent(t *testing.T) {
	for _, tt := range []struct {
		name        string
		end         func(t *testing.T, c *gorilla.Conn, p *peer)
		want, event string
	}{
		{"Abort", func(_ *testing.T, c *gorilla.Conn, _ *peer) { c.Abort() }, "dropped", "dropped"},
		{"a reset", func(_ *testing.T, _ *gorilla.Conn, p *peer) { p.reset() }, "dropped", "dropped"},
		{"a limit of our Close", func(t *testing.T, c *gorilla.Conn, _ *peer) { go c.CloseWith(t.Context(), 4000, "") }, "dropped", "dropped"},
		{"a bare close", func(_ *testing.T, c *gorilla.Conn, _ *peer) { c.Close() }, "open", "dropped"},
		{"a bare close, and the peer reads on", func(_ *testing.T, c *gorilla.Conn, p *peer) {
			c.Close()
			go func() {
				for _, _, err := p.ReadMessage(); err == nil; _, _, err = p.ReadMessage() {
				}
			}()
		}, "local closed 1001", "local closed 1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, p := connectOver(t, closetest.Listen(), closeguard.Options{})
				c.EnableWriteCompression(false)
				written := make(chan error, 1)
				go func() {
					written <- untilError(func() error { return c.WriteMessage(websocket.BinaryMessage, make([]byte, 10_000)) })
				}()
				synctest.Wait() // the writer is stuck
				tt.end(t, c, p)
				err := within(t, "WriteMessage", written)
				if kind(err) != tt.want || tt.want == "open" && !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %v, want the event %s", err, tt.want)
				}
				c.Close()
				expectEvent(t, s.event(t), tt.event)
			})
		})
	}
}

// A Close that must not be sent is an error before anything is: the connection
// is as good as before.
func TestAnIllegalCloseIsAnError(t *testing.T) {
	type sender func(c *gorilla.Conn, code int, reason string) error
	senders := map[string]sender{
		"CloseWith": func(c *gorilla.Conn, code int, reason string) error {
			return c.CloseWith(context.Background(), closeguard.Code(code), reason)
		},
		"WriteControl": func(c *gorilla.Conn, code int, reason string) error {
			return c.WriteControl(websocket.CloseMessage, []byte(closePayload(code, reason)), time.Time{})
		},
		"WriteMessage": func(c *gorilla.Conn, code int, reason string) error {
			return c.WriteMessage(websocket.CloseMessage, []byte(closePayload(code, reason)))
		},
		"NextWriter": func(c *gorilla.Conn, code int, reason string) error {
			w, err := c.NextWriter(websocket.CloseMessage)
			if err != nil {
				return err
			}
			io.WriteString(w, closePayload(code, reason))
			return w.Close()
		},
	}
	for name, send := range senders {
		for _, tt := range []struct {
			name   string
			code   int
			reason string
			rule   string
		}{
			{"code 0", 0, "", "close code"},
			{"code 999", 999, "", "close code"},
			{"code 1004", 1004, "", "close code"},
			{"code 1006", 1006, "", "close code"},
			{"code 1010 from a server", 1010, "", "close code"},
			{"code 1015", 1015, "", "close code"},
			{"code 2999", 2999, "", "close code"},
			{"code 5000", 5000, "", "close code"},
			{"code 70000", 70000, "", "close code"},
			{"a reason of 124 bytes", 1000, strings.Repeat("x", 124), ""}, // the rule is the reason's or the payload's
			{"a reason that is not UTF-8", 1000, "\xff", "reason UTF-8"},
		} {
			if tt.code > 65535 && name != "CloseWith" {
				continue // there is no such payload
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := connect(t, closeguard.Options{})
				err := send(c, tt.code, tt.reason)
				var fe *closeguard.FrameError
				if !errors.As(err, &fe) || tt.rule != "" && fe.Rule != tt.rule {
					t.Errorf("got %v, want a *FrameError for the rule %q", err, tt.rule)
				}
				expectEcho(t, c, p)
				go func() { p.end() }()
				if err := c.CloseWith(t.Context(), 1000, "legal"); err != nil {
					t.Error(err)
				}
				if ev := s.event(t); kind(ev) != "local closed 1000" || ev.End().Intended != nil {
					t.Errorf("event %v", ev)
				}
			})
		}
	}
}

// expectEcho sends a message each way and expects no other frame.
func expectEcho(t *testing.T, c *gorilla.Conn, p *peer) {
	t.Helper()
	p.send(frame(0x81, "ping?"))
	_, message, err := c.ReadMessage()
	if err != nil || string(message) != "ping?" {
		t.Errorf("read %q, %v", message, err)
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("pong!")); err != nil {
		t.Error(err)
	}
	p.expect("pong!")
}

// A prepared Close can't be looked into: the guard repairs it on the wire.
func TestAnIllegalPreparedCloseIsRepaired(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	pm, err := websocket.NewPreparedMessage(websocket.CloseMessage, []byte(closePayload(1006, "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WritePreparedMessage(pm); err != nil {
		t.Error(err)
	}
	if got := p.end(); got != "1001" {
		t.Errorf("the peer saw %s, want 1001", got)
	}
	c.Close()
	if end := s.event(t).End(); end.Intended == nil || end.Intended.Code != 1006 {
		t.Errorf("intended %v, want 1006", end.Intended)
	}
}

// A call that fails by itself leaves the connection as it was, and no trace in
// the event of its end, whenever that comes.
func TestErrorsOfOneCallStayWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(t *testing.T, c *gorilla.Conn) error
		want func(error) bool
	}{
		{"a value that has no JSON", func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteJSON(func() {})
		}, in[*json.UnsupportedTypeError]},
		{"a ping that is too long", func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteControl(websocket.PingMessage, make([]byte, 126), time.Time{})
		}, says("invalid control frame")},
		{"no kind of message", func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteMessage(99, nil)
		}, says("bad write message type")},
		{"a writer that is closed", func(t *testing.T, c *gorilla.Conn) error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				t.Error(err)
			}
			w.Close()
			return w.Close()
		}, says("write closed")},
		{"a deadline that has passed", func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteControl(websocket.PingMessage, nil, time.Unix(1, 0))
		}, says("timeout")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, p := connect(t, closeguard.Options{})
			if err := tt.call(t, c); !tt.want(err) || kind(err) != "open" {
				t.Errorf("got %T %v", err, err)
			}
			p.send(frame(0x88, closePayload(1001, "")))
			expectEvent(t, readMessage(c), "peer closed 1001")
			if ev := s.event(t); kind(ev) != "peer closed 1001" || ev.End().Err != nil {
				t.Errorf("event %v, want one without a cause", ev)
			}
		})
	}
}

// So does a value that has no JSON, also when the peer's Close is with the
// library already.
func TestAValueWithoutJSONBeforeAClose(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	p.send(frame(0x81, "last"), frame(0x88, closePayload(1001, "")))
	if err := readMessage(c); err != nil {
		t.Error(err)
	}
	if err := c.WriteJSON(func() {}); kind(err) != "open" || !in[*json.UnsupportedTypeError](err) {
		t.Errorf("got %v, want a *json.UnsupportedTypeError and no event", err)
	}
	expectEvent(t, readMessage(c), "peer closed 1001")
	if ev := s.event(t); kind(ev) != "peer closed 1001" || ev.End().Err != nil {
		t.Errorf("event %v, want one without a cause", ev)
	}
}

func says(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

// Once a call has returned the end, the next one comes after it: whether its error is
// net.ErrClosed doesn't depend on whether TCP is closed by then.
func TestACallAfterTheEnd(t *testing.T) {
	for range 20 {
		s, c, p := connect(t, closeguard.Options{})
		p.send(frame(0x88, closePayload(4000, "")), frame(0x81, "more")) // the guard waits for the end of TCP
		err := readMessage(c)
		expectEvent(t, err, "peer closed 4000")
		if errors.Is(err, net.ErrClosed) {
			t.Errorf("the Read that tells of it: %v is net.ErrClosed", err)
		}
		err = c.WriteMessage(websocket.TextMessage, nil)
		expectEvent(t, err, "peer closed 4000")
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Write after it: %v isn't net.ErrClosed", err)
		}
		p.Close()
		s.event(t)
	}
}
