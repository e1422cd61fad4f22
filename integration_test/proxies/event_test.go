package proxies

import (
	"context"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// event waits for the one close event of a path.
func (s *site) event(t *testing.T, path string) closeguard.CloseEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all, err := s.events.WaitClosed(ctx, 1, closetest.Path(path))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: close events %v, %v; want one", path, all, err)
	}
	return all[0]
}

// logged is the cause as the log line has it.
func logged(ev closeguard.CloseEvent) string {
	for _, attr := range ev.LogValue().Group() {
		if attr.Key == "err" {
			return attr.Value.String()
		}
	}
	return ""
}
