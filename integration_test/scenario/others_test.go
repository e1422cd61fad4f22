package scenario

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"

	"github.com/closeguard/ws/closeguard"
)

// Three libraries that closeguard has no adapter for, as servers below the
// middleware, each as its documentation shows it.

func init() {
	handlers["gobwas"], handlers["gws"], handlers["xnet"] = gobwasHandler, gwsHandler, xnetHandler
}

func gobwasHandler(r *run) http.Handler {
	return r.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		conn, rw, _, err := gobwas.UpgradeHTTP(request, w)
		if err != nil {
			return
		}
		defer conn.Close()
		r.serve(&gobwasSocket{plainSocket{closeguard.FromContext(request.Context()), conn}, rw.Reader})
	}))
}

// plainSocket is what the three have in common.
type plainSocket struct {
	control guarded
	conn    net.Conn
}

func (s plainSocket) guard() guarded        { return s.control }
func (s plainSocket) Close() error          { return s.conn.Close() }
func (s plainSocket) interrupt()            { s.conn.SetReadDeadline(time.Unix(1, 0)) }
func (s plainSocket) fragment([]byte) error { return errNotOffered }
func (s plainSocket) limit(int64)           {}

type gobwasSocket struct {
	plainSocket
	buffered *bufio.Reader
}

func (s *gobwasSocket) Read() (bool, []byte, error) {
	message, op, err := wsutil.ReadClientData(struct {
		io.Reader
		io.Writer
	}{s.buffered, s.conn})
	return op == gobwas.OpText, message, err
}

func (s *gobwasSocket) Write(text bool, message []byte) error {
	if text {
		return wsutil.WriteServerText(s.conn, message)
	}
	return wsutil.WriteServerBinary(s.conn, message)
}

func (s *gobwasSocket) CloseWith(code int, reason string) error {
	if code == int(gobwas.StatusNoStatusRcvd) {
		return gobwas.WriteFrame(s.conn, gobwas.NewCloseFrame(nil))
	}
	return gobwas.WriteFrame(s.conn, gobwas.NewCloseFrame(gobwas.NewCloseFrameBody(gobwas.StatusCode(code), reason)))
}

func gwsHandler(r *run) http.Handler {
	return r.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		s := &gwsSocket{messages: make(chan *gws.Message), over: make(chan struct{}), hold: r.hold}
		conn, err := gws.NewUpgrader(s, nil).Upgrade(w, request)
		if err != nil {
			return
		}
		s.plainSocket = plainSocket{closeguard.FromContext(request.Context()), conn.NetConn()}
		s.gws = conn
		defer s.Close()
		r.serve(s)
	}))
}

// gwsSocket turns the library's callbacks into reads.
type gwsSocket struct {
	plainSocket
	gws.BuiltinEventHandler
	gws      *gws.Conn
	looping  bool
	messages chan *gws.Message
	over     chan struct{}
	err      error
	hold     chan struct{}
}

func (s *gwsSocket) OnClose(_ *gws.Conn, err error) {
	s.err = err
	close(s.over)
}

func (s *gwsSocket) OnPing(conn *gws.Conn, payload []byte) { conn.WritePong(payload) }

func (s *gwsSocket) OnMessage(_ *gws.Conn, m *gws.Message) {
	select {
	case s.messages <- m:
	case <-s.hold:
	}
}

func (s *gwsSocket) Read() (bool, []byte, error) {
	if !s.looping {
		s.looping = true
		go s.gws.ReadLoop()
	}
	select {
	case m := <-s.messages:
		return m.Opcode == gws.OpcodeText, append([]byte(nil), m.Bytes()...), nil
	case <-s.over:
		return false, nil, errors.Join(s.err, net.ErrClosed)
	}
}

func (s *gwsSocket) Write(text bool, message []byte) error {
	if text {
		return s.gws.WriteMessage(gws.OpcodeText, message)
	}
	return s.gws.WriteMessage(gws.OpcodeBinary, message)
}

func (s *gwsSocket) CloseWith(code int, reason string) error {
	return s.gws.WriteClose(uint16(code), []byte(reason))
}

func xnetHandler(r *run) http.Handler {
	return r.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		xnet.Server{Handler: func(conn *xnet.Conn) {
			r.serve(&xnetSocket{plainSocket{closeguard.FromContext(request.Context()), conn}, conn})
		}}.ServeHTTP(w, request)
	}))
}

type xnetSocket struct {
	plainSocket
	conn *xnet.Conn
}

func (s *xnetSocket) Read() (text bool, message []byte, err error) {
	err = xnet.Codec{Unmarshal: func(data []byte, kind byte, _ any) error {
		text, message = kind == xnet.TextFrame, data
		return nil
	}}.Receive(s.conn, nil)
	return text, message, err
}

func (s *xnetSocket) Write(text bool, message []byte) error {
	if text {
		return xnet.Message.Send(s.conn, string(message))
	}
	return xnet.Message.Send(s.conn, message)
}

// The library has no reason to give.
func (s *xnetSocket) CloseWith(code int, _ string) error { return s.conn.WriteClose(code) }
func (s *xnetSocket) Close() error                       { return s.conn.Close() }
