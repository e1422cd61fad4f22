package doctor

import (
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers/peertest"
)

// TestMain lets all examinations go on at once, as most of the time nothing happens.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	status := m.Run()
	Clean()
	os.Exit(status)
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { guard.Close() })
	for name, echo := range libraries {
		t.Run(name+" bare", func(t *testing.T) {
			t.Parallel()
			Check(t, name+" bare", serve(t, echo))
		})
		t.Run(name+" guarded", func(t *testing.T) {
			t.Parallel()
			Check(t, name+" guarded", serve(t, guard.Middleware(echo)))
		})
	}
}

// serve returns the URL. One library panics where it is told of a length with its top bit
// set, which net/http would log.
func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestServersElsewhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ws", "websockets", "aiohttp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Check(t, name, "ws://"+peertest.Serve(t, name)+"/")
		})
	}
}
