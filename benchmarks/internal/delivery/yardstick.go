package delivery

import (
	"io"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/lxzan/gws"
)

// ServeGWS serves the scenarios with a yardstick with lxzan/gws.
func ServeGWS() (*Server, error) {
	mux := http.NewServeMux()
	for _, path := range []string{"/upload", "/flood"} {
		options := &gws.ServerOption{ReadMaxPayloadSize: limit}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			h := &gwsHandler{flood: path == "/flood"}
			if h.flood {
				options.ReadMaxPayloadSize = 1 << 20
			}
			c, err := gws.NewUpgrader(h, options).Upgrade(w, r)
			if err == nil {
				go c.ReadLoop()
			}
		})
	}
	return start(&Server{}, mux)
}

type gwsHandler struct {
	gws.BuiltinEventHandler
	flood    bool
	messages int
}

// OnMessage closes a flood.
func (h *gwsHandler) OnMessage(c *gws.Conn, message *gws.Message) {
	message.Close()
	if h.messages++; h.flood && h.messages == 16 {
		c.WriteClose(1008, []byte("too fast"))
	}
}

// ServeGobwas serves the scenarios with a yardstick with gobwas/ws, which
// leaves to the program what to do: a Close is written and TCP closed.
func ServeGobwas() (*Server, error) {
	mux := http.NewServeMux()
	for _, path := range []string{"/upload", "/flood"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			conn, rw, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			for range 16 {
				head, err := ws.ReadHeader(rw)
				if err != nil || head.OpCode == ws.OpClose {
					return
				}
				if path == "/upload" && head.Length > limit {
					ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusMessageTooBig, "too big"))) //nolint:errcheck // nobody to tell
					return
				}
				if _, err := io.CopyN(io.Discard, rw, head.Length); err != nil {
					return
				}
			}
			ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusPolicyViolation, "too fast"))) //nolint:errcheck // as above
		})
	}
	return start(&Server{}, mux)
}
