package coder_test

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

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

// A writing is a method that writes: what is needed before the end, and the call.
type writing struct {
	name  string
	begin func(t *testing.T, c *coder.Conn) (write func() error)
}

var writings = []writing{
	{"Write", func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return c.Write(t.Context(), websocket.MessageText, []byte("x")) }
	}},
	{"Ping", func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return c.Ping(t.Context()) }
	}},
	{"Writer", func(t *testing.T, c *coder.Conn) func() error {
		return func() error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				return err
			}
			return w.Close()
		}
	}},
	{"the writer's Write", func(t *testing.T, c *coder.Conn) func() error {
		w, err := c.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Error(err)
		}
		part := make([]byte, 16<<10) // more than the library buffers
		return func() error {
			_, err := w.Write(part)
			return err
		}
	}},
	{"the writer's Close", func(t *testing.T, c *coder.Conn) func() error {
		w, err := c.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Error(err)
		}
		return w.Close
	}},
	{"wsjson.Write", func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return wsjson.Write(t.Context(), c, "x") }
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
				e.end(t, c, p, byte(websocket.MessageText))
				within(t, "Read", read)
				if m.name != "the writer's Close" { // it can be closed once
					expectEvent(t, untilError(write), e.want)
				}

				c.CloseNow()
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
func TestABlockedWriteReturnsTheEvent(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, c *coder.Conn, p *peer)
		want string
	}{
		{"Abort", func(_ *testing.T, c *coder.Conn, _ *peer) { c.Abort() }, "dropped"},
		{"a reset", func(_ *testing.T, _ *coder.Conn, p *peer) { p.reset() }, "dropped"},
		{"a limit of our Close", func(t *testing.T, c *coder.Conn, _ *peer) { go c.CloseWith(t.Context(), 4000, "") }, "dropped"},
		{"CloseNow", func(_ *testing.T, c *coder.Conn, _ *peer) { c.CloseNow() }, "dropped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, p := connectOver(t, closetest.Listen(), closeguard.Options{})
				written := make(chan error, 1)
				message := make([]byte, 100) // too short to be compressed
				go func() {
					written <- untilError(func() error { return c.Write(t.Context(), websocket.MessageBinary, message) })
				}()
				synctest.Wait() // the writer is stuck
				tt.end(t, c, p)
				expectEvent(t, within(t, "Write", written), tt.want)
				c.CloseNow()
				expectEvent(t, s.event(t), tt.want)
			})
		})
	}
}

// A Close that must not be sent is an error before anything is: the connection
// is as good as before.
func TestAnIllegalCloseIsAnError(t *testing.T) {
	type sender func(c *coder.Conn, code int, reason string) error
	senders := map[string]sender{
		"CloseWith": func(c *coder.Conn, code int, reason string) error {
			return c.CloseWith(context.Background(), closeguard.Code(code), reason)
		},
		"Close": func(c *coder.Conn, code int, reason string) error {
			return c.Close(websocket.StatusCode(code), reason)
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
			{"a reason of 124 bytes", 1000, strings.Repeat("x", 124), "reason length"},
			{"a reason that is not UTF-8", 1000, "\xff", "reason UTF-8"},
		} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := connect(t, closeguard.Options{})
				err := send(c, tt.code, tt.reason)
				var fe *closeguard.FrameError
				if !errors.As(err, &fe) || fe.Rule != tt.rule {
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
func expectEcho(t *testing.T, c *coder.Conn, p *peer) {
	t.Helper()
	p.send(frame(0x81, "ping?"))
	_, message, err := c.Read(t.Context())
	if err != nil || string(message) != "ping?" {
		t.Errorf("read %q, %v", message, err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("pong!")); err != nil {
		t.Error(err)
	}
	p.expect("pong!")
}

// A call that fails by itself leaves the connection as it was, and no trace in
// the event of its end, whenever that comes.
func TestErrorsOfOneCallStayWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(t *testing.T, c *coder.Conn) error
		want func(error) bool
	}{
		{"a value that has no JSON", func(t *testing.T, c *coder.Conn) error {
			return wsjson.Write(t.Context(), c, func() {})
		}, in[*json.UnsupportedTypeError]},
		{"a writer that is closed", func(t *testing.T, c *coder.Conn) error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Error(err)
			}
			w.Close()
			return w.Close()
		}, says("writer already closed")},
		{"a context that ends while another writer is busy", func(t *testing.T, c *coder.Conn) error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Error(err)
			}
			defer w.Close()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return c.Write(ctx, websocket.MessageText, nil)
		}, says("failed to acquire lock: context canceled")},
		{"a context that ends while a pong is awaited", func(t *testing.T, c *coder.Conn) error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			return c.Ping(ctx)
		}, says("failed to wait for pong: context deadline exceeded")},
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
	if err := wsjson.Write(t.Context(), c, func() {}); kind(err) != "open" || !in[*json.UnsupportedTypeError](err) {
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

// Any number of goroutines may write; each waits for the writer before it.
func TestWritersTakeTurns(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	const writers, messages = 4, 50
	for range writers {
		go func() {
			for range messages {
				w, err := c.Writer(t.Context(), websocket.MessageText)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(w, "one ")
				io.WriteString(w, "message")
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range writers * messages {
		p.expect("one message")
	}
	c.Abort()
	expectEvent(t, s.event(t), "dropped")
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
		err = c.Write(t.Context(), websocket.MessageText, nil)
		expectEvent(t, err, "peer closed 4000")
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Write after it: %v isn't net.ErrClosed", err)
		}
		p.Close()
		s.event(t)
	}
}
