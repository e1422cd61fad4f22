package coder_test

import (
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// An ending is a way in which a connection ends, and what its event must say.
type ending struct {
	name   string
	half   bool // writing goes on
	before func(c *coder.Conn)
	end    func(t *testing.T, c *coder.Conn, p *peer, opcode byte) // opcode is that of the peer's next frame
	want   string
	is     error // what is in the tree of the observer's event
}

var endings = []ending{
	{
		name: "the peer closes", want: "peer closed 1001",
		end: func(_ *testing.T, _ *coder.Conn, p *peer, _ byte) {
			p.send(frame(0x88, closePayload(1001, "tab closed")))
		},
	},
	{
		name: "the peer closes illegally", want: "peer closed 1002",
		end: func(_ *testing.T, _ *coder.Conn, p *peer, _ byte) { p.send(frame(0x88, closePayload(1006, ""))) },
	},
	{
		name: "we close", want: "local closed 4000",
		end: func(t *testing.T, c *coder.Conn, p *peer, _ byte) {
			go c.CloseWith(t.Context(), 4000, "bye")
			if got := p.end(); got != `4000 "bye"` {
				t.Errorf("the peer saw %s", got)
			}
		},
	},
	{
		name: "we close and nobody answers", want: "local closed 4000", is: closeguard.ErrCloseIdle,
		end: func(t *testing.T, c *coder.Conn, _ *peer, _ byte) { go c.CloseWith(t.Context(), 4000, "bye") },
	},
	{
		name: "a message over the limit", want: "local closed 1009", is: errTooBig,
		before: func(c *coder.Conn) { c.SetReadLimit(8) },
		end: func(_ *testing.T, _ *coder.Conn, p *peer, opcode byte) {
			p.send(frame(0x80|opcode, `"more than it takes"`))
		},
	},
	{
		name: "an illegal frame", want: "local closed 1002",
		end: func(_ *testing.T, _ *coder.Conn, p *peer, _ byte) { p.send(frame(0x83, "")) },
	},
	{
		name: "the end of TCP", want: "dropped", half: true,
		end: func(_ *testing.T, _ *coder.Conn, p *peer, _ byte) { p.fin() },
	},
	{
		name: "a reset", want: "dropped", is: syscall.ECONNRESET,
		end: func(_ *testing.T, _ *coder.Conn, p *peer, _ byte) { p.reset() },
	},
	{
		name: "Abort", want: "dropped", is: closeguard.ErrAborted,
		end: func(_ *testing.T, c *coder.Conn, _ *peer, _ byte) { c.Abort() },
	},
	{
		name: "CloseNow", want: "dropped", is: closeguard.ErrAborted,
		end: func(_ *testing.T, c *coder.Conn, _ *peer, _ byte) { c.CloseNow() },
	},
}

// A reading is a method that reads. What its ending must not be is nil.
type reading struct {
	name   string
	inside bool // a message has begun
	read   func(ctx context.Context, c *coder.Conn) error
}

var readings = []reading{
	{"Read", false, func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}},
	{"Read inside a message", true, func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}},
	{"Reader", false, func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Reader(ctx)
		return err
	}},
	{"the reader's Read", true, func(ctx context.Context, c *coder.Conn) error {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return err
	}},
	{"wsjson.Read", false, func(ctx context.Context, c *coder.Conn) error {
		return wsjson.Read(ctx, c, new(any))
	}},
	{"wsjson.Read inside a message", true, func(ctx context.Context, c *coder.Conn) error {
		return wsjson.Read(ctx, c, new(any))
	}},
}

// Whatever ends a connection, every reading method returns the close event,
// of the same type as the observer's.
func TestTerminalReadErrorsAreCloseEvents(t *testing.T) {
	opts := closeguard.Options{CloseIdle: 50 * time.Millisecond}
	for _, m := range readings {
		for _, e := range endings {
			if m.name == "Reader" && e.name == "a message over the limit" {
				continue // only its reader meets the limit
			}
			t.Run(m.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := connect(t, opts)
				if e.before != nil {
					e.before(c)
				}
				opcode := byte(websocket.MessageText)
				if m.inside {
					p.send(frame(opcode, `"x`))
					opcode = 0
				}
				read := make(chan error, 1)
				go func() { read <- m.read(t.Context(), c) }()
				e.end(t, c, p, opcode)
				expectEvent(t, within(t, m.name, read), e.want)

				c.CloseNow()
				within(t, "Done", c.Done())
				err := m.read(t.Context(), c)
				expectEvent(t, err, e.want)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("begun after the end: %v, want it to be net.ErrClosed", err)
				}
				ev := s.event(t)
				expectEvent(t, ev, e.want)
				if e.is != nil && !errors.Is(ev, e.is) {
					t.Errorf("%v is not %v", ev, e.is)
				}
			})
		}
	}
}

func expectEvent(t *testing.T, err error, want string) {
	t.Helper()
	if _, ok := err.(closeguard.CloseEvent); !ok || kind(err) != want {
		t.Errorf("got %T %v, want the event %s", err, err, want)
	}
}

// What concerns one message only stays what it is, also when the peer's Close
// is with the library already, and the next message is read.
func TestErrorsOfOneMessageStayWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  []byte
		want func(error) bool
	}{
		{"corrupt compression", frame(0xc1, "\xff\xff\xff\xff"), in[flate.CorruptInputError]},
	} {
		for _, closing := range []bool{false, true} {
			name := tt.name
			if closing {
				name += " before a Close"
			}
			t.Run(name, func(t *testing.T) {
				s, c, p := connect(t, closeguard.Options{})
				good, end := frame(0x81, `{"a":1}`), frame(0x88, closePayload(1000, ""))
				if closing {
					p.send(tt.bad, good, end)
				} else {
					p.send(tt.bad)
				}
				if err := readMessage(c); !tt.want(err) || kind(err) != "open" {
					t.Errorf("got %T %v", err, err)
				}
				if !closing {
					p.send(good, end)
				}
				if err := readJSON(c); err != nil {
					t.Errorf("the next message: %v", err)
				}
				if err := readMessage(c); kind(err) != "peer closed 1000" {
					t.Errorf("the peer's Close: %v", err)
				}
				if ev := s.event(t); kind(ev) != "peer closed 1000" || ev.End().Err != nil {
					t.Errorf("event %v, want one without a cause", ev)
				}
			})
		}
	}
}

// JSON that can't be decoded ends the connection: the library closes it then.
func TestBrokenJSONClosesWith1007(t *testing.T) {
	for name, bad := range map[string]string{"broken": `{"a":1]`, "half of a value": `{"a":`, "no value": ""} {
		t.Run(name, func(t *testing.T) {
			read := make(chan error, 1)
			s := handle(t, closeguard.Options{}, func(_ *http.Request, c *coder.Conn) error {
				err := readJSON(c)
				read <- err
				return err
			})
			p := dial(t, s)
			p.send(frame(0x81, bad))
			if got := p.end(); got != `1007 "failed to unmarshal JSON"` {
				t.Errorf("the peer saw %s", got)
			}
			err := within(t, "wsjson.Read", read)
			expectEvent(t, err, "local closed 1007")
			ev := s.event(t)
			expectEvent(t, ev, "local closed 1007")
			for _, err := range []error{err, ev} {
				if !in[*json.SyntaxError](err) {
					t.Errorf("there is no *json.SyntaxError in %v", err)
				}
			}
			if !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

func readMessage(c *coder.Conn) error {
	_, _, err := c.Read(context.Background())
	return err
}

func readJSON(c *coder.Conn) error {
	return wsjson.Read(context.Background(), c, new(map[string]int))
}

// in reports whether there is a T in err's tree.
func in[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// A context that ends during a call closes the connection, as in the library;
// nobody meant to close it, so no Close is made up: the peer sees the same end
// as on a bare connection.
func TestAContextEndsTheConnectionWithoutAClose(t *testing.T) {
	bare := start(t, nil, closeguard.Options{}, func(*closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &options)
			if err != nil {
				return
			}
			ctx, cancel := context.WithCancel(r.Context())
			time.AfterFunc(time.Millisecond, cancel)
			ws.Read(ctx)
		})
	})
	want := dial(t, bare).end()

	s, c, p := connect(t, closeguard.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(ctx)
		read <- err
	}()
	p.send(frame(0x89, "")) // that the pong comes back shows that somebody reads
	p.SetPongHandler(func(string) error { cancel(); return nil })
	if got := p.end(); got != want || want != "EOF" {
		t.Errorf("the peer saw %s guarded and %s bare, want EOF", got, want)
	}
	if err := within(t, "Read", read); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not %v", err, context.Canceled)
	}
	ev := s.event(t)
	expectEvent(t, ev, "dropped")
	if end := ev.End(); end.Sent != nil || end.Intended != nil || !errors.Is(ev, context.Canceled) {
		t.Errorf("event %v with sent %v, intended %v", ev, end.Sent, end.Intended)
	}
}

// Translate is for errors of the library that came past the Conn.
func TestTranslate(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	foreign := errors.New("foreign")
	if err := c.Translate(foreign); err != foreign {
		t.Errorf("on an open connection: %v, want the error itself", err)
	}
	p.send(frame(0x88, closePayload(1001, "")))
	_, _, err := c.Conn.Read(t.Context())
	expectEvent(t, c.Translate(err), "peer closed 1001")
	if err := c.Translate(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	expectEvent(t, s.event(t), "peer closed 1001")
}

// Do is for functions that take the library's connection.
func TestDo(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	p.send(frame(0x82, "some bytes"), frame(0x88, closePayload(4000, "")))
	var b []byte
	err := c.Do(t.Context(), func(ws *websocket.Conn) (err error) {
		b, err = io.ReadAll(websocket.NetConn(t.Context(), ws, websocket.MessageBinary))
		return err
	})
	expectEvent(t, err, "peer closed 4000")
	if string(b) != "some bytes" {
		t.Errorf("read %q", b)
	}
	expectEvent(t, s.event(t), "peer closed 4000")
}

// A reader at the wrong time is not the end.
func TestReadingBeforeTheLastMessageIsRead(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	p.send(frame(0x01, "a part"))
	_, r, err := c.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Reader(t.Context()); err == nil || kind(err) != "open" {
		t.Errorf("got %v, want the library's error", err)
	}
	p.send(frame(0x80, ", the rest"), frame(0x88, closePayload(1000, "")))
	if b, err := io.ReadAll(r); string(b) != "a part, the rest" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	expectEvent(t, readMessage(c), "peer closed 1000")
	if ev := s.event(t); ev.End().Err != nil {
		t.Errorf("the cause is %v, want none", ev.End().Err)
	}
}

// CloseStatus gives the answer that it gives on a bare connection.
func TestCloseStatus(t *testing.T) {
	for _, e := range []struct {
		name string
		err  error // as on a bare connection
		want websocket.StatusCode
	}{
		{"the peer closes", fmt.Errorf("failed to get reader: %w", websocket.CloseError{Code: 1001}), 1001},
		{"the end of TCP", io.EOF, -1},
		{"a reset", syscall.ECONNRESET, -1},
		{"we have closed", net.ErrClosed, -1},
	} {
		t.Run(e.name, func(t *testing.T) {
			for name, err := range map[string]error{"bare": e.err, "guarded": &closeguard.PeerClosed{Ending: closeguard.Ending{Err: e.err}}} {
				if got := websocket.CloseStatus(err); got != e.want {
					t.Errorf("%s: CloseStatus = %d, want %d", name, got, e.want)
				}
			}
		})
	}
}
