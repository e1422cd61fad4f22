package coder_test

import (
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
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// JSON that can't be decoded ends the connection: the library closes it then.
func TestBrokenJSONClosesWith1007(t *testing.T) {
	for name, bad := range map[string]string{"broken": `{"a":1]`, "half of a value": `{"a":`, "no value": ""} {
		t.Run(name, func(t *testing.T) {
			read := make(chan error, 1)
			s := adapter.Handle(t, closeguard.Options{}, func(_ *http.Request, c *coder.Conn) error {
				err := readJSON(c)
				read <- err
				return err
			})
			p := s.Dial(t)
			p.Send(twintest.Frame(0x81, bad))
			if got := p.End(); got != `1007 "failed to unmarshal JSON"` {
				t.Errorf("the peer saw %s", got)
			}
			err := twintest.Within(t, "wsjson.Read", read)
			twintest.ExpectEvent(t, err, "local closed 1007")
			ev := s.Event(t)
			twintest.ExpectEvent(t, ev, "local closed 1007")
			for _, err := range []error{err, ev} {
				if !twintest.In[*json.SyntaxError](err) {
					t.Errorf("there is no *json.SyntaxError in %v", err)
				}
			}
			if !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

// A context that ends during a call closes the connection, as in the library;
// nobody meant to close it, so no Close is made up: the peer sees the same end
// as on a bare connection.
func TestAContextEndsTheConnectionWithoutAClose(t *testing.T) {
	bare := twintest.Start(t, nil, closeguard.Options{}, func(*closeguard.Guard) http.Handler {
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
	want := bare.Dial(t).End()

	s, c, p := adapter.Connect(t, closeguard.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(ctx)
		read <- err
	}()
	p.Send(twintest.Frame(0x89, "")) // that the pong comes back shows that somebody reads
	p.SetPongHandler(func(string) error { cancel(); return nil })
	if got := p.End(); got != want || want != "EOF" {
		t.Errorf("the peer saw %s guarded and %s bare, want EOF", got, want)
	}
	if err := twintest.Within(t, "Read", read); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not %v", err, context.Canceled)
	}
	ev := s.Event(t)
	twintest.ExpectEvent(t, ev, "dropped")
	if end := ev.End(); end.Sent != nil || end.Intended != nil || !errors.Is(ev, context.Canceled) {
		t.Errorf("event %v with sent %v, intended %v", ev, end.Sent, end.Intended)
	}
}

// Do is for functions that take the library's connection.
func TestDo(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	p.Send(twintest.Frame(0x82, "some bytes"), twintest.Frame(0x88, twintest.ClosePayload(4000, "")))
	var b []byte
	err := c.Do(t.Context(), func(ws *websocket.Conn) (err error) {
		b, err = io.ReadAll(websocket.NetConn(t.Context(), ws, websocket.MessageBinary))
		return err
	})
	twintest.ExpectEvent(t, err, "peer closed 4000")
	if string(b) != "some bytes" {
		t.Errorf("read %q", b)
	}
	twintest.ExpectEvent(t, s.Event(t), "peer closed 4000")
}

// A reader at the wrong time is not the end.
func TestReadingBeforeTheLastMessageIsRead(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	p.Send(twintest.Frame(0x01, "a part"))
	_, r, err := c.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Reader(t.Context()); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("got %v, want the library's error", err)
	}
	p.Send(twintest.Frame(0x80, ", the rest"), twintest.Frame(0x88, twintest.ClosePayload(1000, "")))
	if b, err := io.ReadAll(r); string(b) != "a part, the rest" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	twintest.ExpectEvent(t, readMessage(c), "peer closed 1000")
	if ev := s.Event(t); ev.End().Err != nil {
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
