package gorilla_test

import (
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// adapter is this adapter in the words of the tests that it shares with coder's.
var adapter = twintest.Adapter[*gorilla.Conn, *websocket.Conn]{
	Name:     "gorilla",
	OpenName: "Upgrade",
	Library: twintest.Library[*websocket.Conn]{
		Open: func(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
			return upgrader.Upgrade(w, r, nil)
		},
		Read: func(ws *websocket.Conn) error {
			_, _, err := ws.ReadMessage()
			return err
		},
		Close:        func(ws *websocket.Conn) { ws.Close() },
		PeerCode:     peerCode,
		TooBig:       websocket.ErrReadLimit,
		BadHandshake: websocket.ErrBadHandshake,
		NotUpgraded:  http.StatusBadRequest,
	},

	Open: func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) (*gorilla.Conn, error) {
		return gorilla.Upgrade(g, &upgrader, w, r, nil)
	},
	Handler: func(g *closeguard.Guard, f func(*http.Request, *gorilla.Conn) error) http.Handler {
		return gorilla.Handler(g, &upgrader, f)
	},
	Wrap: func(g *closeguard.Guard, _ *http.Request, ws *websocket.Conn) (*gorilla.Conn, error) {
		return gorilla.Wrap(g, ws)
	},
	FromRequest: gorilla.FromRequest,
	Dial: func(ctx context.Context, g *closeguard.Guard, url string, client *http.Client) (*gorilla.Conn, *http.Response, error) {
		var dialer *websocket.Dialer
		if client != nil {
			dialer = &websocket.Dialer{TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig}
		}
		return gorilla.Dial(ctx, g, dialer, url, nil)
	},

	Read: func(c *gorilla.Conn) (string, error) {
		_, p, err := c.ReadMessage()
		return string(p), err
	},
	ReadJSON: (*gorilla.Conn).ReadJSON,
	Write: func(c *gorilla.Conn, message string) error {
		return c.WriteMessage(websocket.TextMessage, []byte(message))
	},
	WriteJSON: (*gorilla.Conn).WriteJSON,
	WriteRaw: func(c *gorilla.Conn) error {
		c.EnableWriteCompression(false)
		return c.WriteMessage(websocket.BinaryMessage, make([]byte, 10_000))
	},
	Close: func(c *gorilla.Conn) { c.Close() },
	SendClose: func(c *gorilla.Conn) error {
		return c.WriteControl(websocket.CloseMessage, []byte(twintest.ClosePayload(1000, "mine")), time.Time{})
	},
	Within: func(c *gorilla.Conn) *websocket.Conn { return c.Conn },
	Senders: map[string]twintest.Sender[*gorilla.Conn]{
		"WriteControl": {Payload: true, Send: func(c *gorilla.Conn, code int, reason string) error {
			return c.WriteControl(websocket.CloseMessage, []byte(twintest.ClosePayload(code, reason)), time.Time{})
		}},
		"WriteMessage": {Payload: true, Send: func(c *gorilla.Conn, code int, reason string) error {
			return c.WriteMessage(websocket.CloseMessage, []byte(twintest.ClosePayload(code, reason)))
		}},
		"NextWriter": {Payload: true, Send: func(c *gorilla.Conn, code int, reason string) error {
			w, err := c.NextWriter(websocket.CloseMessage)
			if err != nil {
				return err
			}
			io.WriteString(w, twintest.ClosePayload(code, reason))
			return w.Close()
		}},
	},
	Readings: readings,
	Writings: writings,
	Messages: []twintest.BadMessage[*gorilla.Conn]{
		{Name: "broken JSON", Bad: twintest.Frame(0x81, `{"a":1]`), Read: readJSON, Want: twintest.In[*json.SyntaxError]},
		{Name: "half of a JSON value", Bad: twintest.Frame(0x81, `{"a":`), Read: readJSON, Want: isErr(io.ErrUnexpectedEOF)},
		{Name: "JSON of another type", Bad: twintest.Frame(0x81, `"text"`), Read: readJSON, Want: twintest.In[*json.UnmarshalTypeError]},
		{Name: "no JSON value", Bad: twintest.Frame(0x81, ""), Read: readJSON, Want: isErr(io.ErrUnexpectedEOF)},
		{Name: "corrupt compression", Bad: twintest.Frame(0xc1, "\xff\xff\xff\xff"), Read: readMessage, Want: twintest.In[flate.CorruptInputError]},
		{Name: "half of a compressed block", Bad: twintest.Frame(0xc1, "\x00\x64\x00\x9b\xffhalf of 100 bytes"), Read: readMessage, Want: isErr(io.ErrUnexpectedEOF)},
	},
	Failures: []twintest.Failure[*gorilla.Conn]{
		{Name: "a value that has no JSON", Call: func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteJSON(func() {})
		}, Want: twintest.In[*json.UnsupportedTypeError]},
		{Name: "a ping that is too long", Call: func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteControl(websocket.PingMessage, make([]byte, 126), time.Time{})
		}, Want: twintest.Says("invalid control frame")},
		{Name: "no kind of message", Call: func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteMessage(99, nil)
		}, Want: twintest.Says("bad write message type")},
		{Name: "a writer that is closed", Call: func(t *testing.T, c *gorilla.Conn) error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				t.Error(err)
			}
			w.Close()
			return w.Close()
		}, Want: twintest.Says("write closed")},
		{Name: "a deadline that has passed", Call: func(_ *testing.T, c *gorilla.Conn) error {
			return c.WriteControl(websocket.PingMessage, nil, time.Unix(1, 0))
		}, Want: twintest.Says("timeout")},
	},

	BareClose: twintest.Ending[*gorilla.Conn]{
		Name: "a bare close", Want: "local closed 1001", Is: closeguard.ErrBareClose,
		End: func(_ *testing.T, c *gorilla.Conn, _ *twintest.Peer, _ byte) { c.Close() },
	},
	BareCloses: []twintest.BlockedEnd[*gorilla.Conn]{
		{Name: "a bare close", End: func(_ *testing.T, c *gorilla.Conn, _ *twintest.Peer) { c.Close() }, Want: "open", Event: "dropped"},
		{Name: "a bare close, and the peer reads on", End: func(_ *testing.T, c *gorilla.Conn, p *twintest.Peer) {
			c.Close()
			go func() {
				for _, _, err := p.ReadMessage(); err == nil; _, _, err = p.ReadMessage() {
				}
			}()
		}, Want: "local closed 1001", Event: "local closed 1001"},
	},
	OwnReturns: []twintest.Return[*gorilla.Conn]{
		{Name: "the library's timeout", Want: "1001", F: func(c *gorilla.Conn) error {
			c.SetReadDeadline(time.Unix(1, 0))
			return readMessage(c)
		}},
	},
	ShowsAnswer: true,
}

func TestTwins(t *testing.T) { adapter.Run(t) }

var upgrader = websocket.Upgrader{EnableCompression: true}

func readMessage(c *gorilla.Conn) error {
	_, _, err := c.ReadMessage()
	return err
}

func readJSON(c *gorilla.Conn) error { return c.ReadJSON(new(map[string]int)) }

func isErr(target error) func(error) bool {
	return func(err error) bool { return err == target }
}

// peerCode is the code of the peer's Close that err tells of, 0 for none.
func peerCode(err error) int {
	var ce *websocket.CloseError
	if errors.As(err, &ce) {
		return ce.Code
	}
	return 0
}

var readings = []twintest.Reading[*gorilla.Conn]{
	{Name: "ReadMessage", Read: func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.ReadMessage()
		return err
	}},
	{Name: "ReadMessage inside a message", Inside: true, Read: func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.ReadMessage()
		return err
	}},
	{Name: "NextReader", Read: func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.NextReader()
		return err
	}},
	{Name: "the reader's Read", Inside: true, Read: func(_ context.Context, c *gorilla.Conn) error {
		_, r, err := c.NextReader()
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return err
	}},
	{Name: "ReadJSON", Read: func(_ context.Context, c *gorilla.Conn) error {
		return c.ReadJSON(new(any))
	}},
	{Name: "ReadJSON inside a message", Inside: true, Read: func(_ context.Context, c *gorilla.Conn) error {
		return c.ReadJSON(new(any))
	}},
}

var writings = []twintest.Writing[*gorilla.Conn]{
	{Name: "WriteMessage", Begin: func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteMessage(websocket.TextMessage, []byte("x")) }
	}},
	{Name: "WriteControl", Begin: func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteControl(websocket.PingMessage, nil, time.Time{}) }
	}},
	{Name: "WritePreparedMessage", Begin: func(t *testing.T, c *gorilla.Conn) func() error {
		pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("x"))
		if err != nil {
			t.Error(err)
		}
		return func() error { return c.WritePreparedMessage(pm) }
	}},
	{Name: "NextWriter", Begin: func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error {
			w, err := c.NextWriter(websocket.TextMessage)
			if err != nil {
				return err
			}
			return w.Close()
		}
	}},
	{Name: "the writer's Write", Begin: func(t *testing.T, c *gorilla.Conn) func() error {
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
	{Name: "the writer's Close", Once: true, Begin: func(t *testing.T, c *gorilla.Conn) func() error {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Error(err)
		}
		return w.Close
	}},
	{Name: "WriteJSON", Begin: func(_ *testing.T, c *gorilla.Conn) func() error {
		return func() error { return c.WriteJSON("x") }
	}},
}
