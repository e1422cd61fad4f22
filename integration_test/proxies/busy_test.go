package proxies

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// upload is far more than a site takes.
var upload = bytes.Repeat([]byte("far too much. "), 2<<20/14)

// tooBig is what the two libraries say to it.
func tooBig(endpoint string) string {
	if endpoint == "/coder" || endpoint == "/plain/coder" {
		return fmt.Sprintf("1009 %q", fmt.Sprintf("read limited at %d bytes", limit+1))
	}
	return "1009"
}

// A server that closes while its client still sends: behind every proxy the
// client reads code and reason, and both sides know that the end was clean.
func TestClosesArriveWhileTheClientSends(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, closeguard.Options{})
			proxy := p.start(t, s.addr, 60)
			for kind := range clients {
				for _, endpoint := range endpoints {
					t.Run("2 MiB over the limit/"+kind+" client"+endpoint, func(t *testing.T) {
						c, path := s.connect(t, proxy, kind, endpoint)
						if err := c.say(string(upload)); err != nil {
							t.Errorf("after a part of it: %v", err)
						}
						arrived(t, s, c, path, tooBig(endpoint))
					})
					t.Run("close while flooded/"+kind+" client"+endpoint, func(t *testing.T) {
						c, path := s.connect(t, proxy, kind, endpoint)
						c.say(order(1008, "slow down"))
						var flood sync.WaitGroup
						over := make(chan struct{})
						flood.Go(func() {
							message := string(upload[:limit])
							for c.say(message) == nil {
								select {
								case <-over:
									return
								default:
								}
							}
						})
						arrived(t, s, c, path, `1008 "slow down"`)
						close(over)
						flood.Wait()
					})
				}
			}
			// Behind none of them the client has to have sent all of it first.
			for _, endpoint := range endpoints {
				t.Run("the close is there before the upload's end"+endpoint, func(t *testing.T) {
					v := s.visit(t, proxy, endpoint, 10*time.Second)
					frame := rawpeer.Binary(upload).Append(nil, [4]byte{1, 2, 3, 4})
					half := len(frame) / 2
					v.WriteBytes(frame[:half])
					closed, _ := v.ReadFrame()
					v.WriteBytes(frame[half:])
					v.Write(rawpeer.ClosePayload(closed.Payload))
					v.ReadUntilEnd()
					if got := record.CodeText(closed.CloseCode(), closed.CloseReason()); got != tooBig(endpoint) || v.End != rawpeer.FIN {
						t.Errorf("the client saw %s", v.seen())
					}
					if ev := s.event(t, v.path); !ev.Clean() || ev.Code() != closeguard.MessageTooBig {
						t.Errorf("event %s", record.Full(ev))
					}
				})
			}
		})
	}
}

// arrived expects that the client reads the server's Close and the server its answer.
func arrived(t *testing.T, s *site, c client, path, want string) {
	t.Helper()
	got, err := c.end()
	if err != nil || got != want {
		t.Errorf("the client read %q, %v; want %s", got, err, want)
	}
	ev := s.event(t, path)
	if _, ours := ev.(*closeguard.LocalClosed); !ours || !ev.Clean() || ev.End().Sent == nil ||
		record.CodeText(int(ev.End().Sent.Code), ev.End().Sent.Reason) != want {
		t.Errorf("event %s, want a clean end with %s", record.Full(ev), want)
	}
}
