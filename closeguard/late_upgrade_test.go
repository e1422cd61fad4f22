package closeguard_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Close returns, and leaves nothing open, though an upgrade comes through when it
// has begun, while an observer is busy.
func TestAnUpgradeThatComesThroughWhenTheGuardCloses(t *testing.T) {
	for name, within := range map[string]bool{"called from outside": false, "called by a handler": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				closes, opens, free := make(chan struct{}), make(chan struct{}), make(chan struct{})
				busy := closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
					if _, opened := ev.(*closeguard.Opened); opened {
						<-free
					}
				})
				returned := make(chan struct{})
				var s *site
				s = serve(t, closeguard.Options{Observers: []closeguard.Observer{busy}}, func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Late") != "" {
						<-opens
					}
					c := upgrade(t, w)
					if within && r.Header.Get("Late") == "" {
						<-closes
						s.guard.Close()
						close(returned)
					}
					io.Copy(io.Discard, c)
					c.Close()
				})
				first := s.dial(askUpgrade)
				first.head()
				late := s.dial(askUpgrade[:len(askUpgrade)-2] + "Late: yes\r\n\r\n")
				synctest.Wait()
				if close(closes); !within {
					go func() { s.guard.Close(); close(returned) }()
				}
				time.Sleep(sec)
				close(opens)
				late.head()
				time.Sleep(sec)
				close(free)
				<-returned
				synctest.Wait()
				s.log.ending(t, 1)
				s.log.ending(t, 2)
				first.Close()
				late.Close()
			})
		})
	}
}
