package proxies

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A visit is a raw client behind a proxy, with a path of its own.
type visit struct {
	*rawpeer.Peer
	path string
}

// visit connects through the proxy. From then on the client waits for at most
// that long.
func (s *site) visit(t *testing.T, r *running, endpoint string, wait time.Duration) *visit {
	t.Helper()
	path := s.path(endpoint)
	v := &visit{rawpeer.Dial(t, "ws://"+r.Front+path, rawpeer.Wait(long)), path}
	if err := v.echo("hello"); err != nil {
		t.Fatalf("%s behind %s: %v", path, r.name, err)
	}
	v.Waits(wait)
	return v
}

// path is one that no other connection has.
func (s *site) path(endpoint string) string { return fmt.Sprint(endpoint, "/", s.visits.Add(1)) }

// echo sends a message and reads it back.
func (v *visit) echo(message string) error {
	if err := v.Write(rawpeer.Text(message)); err != nil {
		return err
	}
	if f, ok := v.ReadFrame(); !ok || string(f.Payload) != message {
		return fmt.Errorf("read %v %s, want the echo", f, v.End)
	}
	v.Frames = nil
	return nil
}

// answer reads until TCP ends and answers the Close, as a client has to.
func (v *visit) answer() {
	for {
		f, ok := v.ReadFrame()
		if !ok {
			return
		}
		if f.Opcode == rawpeer.OpClose {
			v.Write(rawpeer.ClosePayload(f.Payload))
			v.ReadUntilEnd()
			return
		}
	}
}

// seen is what came: `close 1001 "bye"; FIN`.
func (v *visit) seen() string {
	var all []string
	for _, f := range v.Frames {
		all = append(all, f.String())
	}
	if len(v.Rest) > 0 {
		all = append(all, fmt.Sprintf("% x", v.Rest))
	}
	return strings.Join(append(all, string(v.End)), "; ")
}
