package closetest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// The handler under test echoes messages; "bye" makes it close.
func handler(guard *closeguard.Guard) http.Handler {
	return gorilla.Handler(guard, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
		for {
			kind, p, err := c.ReadMessage()
			switch {
			case err != nil:
				return err
			case string(p) == "bye":
				return closeguard.Error(4000, "as you wish", nil)
			}
			if err := c.WriteMessage(kind, p); err != nil {
				return err
			}
		}
	})
}

// A test of one's own close handling: a peer that is rude, and what the guard tells of it.
func ExampleRecorder() {
	var events closetest.Recorder
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&events}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler(guard))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	for _, path := range []string{"/first", "/second"} {
		peer, err := closetest.Dial(ctx, server.URL+path, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		peer.WriteText("bye")
		closetest.Polite.Run(ctx, peer)
	}

	closed, err := events.WaitClosed(ctx, 1, closetest.Path("/second"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(closed[0], closed[0].Clean())
	fmt.Println(len(events.Of(2)), "events of the second connection")
	fmt.Println(len(events.Events(closetest.Unclean)), "unclean")
	// Output:
	// websocket closed here: 4000 private use "as you wish" true
	// 2 events of the second connection
	// 0 unclean
}

// What peers see that break the rules in different ways.
func ExampleManner() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler(guard))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	for _, rude := range []closetest.Manner{
		closetest.ClosesTwice, closetest.EmptyClose, closetest.OneByteClose, closetest.WrongMask,
	} {
		peer, err := closetest.Dial(ctx, server.URL, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		seen := rude.Run(ctx, peer)
		fmt.Printf("%s: %v\n", rude.Name, seen.Close.Code)
	}
	// Output:
	// closes twice: 4000 private use
	// empty close: 1005 no status received
	// one-byte close: 1002 protocol error
	// wrong mask: 1002 protocol error
}

// A peer of one's own making, frame by frame.
func ExamplePeer() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler(guard))
	defer server.Close()
	peer, err := closetest.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer peer.Close()

	peer.WriteFrame(
		closetest.Frame{Opcode: closetest.OpText, Payload: []byte("hel"), More: true},
		closetest.Frame{Opcode: closetest.OpPing, Payload: []byte("in between")},
		closetest.Frame{Opcode: closetest.OpContinuation, Payload: []byte("lo")},
	)
	for range 2 {
		frame, err := peer.ReadFrame()
		fmt.Println(frame, err)
	}
	peer.WriteText("bye")
	fmt.Println(peer.ReadClose())
	peer.WriteClose(4000, "")
	fmt.Println(peer.ReadToEnd())
	// Output:
	// pong "in between" <nil>
	// text "hello" <nil>
	// 4000 private use "as you wish" <nil>
	// 4000 private use "as you wish", then FIN
}

// An adapter's test file in full: a connection in the kit's terms, and one test.
func ExampleTestAdapter() {
	_ = func(t *testing.T) { // TestConformance
		closetest.TestAdapter(t, closetest.Adapter{
			Handler: func(guard *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
				return gorilla.Handler(guard, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
					return f(kitConn{c})
				})
			},
			TooBig: websocket.ErrReadLimit,
		})
	}
}

type kitConn struct{ *gorilla.Conn }

func (c kitConn) ReadMessage() ([]byte, error) {
	_, p, err := c.Conn.ReadMessage()
	return p, err
}

func (c kitConn) WriteMessage(p []byte) error {
	return c.Conn.WriteMessage(websocket.TextMessage, p)
}

var _ closetest.Conn = kitConn{}

// The example of the package documentation.
func TestExampleOfTheDocumentation(t *testing.T) {
	handler := func(guard *closeguard.Guard) http.Handler {
		return gorilla.Handler(guard, &websocket.Upgrader{}, func(*http.Request, *gorilla.Conn) error { return nil })
	}

	synctest.Test(t, func(t *testing.T) {
		var events closetest.Recorder
		guard, _ := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&events}})
		listener := closetest.Listen()
		server := http.Server{Handler: handler(guard)}
		go server.Serve(listener)
		defer server.Close()
		client, _ := listener.Dial(t.Context())
		peer, _ := closetest.Upgrade(t.Context(), client, "ws://example.com/", nil)
		seen := closetest.Mute.Run(t.Context(), peer)
		closed, _ := events.WaitClosed(t.Context(), 1)
		if seen.Close == nil || closed[0].Clean() {
			t.Errorf("the client saw %v, the guard told %v", seen, closed[0])
		}
	})
}

// What the documentation shows is what runs above.
func TestDocumentationIsWhatRuns(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			shown.WriteString("\t" + code)
		}
	}
	if shown.Len() == 0 || !strings.Contains(string(here), shown.String()) {
		t.Errorf("no test has the code of the documentation:\n%s", shown.String())
	}
}
