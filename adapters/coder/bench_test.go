package coder_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A messenger is what echoes need of a connection, the library's or the adapter's.
type messenger interface {
	Read(context.Context) (websocket.MessageType, []byte, error)
	Write(context.Context, websocket.MessageType, []byte) error
	Reader(context.Context) (websocket.MessageType, io.Reader, error)
	Writer(context.Context, websocket.MessageType) (io.WriteCloser, error)
	SetReadLimit(int64)
}

// The ways to echo messages.
var echoes = []twintest.Echo{
	echoing("Read and Write", func(ctx context.Context, c messenger) error {
		kind, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		return c.Write(ctx, kind, message)
	}),
	echoing("Reader and Writer", func(ctx context.Context, c messenger) error {
		kind, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := c.Writer(ctx, kind)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		return w.Close()
	}),
}

func TestAllocationsPerMessage(t *testing.T) { twintest.AllocationsPerMessage(t, echoes) }

func BenchmarkEcho(b *testing.B) { twintest.BenchmarkEcho(b, echoes) }

// echoing repeats echo, which echoes one message.
func echoing(name string, echo func(context.Context, messenger) error) twintest.Echo {
	return twintest.Echo{
		Name: name,
		Bare: plain(echo),
		Adapter: func(g *closeguard.Guard) http.Handler {
			return coder.Handler(g, nil, func(r *http.Request, c *coder.Conn) error { return repeat(r.Context(), c, echo) })
		},
	}
}

func plain(echo func(context.Context, messenger) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		repeat(r.Context(), c, echo)
	})
}

// repeat echoes under a context that can end, as most do.
func repeat(ctx context.Context, c messenger, echo func(context.Context, messenger) error) error {
	c.SetReadLimit(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if err := echo(ctx, c); err != nil {
			return err
		}
	}
}
