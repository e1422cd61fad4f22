package migration_test

import (
	"testing"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

func TestFeed(t *testing.T) {
	onBothVersions(t, "feed", func(t *testing.T, version, binary string) {
		t.Run("all values", func(t *testing.T) {
			p := rawpeer.Dial(t, "ws://"+start(t, binary).addr+"/feed")
			send(t, p, rawpeer.Text(`{"from":8,"to":9,"every":1}`))
			for _, want := range []string{`text "{\"n\":8}\n"`, `text "{\"n\":9}\n"`, `close 1000 "that is all"`} {
				f, ok := p.ReadFrame()
				if !ok || f.String() != want {
					t.Fatalf("read %s, want %s: %s", f, want, p.End)
				}
			}
			send(t, p, rawpeer.Close(1000, ""))
			if end := p.ReadUntilEnd(); end != rawpeer.FIN {
				t.Errorf("end %q, want FIN", end)
			}
		})

		// Before, the context of CloseRead says that it is over, and not why.
		for _, tt := range []struct{ name, order string }{
			{"the client closes while values come", `{"from":1,"to":1000000000,"every":1}`},
			{"the client closes in between", `{"from":1,"to":2,"every":3600000}`},
		} {
			t.Run(tt.name, func(t *testing.T) {
				server := start(t, binary)
				p := rawpeer.Dial(t, "ws://"+server.addr+"/feed")
				send(t, p, rawpeer.Text(tt.order))
				hear(t, p, `{"n":1}`)
				leave(t, p, 4000, "bye")
				if version == "before" {
					server.await(t, "feed ended early")
					server.refuse(t, "bye")
					return
				}
				server.await(t, `feed ended early: websocket closed by peer: 4000 private use "bye"`)
				server.await(t, "websocket closed", "ending=peer_closed", "code=4000", "reason=bye", "clean=true")
			})
		}

		t.Run("an order that is refused", func(t *testing.T) {
			p := rawpeer.Dial(t, "ws://"+start(t, binary).addr+"/feed")
			send(t, p, rawpeer.Text(`{"from":1,"to":2}`))
			if f, _ := p.ReadFrame(); f.String() != `close 1008 "every must be positive"` {
				t.Errorf("read %s, want the Close: %s", f, p.End)
			}
		})
	})
}
