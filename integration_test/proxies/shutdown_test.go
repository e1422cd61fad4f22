package proxies

import (
	"net/http"
	"sync"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// A shutdown reaches every client behind the proxy with 1001, and who comes
// later is told to come back.
func TestShutdown(t *testing.T) {
	const each = 10 // clients at an endpoint
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, closeguard.Options{})
			proxy := p.start(t, s.addr, 60)
			var visits []*visit
			for _, endpoint := range endpoints {
				for range each {
					visits = append(visits, s.visit(t, proxy, endpoint, long))
				}
			}
			var clients sync.WaitGroup
			for _, v := range visits {
				clients.Go(v.answer)
			}
			report, err := s.guard.Shutdown(t.Context())
			if err != nil || report.Answered != len(visits) || report.Total() != len(visits) {
				t.Errorf("the shutdown says %v, %v; want %d answered", report, err, len(visits))
			}
			clients.Wait()
			for _, v := range visits {
				const frame = `1001 "server shutting down"`
				if got, want := v.seen(), "close "+frame+"; FIN"; got != want {
					t.Errorf("%s: the client saw %s, want %s", v.path, got, want)
				}
				if got, want := record.Full(s.event(t, v.path)), "local closed 1001 clean, sent "+frame+", received "+frame+": shut down"; got != want {
					t.Errorf("%s: event %s, want %s", v.path, got, want)
				}
			}
			late := rawpeer.Dial(t, "ws://"+proxy.Front+s.path(endpoints[0]), rawpeer.AnyStatus())
			if resp := late.Response; resp == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" {
				t.Errorf("who comes late gets %+v, want 503 and Retry-After: 5", resp)
			}
		})
	}
}
