package integration_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// upgrade is a request for a WebSocket in which fields are replaced; one that
// is replaced by "" is left out.
func upgrade(replace ...string) string {
	head := "GET /peer HTTP/1.1\r\nHost: guarded.test\r\n"
	for _, field := range []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="} {
		name, _, _ := strings.Cut(field, ":")
		for _, r := range replace {
			if n, value, _ := strings.Cut(r, ":"); n == name {
				field = r
				if value == "" {
					field = ""
				}
			}
		}
		if field != "" {
			head += field + "\r\n"
		}
	}
	for _, r := range replace {
		if strings.HasPrefix(r, "Origin:") {
			head += r + "\r\n"
		}
	}
	return head + "\r\n"
}

// converse sends a request, waits for its answer, asks for the end if the
// connection is still open, and returns all that the server sent, without what
// a clock decides.
func converse(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &all))
	if answer, err := http.ReadResponse(r, nil); err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		io.Copy(io.Discard, answer.Body)
		if !answer.Close {
			io.WriteString(conn, "GET /end HTTP/1.1\r\nHost: guarded.test\r\nConnection: close\r\n\r\n")
		}
	}
	io.Copy(io.Discard, r)
	return dates.ReplaceAllString(all.String(), "Date: now\r\n")
}

var dates = regexp.MustCompile(`Date: [^\r]*\r\n`)

// The handlers of the tests below are the libraries' own, which refuse what is
// no good request, and some that don't get as far.
func refusers() map[string]http.Handler {
	reason := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", "Bearer")
			http.Error(w, "not like this", status)
		})
	}
	return map[string]http.Handler{
		"gorilla": settings.PlainGorilla(echo),
		"coder":   settings.PlainCoder(echo),
		"401":     reason(http.StatusUnauthorized),
		"500":     reason(http.StatusInternalServerError),
		"silence": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		"stream": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				io.WriteString(w, "part\n")
				w.(http.Flusher).Flush()
			}
			io.Copy(w, io.LimitReader(zeros{}, 10_000))
			io.Copy(w, strings.NewReader(strings.Repeat("x", 10_000)))
		}),
		"panic": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"hijacked 403": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			io.WriteString(conn, "HTTP/1.1 403 Forb")
			io.WriteString(conn, "idden\r\nContent-Length: 3\r\nConnection: close\r\n\r")
			io.WriteString(conn, "\nno\n")
			conn.Close()
		}),
		"hijacked silence": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			conn.Close()
		}),
		"what the writer can do": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, flusher := w.(http.Flusher)
			_, readerFrom := w.(io.ReaderFrom)
			_, notifier := w.(http.CloseNotifier) //nolint:staticcheck // deprecated, and still asked for
			_, ginWriter := w.(interface{ WriteHeaderNow() })
			err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
			fmt.Fprintln(w, flusher, readerFrom, notifier, ginWriter, err)
		}),
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// serveBoth serves a handler bare and guarded, each beside a page "/end".
func serveBoth(t *testing.T, h http.Handler, guard func(*closeguard.Guard, http.Handler) http.Handler) (bare, guarded string, seen *events) {
	t.Helper()
	seen = new(events)
	g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	start := func(h http.Handler) string {
		mux := http.NewServeMux()
		mux.Handle("/{peer}", h)
		mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "end") })
		s := httptest.NewUnstartedServer(mux)
		s.Config.ErrorLog = discardLog
		s.Start()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	t.Cleanup(func() { g.Close() })
	return start(h), start(guard(g, h)), seen
}

// A request for a WebSocket that gets another answer than 101 gets what it
// gets without the guard, and not one byte more; and an observer learns of it.
func TestRefusedRequest(t *testing.T) {
	early := string(whole(hello))
	for _, tt := range []struct {
		handler string
		name    string
		request string
		status  int // of the Refused event, -1: none, because no WebSocket was asked for
	}{
		{"gorilla", "no key", upgrade("Sec-WebSocket-Key:"), 400},
		{"gorilla", "version 12", upgrade("Sec-WebSocket-Version: 12"), 400},
		{"gorilla", "foreign origin", upgrade("Origin: http://elsewhere.test"), 403},
		{"gorilla", "early bytes", upgrade() + early, 0},
		{"gorilla", "no key, early bytes", upgrade("Sec-WebSocket-Key:") + early, 400},
		{"gorilla", "another protocol", upgrade("Upgrade: h2c"), -1},
		{"gorilla", "no upgrade", upgrade("Connection: keep-alive"), -1},
		{"coder", "no key", upgrade("Sec-WebSocket-Key:"), 400},
		{"coder", "version 12", upgrade("Sec-WebSocket-Version: 12"), 400},
		{"coder", "foreign origin", upgrade("Origin: http://elsewhere.test"), 403},
		{"coder", "no key, early bytes", upgrade("Sec-WebSocket-Key:") + early, 400},
		{"coder", "another protocol", upgrade("Upgrade: h2c"), -1},
		{"coder", "no upgrade", upgrade("Connection: keep-alive"), -1},
		{"401", "", upgrade(), 401},
		{"500", "", upgrade(), 500},
		{"500", "POST", strings.Replace(upgrade(), "GET", "POST", 1), 500},
		{"silence", "", upgrade(), -1}, // nobody knows what it comes to
		{"stream", "", upgrade(), 200},
		{"panic", "", upgrade(), 0},
		{"hijacked 403", "", upgrade(), 403},
		{"hijacked silence", "", upgrade(), 0},
		{"what the writer can do", "", upgrade(), 200},
	} {
		t.Run(tt.handler+" "+tt.name, func(t *testing.T) {
			expectRefused(t, refusers()[tt.handler], (*closeguard.Guard).Middleware, tt.request, tt.status)
			for _, e := range endpoints {
				if e.Adapter && e.Library == tt.handler {
					adapter := func(g *closeguard.Guard, _ http.Handler) http.Handler { return e.Serve(g, echo) }
					expectRefused(t, refusers()[tt.handler], adapter, tt.request, tt.status)
				}
			}
		})
	}
}

// expectRefused compares what a request gets of a handler bare and guarded.
func expectRefused(t *testing.T, h http.Handler, guard func(*closeguard.Guard, http.Handler) http.Handler, request string, status int) {
	t.Helper()
	bare, guarded, seen := serveBoth(t, h, guard)
	want, got := converse(t, bare, request), converse(t, guarded, request)
	if got != want {
		t.Errorf("guarded %.500q\nbare    %.500q", got, want)
	}
	if status < 0 {
		if h := seen.Of("/peer"); len(h.Refused) != 0 {
			t.Errorf("refused: %v", h.Refused)
		}
		return
	}
	events := seen.wait(t, "/peer")
	if events.Opened != 0 || len(events.Closed) != 0 || len(events.Refused) != 1 || events.Refused[0].Status != status {
		t.Fatalf("events %+v, want one Refused with status %d", events, status)
	}
	if info := events.Refused[0].Connection(); info.Route != "/{peer}" || info.Remote == "" || info.Number != 0 {
		t.Errorf("event of %+v, want the route, the peer's address and no number", info)
	}
}

// coder takes bytes that come with the request: they are frames.
func TestEarlyFrames(t *testing.T) {
	s := serve(t, "ws", closeguard.Options{}, echo)
	for _, e := range endpoints {
		if e.Library != "coder" {
			continue
		}
		for _, tt := range []struct {
			name   string
			early  []rawpeer.Frame
			send   []rawpeer.Frame
			answer []rawpeer.Frame
		}{
			{"text", []rawpeer.Frame{hello}, []rawpeer.Frame{empty}, []rawpeer.Frame{hello, empty}},
			{"text and close", []rawpeer.Frame{hello, empty}, nil, []rawpeer.Frame{hello, empty}},
			{"half a message", rawpeer.Fragments(hello, "ha", "lf")[:1], append(rawpeer.Fragments(hello, "ha", "lf")[1:], empty), []rawpeer.Frame{rawpeer.Text("half"), empty}},
		} {
			t.Run(e.Path+" "+tt.name, func(t *testing.T) {
				p := s.dial(t, e, rawpeer.Early(tt.early...))
				p.send(t, tt.send...)
				p.expectEnd(t, rawpeer.FIN, tt.answer...)
				want := ending{kind: "peer closed", code: 1005, clean: true, sent: closing(1005, ""), received: closing(1005, "")}
				if got := endingOf(p.event(t)); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

// Requests that ask for no WebSocket reach the handler with net/http's own
// ResponseWriter.
func TestOtherRequestsAreUntouched(t *testing.T) {
	bare, guarded, seen := serveBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%T %v", w, closeguard.FromContext(r.Context()) != nil)
		w.Header().Set(http.TrailerPrefix+"Checksum", "none")
	}), (*closeguard.Guard).Middleware)
	for _, request := range []string{
		"GET /peer HTTP/1.1\r\nHost: guarded.test\r\n\r\n",
		"GET /peer HTTP/1.0\r\n\r\n",
		"POST /peer HTTP/1.1\r\nHost: guarded.test\r\nContent-Length: 2\r\n\r\nhi",
		"GET /peer HTTP/1.1\r\nHost: guarded.test\r\nUpgrade: websocket\r\n\r\n",
		"GET /peer HTTP/1.1\r\nHost: guarded.test\r\nConnection: upgrade\r\nUpgrade: not-websocket\r\n\r\n",
	} {
		want, got := converse(t, bare, request), converse(t, guarded, request)
		if got != want || !strings.Contains(got, "*http.response false") {
			t.Errorf("request %q\nguarded %q\nbare    %q", request, got, want)
		}
	}
	if h := seen.Of("/peer"); h.Opened+len(h.Refused)+len(h.Closed) != 0 {
		t.Errorf("events %+v", h)
	}
}
