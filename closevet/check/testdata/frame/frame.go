// Package frame sends Close frames, legal ones and others.
package frame

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

const (
	gone = 1006
	long = "a reason of 124 bytes is one byte too long for a Close frame, whose payload is at most 125 bytes, of which the code takes 2."
	fits = "a reason of 123 bytes is just short enough for a Close frame, whose payload is at most 125 bytes, of which the code takes 2"
)

func codes() {
	gorillaws.FormatCloseMessage(0, "")                                  // want `close code 0 is in the unused range 0 to 999`
	gorillaws.FormatCloseMessage(1004, "")                               // want `close code 1004 is reserved`
	gorillaws.FormatCloseMessage(gone, "")                               // want `close code 1006 must not appear in a frame`
	gorillaws.FormatCloseMessage(gorillaws.CloseTLSHandshake, "")        // want `close code 1015 must not`
	gorillaws.FormatCloseMessage(1016, "")                               // want `close code 1016 is not assigned`
	gorillaws.FormatCloseMessage(2999, "")                               // want `close code 2999 is not assigned`
	gorillaws.FormatCloseMessage(5000, "")                               // want `close code 5000 is outside 1000 to 4999`
	gorillaws.FormatCloseMessage(gorillaws.CloseNoStatusReceived, "why") // want `close reason of 3 bytes has no code`

	gorillaws.FormatCloseMessage(1000, "")
	gorillaws.FormatCloseMessage(gorillaws.CloseNoStatusReceived, "") // the empty Close
	gorillaws.FormatCloseMessage(1010, "permessage-deflate")          // a client may
	gorillaws.FormatCloseMessage(1014, "")
	gorillaws.FormatCloseMessage(3000, "")
	gorillaws.FormatCloseMessage(4999, "")
}

func fromServer(w http.ResponseWriter, r *http.Request) {
	gorillaws.FormatCloseMessage(1010, "") // want `close code 1010 is for clients only`
	func() {
		gorillaws.FormatCloseMessage(1010, "") // want `close code 1010 is for clients only`
	}()
	gorillaws.FormatCloseMessage(1011, "")
}

func reasons(code int) {
	gorillaws.FormatCloseMessage(1000, long)     // want `close reason of 124 bytes is longer than 123`
	gorillaws.FormatCloseMessage(code, long)     // want `close reason of 124 bytes`
	gorillaws.FormatCloseMessage(1000, "\xff")   // want `close reason is not UTF-8 at byte 0`
	gorillaws.FormatCloseMessage(1000, "ok\xc3") // want `close reason is not UTF-8 at byte 2`
	gorillaws.FormatCloseMessage(1000, fits)
	gorillaws.FormatCloseMessage(code, "grüße")
}

func payloads(to func() *gorillaws.Conn, deadline time.Time) {
	to().WriteControl(gorillaws.CloseMessage, []byte("bye"), deadline)    // want `FormatCloseMessage makes: close code 25209 is outside`
	to().WriteMessage(gorillaws.CloseMessage, []byte("x"))                // want `close payload of length 1 is too short for a code`
	to().WriteMessage(gorillaws.CloseMessage, ([]byte)("\x03\xee"))       // want `close code 1006 must not`
	gorillaws.NewPreparedMessage(gorillaws.CloseMessage, []byte("going")) // want `close code 26479`

	to().WriteControl(gorillaws.CloseMessage, []byte("\x03\xe8bye"), deadline)
	to().WriteControl(gorillaws.CloseMessage, []byte{}, deadline)
	to().WriteControl(gorillaws.CloseMessage, nil, deadline)
	to().WriteControl(gorillaws.PingMessage, []byte("bye"), deadline)
	to().WriteMessage(gorillaws.TextMessage, []byte("bye"))
}

func plainCoder(to func() *websocket.Conn, code websocket.StatusCode) {
	to().Close(websocket.StatusAbnormalClosure, "") // want `close code 1006 must not`
	to().Close(code, long)                          // want `close reason of 124 bytes`
	to().Close(200, "ok")                           // want `close code 200 is in the unused range`

	to().Close(websocket.StatusNormalClosure, "")
	to().Close(websocket.StatusNoStatusRcvd, "")
	to().Close(code, fits)
}

func adapters(ctx context.Context, g func() *gorilla.Conn, c func() *coder.Conn, h *closeguard.Handle) {
	c().Close(websocket.StatusTLSHandshake, "")           // want `close code 1015 must not`
	c().CloseWith(ctx, 999, "")                           // want `close code 999 is in the unused range`
	g().CloseWith(ctx, closeguard.NormalClosure, long)    // want `close reason of 124 bytes`
	g().WriteMessage(gorillaws.CloseMessage, []byte("!")) // want `close payload of length 1`
	h.CloseWith(ctx, 1004, "")                            // want `close code 1004 is reserved`
	_ = closeguard.Error(1006, "", nil)                   // want `close code 1006 must not`
	_ = closeguard.Error(1006, "\xff", nil)               // want `close code 1006 must not`

	c().CloseWith(ctx, closeguard.TryAgainLater, "")
	g().CloseWith(ctx, closeguard.NoStatusReceived, "")
	_ = closeguard.Error(4000, "\u00fc", nil)
}

func frames(ctx context.Context, g *closeguard.Guard, code closeguard.Code, f closeguard.CloseFrame) bool {
	g.CloseKey(ctx, "k", closeguard.CloseFrame{Code: 1006})               // want `close code 1006 must not`
	g.CloseKey(ctx, "k", closeguard.CloseFrame{Code: code, Reason: long}) // want `close reason of 124 bytes`
	g.CloseKey(ctx, "k", closeguard.CloseFrame{Reason: "no code"})        // want `close code 0 is in the unused range`
	g.CloseFunc(ctx, nil, closeguard.CloseFrame{1010, ""})                // want `close code 1010 is for clients only`
	_ = closeguard.Options{
		ShutdownFrame: func(closeguard.ConnInfo) closeguard.CloseFrame {
			return closeguard.CloseFrame{Code: 5000} // want `close code 5000 is outside`
		},
		CloseFrameFor: func(_ closeguard.ConnInfo, err error) closeguard.CloseFrame {
			if err == nil {
				return closeguard.CloseFrame{}
			}
			return closeguard.CloseFrame{Code: closeguard.InternalError}
		},
	}

	g.CloseKey(ctx, "k", closeguard.CloseFrame{Code: 4000})
	g.CloseKey(ctx, "k", f)
	return f == closeguard.CloseFrame{Code: closeguard.AbnormalClosure} // was received
}
