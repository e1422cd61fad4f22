package rawpeer_test

import (
	"net"
	"testing"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// The two kinds of peer understand each other, which is why each checks the
// other's masks and keys.
func TestAccept(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan *rawpeer.Peer, 1)
	go func() {
		defer close(accepted)
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		p, err := rawpeer.Accept(t, conn, rawpeer.Header("Sec-WebSocket-Protocol", "echo"), rawpeer.Early(rawpeer.Text("early")))
		if err != nil {
			t.Error(err)
		}
		accepted <- p
	}()
	client := rawpeer.Dial(t, "ws://"+listener.Addr().String()+"/path", rawpeer.Subprotocols("echo"))
	server := <-accepted
	if server == nil {
		t.Fatal("not accepted")
	}
	if got := server.Request.URL.Path; got != "/path" {
		t.Errorf("path %q, want /path", got)
	}
	if got := client.Response.Header.Get("Sec-WebSocket-Protocol"); got != "echo" {
		t.Errorf("subprotocol %q, want echo", got)
	}
	expect(t, client, `text "early"`)
	write(t, client, rawpeer.Text("from the client"))
	expect(t, server, `text masked "from the client"`)
	write(t, server, rawpeer.Text("from the server"), rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Payload: []byte("wrong"), Bare: true})
	expect(t, client, `text "from the server"`)
	expect(t, client, `text masked "wrong"`)
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if end := client.ReadUntilEnd(); end != rawpeer.FIN {
		t.Errorf("end %q, want FIN", end)
	}
}
