package delivery

import (
	"io"
	"math"
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
		c.WriteClose(1008, []byte("too fast")) //nolint:errcheck // there is nobody to tell
	}
}

// ServeGobwas serves the scenarios with a yardstick with gobwas/ws, which
// leaves to the program what to do: a Close is written and TCP closed.
func ServeGobwas() (*Server, error) {
	mux := http.NewServeMux()
	for path, largest := range map[string]int64{"/upload": limit, "/flood": math.MaxInt64} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			conn, rw, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			if code, why := takeFrames(rw, largest); code != 0 {
				ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(code, why))) //nolint:errcheck // nobody to tell
			}
		})
	}
	return start(&Server{}, mux)
}

// takeFrames reads 16 frames, and says why it reads no more; 0: the peer is gone.
func takeFrames(r io.Reader, largest int64) (ws.StatusCode, string) {
	for range 16 {
		head, err := ws.ReadHeader(r)
		switch {
		case err != nil || head.OpCode == ws.OpClose:
			return 0, ""
		case head.Length > largest:
			return ws.StatusMessageTooBig, "too big"
		}
		if _, err := io.CopyN(io.Discard, r, head.Length); err != nil {
			return 0, ""
		}
	}
	return ws.StatusPolicyViolation, "too fast"
}
