package delivery

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	adapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// gorillaConn is the library's connection, or its adapter's.
type gorillaConn interface {
	SetReadLimit(limit int64)
	SetReadDeadline(t time.Time) error
	ReadMessage() (messageType int, p []byte, err error)
	WriteMessage(messageType int, data []byte) error
}

// errClose asks for a Close frame.
func errClose(code int, reason string) error {
	return closeguard.Error(closeguard.Code(code), reason, nil)
}

var gorillaUpgrader = &websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // the page is another site's

// gorillaPlain serves handlers as the library's documentation does it: a Close
// is written, and the connection closed.
func gorillaPlain(f func(gorillaConn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := gorillaUpgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		var frame closeguard.CloseFrame
		if ask := (*request)(nil); errors.As(f(c), &ask) {
			frame = ask.frame
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(frame.Code), frame.Reason), time.Now().Add(closeTime)) //nolint:errcheck // there is nobody to tell
		}
	}
}

// closeTime is how long a Close of gorilla's may wait for another writer.
const closeTime = 250 * time.Millisecond

// gorillaAdapted serves the same handlers through the adapter.
func gorillaAdapted(g *closeguard.Guard, f func(gorillaConn) error) http.Handler {
	return adapter.Handler(g, gorillaUpgrader, func(_ *http.Request, c *adapter.Conn) error { return asked(f(c)) })
}

var gorillaHandlers = map[string]func(gorillaConn) error{
	"/upload": func(c gorillaConn) error {
		c.SetReadLimit(limit)
		_, _, err := c.ReadMessage()
		return err
	},
	"/flood": func(c gorillaConn) error {
		for range 16 {
			if _, _, err := c.ReadMessage(); err != nil {
				return err
			}
		}
		return &request{closeguard.CloseFrame{Code: 1008, Reason: "too fast"}}
	},
	"/full": func(c gorillaConn) error {
		if _, _, err := c.ReadMessage(); err != nil {
			return err
		}
		fill(func(p []byte) error { return c.WriteMessage(websocket.BinaryMessage, p) })
		return &request{closeguard.CloseFrame{Code: 1013, Reason: "too slow"}}
	},
	"/silent": func(c gorillaConn) error {
		_, _, err := c.ReadMessage()
		return silent(err)
	},
	"/cancelled": func(c gorillaConn) error {
		if _, _, err := c.ReadMessage(); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) //nolint:errcheck // Read tells
		_, _, err := c.ReadMessage()
		return err
	},
	"/illegal": func(c gorillaConn) error {
		c.ReadMessage() //nolint:errcheck // it shows
		return &request{closeguard.CloseFrame{Code: 5000, Reason: "bad"}}
	},
	"/long": func(c gorillaConn) error {
		c.ReadMessage() //nolint:errcheck // it shows
		return &request{closeguard.CloseFrame{Code: 1008, Reason: longReason}}
	},
	"/wait": func(c gorillaConn) error {
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return err
			}
		}
	},
}

// fill writes on a goroutine until a Write has blocked for a while. A client
// that reads on behind its program's back is sent no more than maxFill.
func fill(write func([]byte) error) {
	var written atomic.Int64
	go func() {
		for message := make([]byte, 16<<10); written.Load() < maxFill && write(message) == nil; {
			written.Add(int64(len(message)))
		}
	}()
	for before := int64(-1); before != written.Load(); time.Sleep(50 * time.Millisecond) {
		before = written.Load()
	}
}

const maxFill = 32 << 20
