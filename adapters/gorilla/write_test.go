package gorilla_test

import (
	"testing"

	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// A prepared Close can't be looked into: the guard repairs it on the wire.
func TestAnIllegalPreparedCloseIsRepaired(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	pm, err := websocket.NewPreparedMessage(websocket.CloseMessage, []byte(twintest.ClosePayload(1006, "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WritePreparedMessage(pm); err != nil {
		t.Error(err)
	}
	if got := p.End(); got != "1001" {
		t.Errorf("the peer saw %s, want 1001", got)
	}
	c.Close()
	if end := s.Event(t).End(); end.Intended == nil || end.Intended.Code != 1006 {
		t.Errorf("intended %v, want 1006", end.Intended)
	}
}
