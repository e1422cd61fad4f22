package hostile

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	gorilla "github.com/gorilla/websocket"

	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A handler that waits for Draining and returns is what that channel is for. Its
// connection was open when Shutdown was called, and has to be in the report.
// (With go test -count 20, without the race detector, it fails now and then.)
func TestShutdownReportsHandlersThatReturn(t *testing.T) {
	guard, _ := closeguard.New(closeguard.Options{})
	var reading sync.WaitGroup
	server := httptest.NewServer(gorillaadapter.Handler(guard, &gorilla.Upgrader{}, func(_ *http.Request, c *gorillaadapter.Conn) error {
		c.ReadMessage() // the peer's FIN
		reading.Done()
		<-guard.Draining()
		return nil
	}))
	defer server.Close()
	const many = 200
	reading.Add(many)
	for range many {
		rawpeer.Dial(t, "ws"+strings.TrimPrefix(server.URL, "http")).CloseWrite()
	}
	reading.Wait()
	report, err := guard.Shutdown(context.Background())
	if err != nil || report.Total() != many {
		t.Errorf("%v, %v; want %d connections", report, err, many)
	}
}
