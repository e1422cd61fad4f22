package doctor

import (
	"context"
	"io"
	"net/http"

	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"
)

// libraries echo, each as its documentation shows it.
var libraries = map[string]http.HandlerFunc{
	"gorilla": gorillaEcho, "coder": coderEcho, "gobwas": gobwasEcho, "gws": gwsEcho, "xnet": xnetEcho,
}

const limit = 64 << 10 // of a message

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetReadLimit(limit)
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func coderEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(limit)
	for {
		kind, message, err := conn.Read(context.WithoutCancel(r.Context()))
		if err != nil || conn.Write(context.WithoutCancel(r.Context()), kind, message) != nil {
			return
		}
	}
}

func gobwasEcho(w http.ResponseWriter, r *http.Request) {
	conn, rw, _, err := gobwas.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	both := struct {
		io.Reader
		io.Writer
	}{rw.Reader, conn}
	for {
		message, op, err := wsutil.ReadClientData(both)
		if err != nil || wsutil.WriteServerMessage(conn, op, message) != nil {
			return
		}
	}
}

func gwsEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := gws.NewUpgrader(new(gwsHandler), &gws.ServerOption{ReadMaxPayloadSize: limit}).Upgrade(w, r)
	if err != nil {
		return
	}
	conn.ReadLoop()
}

type gwsHandler struct{ gws.BuiltinEventHandler }

func (*gwsHandler) OnPing(conn *gws.Conn, payload []byte) { conn.WritePong(payload) }

func (*gwsHandler) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	conn.WriteMessage(m.Opcode, m.Bytes())
}

func xnetEcho(w http.ResponseWriter, r *http.Request) {
	xnet.Server{Handler: func(conn *xnet.Conn) { io.Copy(conn, conn) }}.ServeHTTP(w, r)
}
