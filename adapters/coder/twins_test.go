package coder_test

import (
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// adapter is this adapter in the words of the tests that it shares with gorilla's.
var adapter = twintest.Adapter[*coder.Conn, *websocket.Conn]{
	Name:     "coder",
	OpenName: "Accept",
	Library: twintest.Library[*websocket.Conn]{
		Open: func(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
			return websocket.Accept(w, r, &options)
		},
		Read: func(ws *websocket.Conn) error {
			_, _, err := ws.Read(context.Background())
			return err
		},
		Close:       func(ws *websocket.Conn) { ws.CloseNow() },
		PeerCode:    peerCode,
		TooBig:      errTooBig,
		NotUpgraded: http.StatusUpgradeRequired,
	},

	Open: func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) (*coder.Conn, error) {
		return coder.Accept(g, w, r, &options)
	},
	Handler: func(g *closeguard.Guard, f func(*http.Request, *coder.Conn) error) http.Handler {
		return coder.Handler(g, &options, f)
	},
	Wrap:        coder.Wrap,
	FromRequest: coder.FromRequest,
	Dial: func(ctx context.Context, g *closeguard.Guard, url string, client *http.Client) (*coder.Conn, *http.Response, error) {
		var opts *websocket.DialOptions
		if client != nil {
			opts = &websocket.DialOptions{HTTPClient: client}
		}
		return coder.Dial(ctx, g, url, opts)
	},

	Read: func(c *coder.Conn) (string, error) {
		_, p, err := c.Read(context.Background())
		return string(p), err
	},
	ReadJSON: func(c *coder.Conn, v any) error { return wsjson.Read(context.Background(), c, v) },
	Write: func(c *coder.Conn, message string) error {
		return c.Write(context.Background(), websocket.MessageText, []byte(message))
	},
	WriteJSON: func(c *coder.Conn, v any) error { return wsjson.Write(context.Background(), c, v) },
	WriteRaw: func(c *coder.Conn) error {
		return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 100)) // too short to be compressed
	},
	Close: func(c *coder.Conn) { c.CloseNow() },
	SendClose: func(c *coder.Conn) error {
		go c.Close(1000, "mine")
		return nil
	},
	Within: func(c *coder.Conn) *websocket.Conn { return c.Conn },
	Senders: map[string]twintest.Sender[*coder.Conn]{
		"Close": {Send: func(c *coder.Conn, code int, reason string) error {
			return c.Close(websocket.StatusCode(code), reason)
		}},
	},
	Readings: readings,
	Writings: writings,
	Messages: []twintest.BadMessage[*coder.Conn]{
		{Name: "corrupt compression", Bad: twintest.Frame(0xc1, "\xff\xff\xff\xff"), Read: readMessage, Want: twintest.In[flate.CorruptInputError]},
	},
	Failures: []twintest.Failure[*coder.Conn]{
		{Name: "a value that has no JSON", Call: func(t *testing.T, c *coder.Conn) error {
			return wsjson.Write(t.Context(), c, func() {})
		}, Want: twintest.In[*json.UnsupportedTypeError]},
		{Name: "a writer that is closed", Call: func(t *testing.T, c *coder.Conn) error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Error(err)
			}
			w.Close()
			return w.Close()
		}, Want: twintest.Says("writer already closed")},
		{Name: "a context that ends while another writer is busy", Call: func(t *testing.T, c *coder.Conn) error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Error(err)
			}
			defer w.Close()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return c.Write(ctx, websocket.MessageText, nil)
		}, Want: twintest.Says("failed to acquire lock: context canceled")},
		{Name: "a context that ends while a pong is awaited", Call: func(t *testing.T, c *coder.Conn) error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			return c.Ping(ctx)
		}, Want: twintest.Says("failed to wait for pong: context deadline exceeded")},
	},

	BareClose: twintest.Ending[*coder.Conn]{
		Name: "CloseNow", Want: "dropped", Is: closeguard.ErrAborted,
		End: func(_ *testing.T, c *coder.Conn, _ *twintest.Peer, _ byte) { c.CloseNow() },
	},
	BareCloses: []twintest.BlockedEnd[*coder.Conn]{
		{Name: "CloseNow", End: func(_ *testing.T, c *coder.Conn, _ *twintest.Peer) { c.CloseNow() }, Want: "dropped", Event: "dropped"},
	},
	OwnReturns: []twintest.Return[*coder.Conn]{
		{Name: "the end of a Read's context", Want: "1001", Is: context.Canceled, F: func(c *coder.Conn) error {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Millisecond, cancel)
			_, _, err := c.Read(ctx)
			return err
		}},
		{Name: "the end of a Read's context, whose cause is an Error", Want: `1013 "later"`, Is: errSecret, F: func(c *coder.Conn) error {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Millisecond, func() { cancel(closeguard.Error(1013, "later", errSecret)) })
			_, _, err := c.Read(ctx)
			return err
		}},
	},
	WrapTwice:    "wrapped already",
	EchoesReason: true,
}

func TestTwins(t *testing.T) { adapter.Run(t) }

var options = websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover}

var errSecret = errors.New("secret")

func readMessage(c *coder.Conn) error {
	_, _, err := c.Read(context.Background())
	return err
}

func readJSON(c *coder.Conn) error {
	return wsjson.Read(context.Background(), c, new(map[string]int))
}

// peerCode is the code of the peer's Close that err tells of, -1 for none.
func peerCode(err error) int { return int(websocket.CloseStatus(err)) }

var readings = []twintest.Reading[*coder.Conn]{
	{Name: "Read", Read: func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}},
	{Name: "Read inside a message", Inside: true, Read: func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}},
	{Name: "Reader", Begins: true, Read: func(ctx context.Context, c *coder.Conn) error {
		_, _, err := c.Reader(ctx)
		return err
	}},
	{Name: "the reader's Read", Inside: true, Read: func(ctx context.Context, c *coder.Conn) error {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return err
	}},
	{Name: "wsjson.Read", Read: func(ctx context.Context, c *coder.Conn) error {
		return wsjson.Read(ctx, c, new(any))
	}},
	{Name: "wsjson.Read inside a message", Inside: true, Read: func(ctx context.Context, c *coder.Conn) error {
		return wsjson.Read(ctx, c, new(any))
	}},
}

var writings = []twintest.Writing[*coder.Conn]{
	{Name: "Write", Begin: func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return c.Write(t.Context(), websocket.MessageText, []byte("x")) }
	}},
	{Name: "Ping", Begin: func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return c.Ping(t.Context()) }
	}},
	{Name: "Writer", Begin: func(t *testing.T, c *coder.Conn) func() error {
		return func() error {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				return err
			}
			return w.Close()
		}
	}},
	{Name: "the writer's Write", Begin: func(t *testing.T, c *coder.Conn) func() error {
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
	{Name: "the writer's Close", Once: true, Begin: func(t *testing.T, c *coder.Conn) func() error {
		w, err := c.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Error(err)
		}
		return w.Close
	}},
	{Name: "wsjson.Write", Begin: func(t *testing.T, c *coder.Conn) func() error {
		return func() error { return wsjson.Write(t.Context(), c, "x") }
	}},
}
