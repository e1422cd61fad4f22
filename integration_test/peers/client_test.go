package peers

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
)

// eachClient runs test with both clients.
func eachClient(t *testing.T, test func(t *testing.T, c *Client)) {
	for name := range shared {
		t.Run(name, func(t *testing.T) { test(t, Shared(t, name)) })
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

func run(t *testing.T, c *Client, job Job) Result {
	t.Helper()
	r, err := c.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expectClose(t *testing.T, r Result, code int, reason string) {
	t.Helper()
	if !r.Opened || !r.Closed || r.Code != code || r.Reason != reason || !r.WasClean || r.Error != "" {
		t.Errorf("got %+v, want a clean close %d %q", r, code, reason)
	}
}

func TestTextCollectsAnswers(t *testing.T) {
	eachClient(t, func(t *testing.T, c *Client) {
		r := run(t, c, Job{Kind: Text, URL: serve(t, echo), Texts: []string{"one", "two"}, Answers: 2})
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
	eachClient(t, func(t *testing.T, c *Client) {
		expectClose(t, run(t, c, Job{Kind: Text, URL: url, Texts: []string{"close"}}), 4001, "bye")
	})
}

func TestCloseSendsCodeAndReason(t *testing.T) {
	for _, tt := range []struct {
		name   string
		job    Job
		code   int // what the server receives, and the client gets back
		reason string
	}{
		{"code and reason", Job{Code: 4000, Reason: "bye"}, 4000, "bye"},
		{"neither", Job{}, 1005, ""},
		{"after an answer", Job{Code: 3000, Texts: []string{"hi"}, Answers: 1}, 3000, ""},
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
			eachClient(t, func(t *testing.T, c *Client) {
				tt.job.Kind, tt.job.URL = Close, url
				expectClose(t, run(t, c, tt.job), tt.code, "") // gorilla answers without the reason
				var got *websocket.CloseError
				if err := <-received; !errors.As(err, &got) || got.Code != tt.code || got.Text != tt.reason {
					t.Errorf("the server received %v, want %d %q", err, tt.code, tt.reason)
				}
			})
		})
	}
}

func TestUploadSendsOneMessage(t *testing.T) {
	url := serve(t, func(conn *websocket.Conn) {
		_, message, err := conn.ReadMessage()
		closeWith(conn, 4000, fmt.Sprint(len(message), " ", err))
	})
	eachClient(t, func(t *testing.T, c *Client) {
		r := run(t, c, Job{Kind: Upload, URL: url, Size: 20 * 1000 * 1000})
		expectClose(t, r, 4000, "20000000 <nil>")
	})
}

func TestFloodGoesOnUntilClosed(t *testing.T) {
	const messages = 64 // 4 MiB, four times what a client lets wait
	url := serve(t, func(conn *websocket.Conn) {
		for range messages {
			_, message, err := conn.ReadMessage()
			if err != nil || len(message) != 64<<10 {
				closeWith(conn, 4002, fmt.Sprint(len(message), " ", err))
				return
			}
		}
		closeWith(conn, 1008, "enough")
	})
	eachClient(t, func(t *testing.T, c *Client) {
		expectClose(t, run(t, c, Job{Kind: Flood, URL: url}), 1008, "enough")
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
			expectClose(t, run(t, Shared(t, tt.client), Job{
				Kind: Text, URL: "ws" + strings.TrimPrefix(s.URL, "http"), Subprotocols: []string{"other", "echo"},
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
	eachClient(t, func(t *testing.T, c *Client) {
		url := "wss" + strings.TrimPrefix(s.URL, "https")
		expectClose(t, run(t, c, Job{Kind: Text, URL: url, Texts: []string{"hello"}, Answers: 1}), 1000, "")
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
		job  Job
		want string // in the error of either client
	}{
		{"not a kind of job", Job{Kind: "dance", URL: ws(gone)}, "dance is not a kind"},
		{"nobody listens", Job{Kind: Text, URL: ws(gone)}, ""},
		{"404", Job{Kind: Text, URL: ws(refused)}, ""},
		{"nobody closes", Job{Kind: Text, URL: serve(t, echo), Timeout: 100 * time.Millisecond}, "no close within 100 ms"},
		{"code that nobody may send", Job{Kind: Close, URL: serve(t, echo), Code: 1005}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, c *Client) {
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
	eachClient(t, func(t *testing.T, c *Client) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				text := fmt.Sprint("message ", i)
				r, err := c.Run(t.Context(), Job{Kind: Text, URL: url, Texts: []string{text}, Answers: 1})
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
	eachClient(t, func(t *testing.T, c *Client) {
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
		defer cancel()
		if _, err := c.Run(ctx, Job{Kind: Text, URL: url, Timeout: time.Second}); !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	})
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	Shared(t, "ws") // skips where Node.js is missing
	for _, tt := range []struct {
		name  string
		start func(*Client) error
		want  string
	}{
		{"package of npm", func(c *Client) error { return c.node("ws.mjs") }, "npm package nobody"},
		{"package of Python", func(c *Client) error { return c.python("jobs.py") }, "Python package nobody"},
		{"program", func(c *Client) error { _, err := c.look("nobody", "nothing"); return err }, "nobody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.start(newClient("nobody"))
			var missing *missingError
			if !errors.As(err, &missing) || missing.client != "nobody" || missing.what != tt.want {
				t.Errorf("got %v, want %s missing", err, tt.want)
			}
		})
	}
}

func TestStartOfNobody(t *testing.T) {
	if _, err := start("nobody"); err == nil || !strings.Contains(err.Error(), `"undici"`) {
		t.Errorf("got %v, want an error with the names that there are", err)
	}
}

func TestKill(t *testing.T) {
	c := Start(t, "ws")
	c.Kill()
	if _, err := c.Run(t.Context(), Job{Kind: Text}); err == nil {
		t.Error("a job without an error after the process was killed")
	}
}
