package migration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

func TestChat(t *testing.T) {
	onBothVersions(t, "chat", func(t *testing.T, version, binary string) {
		t.Run("what one says all hear", func(t *testing.T) {
			url := "ws://" + start(t, binary).addr + "/chat"
			ann, ben := enter(t, url), enter(t, url)
			send(t, ann, rawpeer.Text("hello, all"))
			for _, p := range []*rawpeer.Peer{ann, ben} {
				hear(t, p, "hello, all")
			}
		})

		// Before, a program that logs as gorilla's documentation advises says
		// nothing of a client that goes away, and of another one only a code.
		t.Run("clients leave", func(t *testing.T) {
			server := start(t, binary)
			url := "ws://" + server.addr + "/chat"
			leave(t, enter(t, url), 1001, "tab closed")
			if version == "after" {
				server.await(t, "websocket closed", "ending=peer_closed", "code=1001", `reason="tab closed"`, "clean=true")
			}
			leave(t, enter(t, url), 4000, "bye")
			server.await(t, "lost a client", "4000", "bye")
			if version == "before" {
				server.refuse(t, "tab closed")
				server.refuse(t, "peer_closed")
				return
			}
			server.await(t, "websocket closed", "ending=peer_closed", "code=4000", "reason=bye", "clean=true")
		})

		// The hub gives up a client that doesn't keep up. When it reads again,
		// it finds an empty Close behind what was still on its way.
		t.Run("the hub closes", func(t *testing.T) {
			server := start(t, binary)
			url := "ws://" + server.addr + "/chat"
			slow, fast := enter(t, url), enter(t, url)
			long := rawpeer.Text(strings.Repeat("x", 64<<10))
			for range 400 { // more than the kernel and the queue hold
				send(t, fast, long)
				hearAll(t, fast)
			}
			var last rawpeer.Frame
			for last.Opcode != rawpeer.OpClose {
				f, ok := slow.ReadFrame()
				if !ok {
					t.Fatalf("no Close came: %s after %s", slow.End, last)
				}
				last = f
			}
			if len(last.Payload) != 0 {
				t.Errorf("read %s, want an empty Close", last)
			}
			send(t, slow, rawpeer.ClosePayload(nil))
			if end := slow.ReadUntilEnd(); end != rawpeer.FIN {
				t.Errorf("end %q, want FIN", end)
			}
			if version == "after" {
				server.await(t, "websocket closed", "ending=local_closed", "code=1005", "clean=true", "received_code=1005")
			}
		})
	})
}

// enter connects to the chat. When the newcomer hears itself the hub knows it.
func enter(t *testing.T, url string) *rawpeer.Peer {
	t.Helper()
	p := rawpeer.Dial(t, url)
	send(t, p, rawpeer.Text("I am here"))
	hear(t, p, "I am here")
	return p
}

// leave closes with a code; the server answers with the same.
func leave(t *testing.T, p *rawpeer.Peer, code int, reason string) {
	t.Helper()
	send(t, p, rawpeer.Close(code, reason))
	end := p.ReadUntilEnd()
	if last := p.Frames[len(p.Frames)-1]; last.CloseCode() != code || end != rawpeer.FIN {
		t.Errorf("answer %s, end %q; want %d and FIN", last, end, code)
	}
}

// hear reads up to a message with this line; a chat puts several into one.
func hear(t *testing.T, p *rawpeer.Peer, line string) {
	t.Helper()
	for {
		f, ok := p.ReadFrame()
		if !ok {
			t.Fatalf("%q is missing: %s", line, p.End)
		}
		if f.Opcode == rawpeer.OpText && slices.Contains(strings.Split(string(f.Payload), "\n"), line) {
			return
		}
	}
}

// hearAll reads one message, in as many fragments as it comes.
func hearAll(t *testing.T, p *rawpeer.Peer) {
	t.Helper()
	for {
		f, ok := p.ReadFrame()
		if !ok || f.Opcode == rawpeer.OpClose {
			t.Fatalf("cut off: %s, %s", f, p.End)
		}
		if f.Fin {
			return
		}
	}
}

func send(t *testing.T, p *rawpeer.Peer, frames ...rawpeer.Frame) {
	t.Helper()
	if err := p.Write(frames...); err != nil {
		t.Fatal(err)
	}
}
