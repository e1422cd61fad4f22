package proxies

import (
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/doctor"
)

// What closeguard's doctor finds at a guarded server behind each proxy: what of it is the
// proxy's doing.
func TestDoctor(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, closeguard.Options{})
			doctor.Check(t, p.name+" in front", "ws://"+p.start(t, s.addr, 60).Front+"/plain/gorilla/doctor")
		})
	}
}
