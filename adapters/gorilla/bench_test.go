package gorilla_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// A messenger is what echoes need of a connection, the library's or the adapter's.
type messenger interface {
	ReadMessage() (int, []byte, error)
	WriteMessage(int, []byte) error
	NextReader() (int, io.Reader, error)
	NextWriter(int) (io.WriteCloser, error)
	Close() error
}

// The ways to echo messages.
var echoes = []twintest.Echo{
	echoing("ReadMessage and WriteMessage", 0, func(c messenger) error {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return err
		}
		return c.WriteMessage(kind, message)
	}),
	// A reader that the program still holds must not read the next message, and
	// a writer not write into it: each message has its own, 24 bytes each.
	echoing("NextReader and NextWriter", 2, func(c messenger) error {
		kind, r, err := c.NextReader()
		if err != nil {
			return err
		}
		w, err := c.NextWriter(kind)
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
func echoing(name string, extra float64, echo func(messenger) error) twintest.Echo {
	return twintest.Echo{
		Name: name, Extra: extra,
		Bare: plain(echo),
		Adapter: func(g *closeguard.Guard) http.Handler {
			return gorilla.Handler(g, new(websocket.Upgrader), func(_ *http.Request, c *gorilla.Conn) error { return repeat(c, echo) })
		},
	}
}

func plain(echo func(messenger) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		repeat(c, echo)
	})
}

func repeat(c messenger, echo func(messenger) error) error {
	for {
		if err := echo(c); err != nil {
			return err
		}
	}
}
