package peers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/integration_test/peers"
	"github.com/closeguard/ws/integration_test/peers/peertest"
)

// eachClient runs test with both clients in Node.js.
func eachClient(t *testing.T, test func(t *testing.T, c *peers.Client)) {
	for _, name := range []string{"ws", "undici"} {
		t.Run(name, func(t *testing.T) { test(t, peertest.Shared(t, name)) })
	}
}

// serve upgrades every request and hands the connection to handle.
func serve(t *testing.T, handle func(*websocket.Conn)) (url string) {
	s := httptest.NewServer(upgrade(handle))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func upgrade(handle func(*websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"echo"}}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		handle(conn)
	}
}

func echo(conn *websocket.Conn) {
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}

// closeWith sends a Close and reads until the client has answered it.
func closeWith(conn *websocket.Conn, code int, reason string) {
	conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

func run(t *testing.T, c *peers.Client, job peers.Job) peers.Result {
	t.Helper()
	r, err := c.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expectClose(t *testing.T, r peers.Result, code int, reason string) {
	t.Helper()
	if !r.Opened || !r.Closed || r.Code != code || r.Reason != reason || !r.WasClean || r.Error != "" {
		t.Errorf("got %+v, want a clean close %d %q", r, code, reason)
	}
}

func TestTextCollectsAnswers(t *testing.T) {
	eachClient(t, func(t *testing.T, c *peers.Client) {
		r := run(t, c, peers.Job{Kind: peers.Text, URL: serve(t, echo), Texts: []string{"one", "two"}, Answers: 2})
		expectClose(t, r, 1000, "")
		if got := strings.Join(r.Messages, " "); got != "one two" {
			t.Errorf("answers %q, want one two", got)
		}
	})
}

func TestTextWaitsToBeClosed(t *testing.T) {
	url := serve(t, func(conn *websocket.Conn) {
		conn.ReadMessage()
		closeWith(conn, 4001, "bye")
	})
	eachClient(t, func(t *testing.T, c *peers.Client) {
		expectClose(t, run(t, c, peers.Job{Kind: peers.Text, URL: url, Texts: []string{"close"}}), 4001, "bye")
	})
}

func TestCloseSendsCodeAndReason(t *testing.T) {
	for _, tt := range []struct {
		name   string
		job    peers.Job
		code   int // what the server receives, and the client gets back
		reason string
	}{
		{"code and reason", peers.Job{Code: 4000, Reason: "bye"}, 4000, "bye"},
		{"neither", peers.Job{}, 1005, ""},
		{"after an answer", peers.Job{Code: 3000, Texts: []string{"hi"}, Answers: 1}, 3000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			received := make(chan error, 1)
			url := serve(t, func(conn *websocket.Conn) {
				for {
					kind, message, err := conn.ReadMessage()
					if err != nil {
						received <- err
						return
					}
					conn.WriteMessage(kind, message)
				}
			})
			eachClient(t, func(t *testing.T, c *peers.Client) {
				tt.job.Kind, tt.job.URL = peers.Close, url
				expectClose(t, run(t, c, tt.job), tt.code, "") // gorilla answers without the reason
				var got *websocket.CloseError
				if err := <-received; !errors.As(err, &got) || got.Code != tt.code || got.Text != tt.reason {
					t.Errorf("the server received %v, want %d %q", err, tt.code, tt.reason)
				}
			})
		})
	}
}

// What a server closes with behind an upload, after 64 messages of a flood, and towards a
// client that reads nothing for a while.
var senders = []struct {
	name   string
	job    peers.Job
	handle func(*websocket.Conn)
	code   int
	reason string
}{
	{"upload", peers.Job{Kind: peers.Upload, Size: 20 * 1000 * 1000}, func(conn *websocket.Conn) {
		_, message, err := conn.ReadMessage()
		closeWith(conn, 4000, fmt.Sprint(len(message), " ", err))
	}, 4000, "20000000 <nil>"},
	{"flood", peers.Job{Kind: peers.Flood}, func(conn *websocket.Conn) {
		for range 64 { // 4 MiB, four times what a client lets wait
			_, message, err := conn.ReadMessage()
			if err != nil || len(message) != 64<<10 {
				closeWith(conn, 4002, fmt.Sprint(len(message), " ", err))
				return
			}
		}
		closeWith(conn, 1008, "enough")
	}, 1008, "enough"},
	{"stall", peers.Job{Kind: peers.Stall, Texts: []string{"go"}, Stall: 200 * time.Millisecond}, func(conn *websocket.Conn) {
		_, message, err := conn.ReadMessage()
		conn.WriteMessage(websocket.BinaryMessage, make([]byte, 1000))
		closeWith(conn, 1013, fmt.Sprint(string(message), " ", err))
	}, 1013, "go <nil>"},
}

func TestSenders(t *testing.T) {
	for _, tt := range senders {
		t.Run(tt.name, func(t *testing.T) {
			tt.job.URL = serve(t, tt.handle)
			eachClient(t, func(t *testing.T, c *peers.Client) {
				r := run(t, c, tt.job)
				expectClose(t, r, tt.code, tt.reason)
				if stall := int(tt.job.Stall.Milliseconds()); r.MS < stall {
					t.Errorf("it took %d ms, want %d at least", r.MS, stall)
				}
			})
		})
	}
}

// Those without a word for a clean end do the same.
func TestSendersElsewhere(t *testing.T) {
	for _, name := range []string{"websockets", "jdk"} {
		t.Run(name, func(t *testing.T) {
			c := peertest.Start(t, name)
			for _, tt := range senders {
				t.Run(tt.name, func(t *testing.T) {
					tt.job.URL = serve(t, tt.handle)
					r := run(t, c, tt.job)
					if !r.Opened || !r.Closed || r.Code != tt.code || r.Reason != tt.reason {
						t.Errorf("got %+v, want %d %q", r, tt.code, tt.reason)
					}
					if stall := int(tt.job.Stall.Milliseconds()); r.MS < stall {
						t.Errorf("it took %d ms, want %d at least", r.MS, stall)
					}
				})
			}
		})
	}
}

// The server of npm's ws echoes, and at /flood closes after 16 messages.
func TestServeWS(t *testing.T) {
	url := "ws://" + peertest.Serve(t, "ws")
	eachClient(t, func(t *testing.T, c *peers.Client) {
		r := run(t, c, peers.Job{Kind: peers.Text, URL: url, Texts: []string{"hello"}, Answers: 1})
		expectClose(t, r, 1000, "")
		if len(r.Messages) != 1 || r.Messages[0] != "hello" {
			t.Errorf("answers %q, want hello", r.Messages)
		}
		r = run(t, c, peers.Job{Kind: peers.Flood, URL: url + "/flood"})
		if n := len(r.Messages); n > 0 {
			t.Fatalf("%d answers, want none", n)
		}
		expectClose(t, r, 1008, "too fast")
	})
}

func TestOffers(t *testing.T) {
	for _, tt := range []struct {
		client     string
		deflate    bool
		extensions string
	}{
		{"ws", false, ""},
		{"ws", true, "permessage-deflate; client_max_window_bits"},
		{"undici", false, "permessage-deflate; client_max_window_bits"},
	} {
		t.Run(fmt.Sprint(tt.client, " deflate ", tt.deflate), func(t *testing.T) {
			asked := make(chan http.Header, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.Header
				upgrade(echo)(w, r)
			}))
			t.Cleanup(s.Close)
			expectClose(t, run(t, peertest.Shared(t, tt.client), peers.Job{
				Kind: peers.Text, URL: "ws" + strings.TrimPrefix(s.URL, "http"), Subprotocols: []string{"other", "echo"},
				Deflate: tt.deflate, Texts: []string{"hello"}, Answers: 1,
			}), 1000, "")
			header := <-asked
			if got := header.Get("Sec-WebSocket-Extensions"); got != tt.extensions {
				t.Errorf("offered %q, want %q", got, tt.extensions)
			}
			if got := strings.ReplaceAll(header.Get("Sec-WebSocket-Protocol"), " ", ""); got != "other,echo" {
				t.Errorf("offered the subprotocols %q, want other, echo", got)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(upgrade(echo))
	t.Cleanup(s.Close)
	eachClient(t, func(t *testing.T, c *peers.Client) {
		url := "wss" + strings.TrimPrefix(s.URL, "https")
		expectClose(t, run(t, c, peers.Job{Kind: peers.Text, URL: url, Texts: []string{"hello"}, Answers: 1}), 1000, "")
	})
}

func TestWhatWentWrongIsReported(t *testing.T) {
	refused := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refused.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ws := func(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }
	for _, tt := range []struct {
		name string
		job  peers.Job
		want string // in the error of either client
	}{
		{"not a kind of job", peers.Job{Kind: "dance", URL: ws(gone)}, "dance is not a kind"},
		{"nobody listens", peers.Job{Kind: peers.Text, URL: ws(gone)}, ""},
		{"404", peers.Job{Kind: peers.Text, URL: ws(refused)}, ""},
		{"nobody closes", peers.Job{Kind: peers.Text, URL: serve(t, echo), Timeout: 100 * time.Millisecond}, "no close within 100 ms"},
		{"code that nobody may send", peers.Job{Kind: peers.Close, URL: serve(t, echo), Code: 1005}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, c *peers.Client) {
				r := run(t, c, tt.job)
				if r.Error == "" || !strings.Contains(r.Error, tt.want) || r.Code == 1000 {
					t.Errorf("got %+v, want an error with %q", r, tt.want)
				}
			})
		})
	}
}

func TestJobsRunSideBySide(t *testing.T) {
	url := serve(t, echo)
	eachClient(t, func(t *testing.T, c *peers.Client) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				text := fmt.Sprint("message ", i)
				r, err := c.Run(t.Context(), peers.Job{Kind: peers.Text, URL: url, Texts: []string{text}, Answers: 1})
				if err != nil || len(r.Messages) != 1 || r.Messages[0] != text {
					t.Errorf("got %+v, %v; want the answer %q", r, err, text)
				}
			})
		}
		wg.Wait()
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	url := serve(t, echo)
	eachClient(t, func(t *testing.T, c *peers.Client) {
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
		defer cancel()
		if _, err := c.Run(ctx, peers.Job{Kind: peers.Text, URL: url, Timeout: time.Second}); !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	})
}

func TestStartOfNobody(t *testing.T) {
	if _, err := peers.Start("nobody"); err == nil || !strings.Contains(err.Error(), `"undici"`) {
		t.Errorf("got %v, want an error with the names that there are", err)
	}
}

func TestKill(t *testing.T) {
	c := peertest.Start(t, "ws")
	c.Kill()
	if _, err := c.Run(t.Context(), peers.Job{Kind: peers.Text}); err == nil {
		t.Error("a job without an error after the process was killed")
	}
}
