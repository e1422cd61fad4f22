package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coderws "github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// asProcess makes the test binary the command itself.
const asProcess = "ECHO_AS_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	limit    = 64 << 10
	patience = 10 * time.Second // a test that waits longer has failed
)

var (
	adapted = []string{"/gorilla", "/coder"}
	plain   = []string{"/plain/gorilla", "/plain/coder"}
	bare    = []string{"/bare/gorilla", "/bare/coder"}
)

// site is the example on a port of its own.
type site struct {
	*httptest.Server
	events closetest.Recorder // what closes.json has already
	taken  int                // of the close events, by the test
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := new(site)
	kept := new(closes)
	guard, err := closeguard.New(closeguard.Options{
		Attrs:     attrs,
		BareClose: closeguard.InternalError, // as the program has it
		Observers: []closeguard.Observer{kept, &s.events},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(newHandler(guard, kept, limit))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // panics, on purpose
	s.Start()
	t.Cleanup(func() {
		s.Close()
		guard.Close()
	})
	return s
}

// end is the next connection's.
func (s *site) end(t *testing.T) closeguard.CloseEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all, err := s.events.WaitClosed(ctx, s.taken+1)
	if err != nil {
		t.Fatal(err)
	}
	s.taken++
	return all[s.taken-1]
}

func (s *site) closes(t *testing.T, query string) []map[string]any {
	t.Helper()
	r, err := s.Client().Get(s.URL + "/closes.json" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var found []map[string]any
	if err := json.Unmarshal(body, &found); err != nil || found == nil {
		t.Fatalf("%s: %v", body, err)
	}
	return found
}

// peer is a client that sends and sees frames as they are.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

const (
	text   = 1
	closed = 8
)

func dial(t *testing.T, url, path string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
	p := &peer{t, conn, bufio.NewReader(conn)}
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %s", path, r.Status)
	}
	return p
}

// send sends a frame.
func (p *peer) send(opcode byte, payload string) {
	p.t.Helper()
	if _, err := p.conn.Write(frame(opcode, payload)); err != nil {
		p.t.Fatal(err)
	}
}

// frame is a final frame, masked with zeros.
func frame(opcode byte, payload string) []byte {
	head := []byte{0x80 | opcode, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | opcode, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// next is the next frame, or "EOF" where TCP ends without one.
func (p *peer) next() string {
	p.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return "EOF"
		}
		p.t.Fatal(err)
	}
	length := int(head[1])
	if length == 126 {
		var long [2]byte
		if _, err := io.ReadFull(p.r, long[:]); err != nil {
			p.t.Fatal(err)
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(p.r, payload); err != nil {
		p.t.Fatal(err)
	}
	switch head[0] {
	case 0x80 | text:
		return "text " + string(payload)
	case 0x80 | closed:
		p.conn.Write([]byte{0x80 | closed, 0x80 | byte(length), 0, 0, 0, 0})
		p.conn.Write(payload)
		if length == 0 {
			return "close"
		}
		return strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(payload), payload[2:]))
	default:
		return fmt.Sprintf("%#x %q", head, payload)
	}
}

func TestParseCommand(t *testing.T) {
	for name, test := range map[string]struct {
		message string
		want    command
		err     string
	}{
		"no command":        {"hello", command{}, ""},
		"nothing":           {"", command{}, ""},
		"close":             {"/close 1008 slow down", command{"close", 1008, "slow down"}, ""},
		"without a reason":  {"/close 1000", command{verb: "close", code: 1000}, ""},
		"out of range":      {"/close 70000", command{verb: "close", code: 70000}, ""},
		"reason with space": {"/close 1000  two", command{"close", 1000, " two"}, ""},
		"fail":              {"/fail a b", command{verb: "fail", text: "a b"}, ""},
		"panic":             {"/panic", command{verb: "panic"}, ""},
		"no code":           {"/close", command{}, `code "" is not a number`},
		"not a number":      {"/close now", command{}, `code "now" is not a number`},
		"nothing to say":    {"/fail", command{}, "/fail needs a text"},
		"unknown":           {"/help", command{}, "/help is not known"},
		"not UTF-8":         {"/\xff", command{}, "/\uFFFD is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseCommand(true, []byte(test.message))
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if fmt.Sprint(err) != "<nil>" != (test.err != "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
	if got, err := parseCommand(false, []byte("/panic")); got != (command{}) || err != nil {
		t.Errorf("a binary message was taken for a command: %+v, %v", got, err)
	}
}

func TestCommands(t *testing.T) {
	long := strings.Repeat("x", 124)
	for _, test := range []struct {
		endpoints []string
		command   string
		answer    string // the next frame's beginning
		goesOn    bool
		event     string // the event's text's beginning
	}{
		{adapted, "/close 4000 bye", "close 4000 bye", false, `websocket closed here: 4000 private use "bye"`},
		{adapted, "/close 1006 no", "text error: closeguard: close code 1006 ", true, ""},
		{adapted, "/close 70000 no", "text error: closeguard: close code 70000 ", true, ""},
		{adapted, "/close 1000 " + long, "text error: closeguard: close reason of 124 bytes ", true, ""},
		{adapted, "/close soon", `text error: code "soon" is not a number`, true, ""},
		{adapted, "/fail no database", "close 1011 internal error", false, `websocket closed here: 1011 internal error "internal error": no database`},
		{adapted, "/panic", "close 1011 internal error", false, `websocket closed here: 1011 internal error "internal error": panic: a client asked for it`},

		{plain, "/close 4000 bye", "close 4000 bye", false, `websocket closed here: 4000 private use "bye"`},
		{[]string{"/plain/gorilla"}, "/close 1006 no", "close 1001 no", false, "websocket closed here: 1001 going away"},
		{[]string{"/plain/coder"}, "/close 1006 no", "close 1011", false, "websocket closed here: 1011 internal error"},
		{plain, "/close 1000 " + long, "close 1011", false, "websocket closed here: 1011 internal error"},
		{plain, "/close soon", `text error: code "soon" is not a number`, true, ""},
		{plain, "/fail no database", "close 1011", false, "websocket closed here: 1011 internal error: closeguard: the library closed TCP without a Close frame"},
		{plain, "/panic", "close 10", false, "websocket closed here: 10"},

		{bare[:1], "/close 4000 bye", "close 4000 bye", false, `websocket closed here: 4000 private use "bye", not answered`},
		{bare[1:], "/close 4000 bye", "close 4000 bye", false, `websocket closed here: 4000 private use "bye"`},
		{bare[:1], "/close 1006 no", "close 1006 no", false, `websocket closed here: 1006 abnormal closure "no", not answered`},
		{bare[1:], "/close 1006 no", "EOF", false, "websocket connection dropped after "},
		{bare, "/close 1000 " + long, "EOF", false, "websocket connection dropped after "},
		{bare, "/close soon", `text error: code "soon" is not a number`, true, ""},
		{bare, "/fail no database", "EOF", false, "websocket connection dropped after "},
		{bare, "/panic", "EOF", false, "websocket connection dropped after "},
	} {
		for _, path := range test.endpoints {
			t.Run(path+" "+test.command[:min(len(test.command), 20)], func(t *testing.T) {
				s := newSite(t)
				p := dial(t, s.URL, path)
				p.send(text, "hello")
				if got := p.next(); got != "text hello" {
					t.Fatalf("echo: %s", got)
				}
				p.send(text, test.command)
				if got := p.next(); !strings.HasPrefix(got, test.answer) {
					t.Errorf("answer: %s, want %s", got, test.answer)
				}
				if test.goesOn {
					p.send(text, "still there?")
					if got := p.next(); got != "text still there?" {
						t.Errorf("afterwards: %s", got)
					}
					p.send(closed, "\x0f\xa0bye")
					if got := p.next(); !strings.HasPrefix(got, "close 4000") {
						t.Errorf("answer to a Close: %s", got)
					}
					test.event = `websocket closed by peer: 4000 private use "bye"`
				}
				ev := s.end(t)
				if !strings.HasPrefix(ev.Error(), test.event) {
					t.Errorf("event: %v, want %s", ev, test.event)
				}
				if got, want := ev.Connection().Guarded, !strings.HasPrefix(path, "/bare"); got != want {
					t.Errorf("guarded is %t", got)
				}
			})
		}
	}
}

// A Close of the peer's that lies behind an illegal command is answered after the
// command is: it makes the connection's event, and the command none the less illegal.
func TestAnIllegalCloseBesideThePeers(t *testing.T) {
	for _, path := range adapted {
		t.Run(path, func(t *testing.T) {
			s := newSite(t)
			p := dial(t, s.URL, path)
			command := "/close 1006 no"
			p.conn.Write(slices.Concat(frame(text, command), frame(closed, "\x0f\xa0bye")))
			if got := p.next(); !strings.HasPrefix(got, "text error: closeguard: close code 1006 ") {
				t.Errorf("answer: %s", got)
			}
			if got := p.next(); !strings.HasPrefix(got, "close 4000") {
				t.Errorf("answer to the Close: %s", got)
			}
			want := `websocket closed by peer: 4000 private use "bye"`
			if ev := s.end(t); ev.Error() != want {
				t.Errorf("event: %v, want %s", ev, want)
			}
		})
	}
}

// Of a Close that coder's Close saw answered, or that the peer answered with another
// code, a bare handler knows both frames.
func TestBareCoderKnowsTheAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"\x0f\xa0":     "sent 4000, received 4000, clean true",
		"\x0f\xa1away": "sent 4000, received 4001, clean true",
	} {
		s := newSite(t)
		p := dial(t, s.URL, "/bare/coder")
		p.send(text, "/close 4000 bye")
		io.ReadFull(p.r, make([]byte, len("..\x0f\xa0bye")))
		p.send(closed, answer)
		ev := s.end(t)
		e := ev.End()
		if e.Sent == nil || e.Received == nil {
			t.Errorf("event: %v", ev)
			continue
		}
		if got := fmt.Sprintf("sent %d, received %d, clean %t", e.Sent.Code, e.Received.Code, ev.Clean()); got != want {
			t.Errorf("event: %v, %s; want %s", ev, got, want)
		}
	}
}

func TestEventsKnowTheCauseOfAFailedHandler(t *testing.T) {
	s := newSite(t)
	for _, path := range adapted {
		t.Run(path, func(t *testing.T) {
			p := dial(t, s.URL, path)
			p.send(text, "/panic")
			p.next()
			var caught *closeguard.PanicError
			if ev := s.end(t); !errors.As(ev, &caught) || caught.Value != "a client asked for it" {
				t.Errorf("event: %v", ev)
			}
		})
	}
	for _, path := range bare {
		t.Run(path, func(t *testing.T) {
			p := dial(t, s.URL, path)
			p.send(text, "/fail no database")
			p.next()
			if ev := s.end(t); !strings.HasSuffix(ev.Error(), ": no database") {
				t.Errorf("event: %v", ev)
			}
		})
	}
}

func TestBareRecordsWhatTheHandlerSaw(t *testing.T) {
	s := newSite(t)
	for _, path := range bare {
		for name, test := range map[string]struct {
			leave func(p *peer)
			want  string
		}{
			"a Close":        {func(p *peer) { p.send(closed, "\x0f\xa0bye") }, `websocket closed by peer: 4000 private use "bye"`},
			"an empty Close": {func(p *peer) { p.send(closed, "") }, "websocket closed by peer: 1005 no status received"},
			"the end of TCP": {func(p *peer) { p.conn.Close() }, "websocket connection dropped after "},
			"too much at once": {func(p *peer) {
				p.conn.Write([]byte{0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
				p.conn.Write(make([]byte, limit+2))
			}, "websocket connection dropped after "},
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				test.leave(dial(t, s.URL, path))
				ev := s.end(t)
				if !strings.HasPrefix(ev.Error(), test.want) || errors.Is(ev, closeguard.ErrBareClose) {
					t.Errorf("event: %v, want %s", ev, test.want)
				}
			})
		}
	}
}

func TestMessagesUpToTheLimitAreEchoed(t *testing.T) {
	s := newSite(t)
	message := bytes.Repeat([]byte{'/', 0xff}, limit/2) // no command: it is binary
	for _, path := range slices.Concat(adapted, plain, bare) {
		t.Run("gorilla to "+path, func(t *testing.T) {
			ws, _, err := gorillaws.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			ws.WriteMessage(gorillaws.BinaryMessage, message)
			kind, got, err := ws.ReadMessage()
			if kind != gorillaws.BinaryMessage || !bytes.Equal(got, message) || err != nil {
				t.Errorf("got %d bytes of kind %d, %v", len(got), kind, err)
			}
			if strings.HasPrefix(path, "/bare") {
				return
			}
			ws.WriteMessage(gorillaws.BinaryMessage, append(message, 0))
			if _, _, err := ws.ReadMessage(); !gorillaws.IsCloseError(err, gorillaws.CloseMessageTooBig) {
				t.Errorf("one byte more: %v", err)
			}
		})
		t.Run("coder to "+path, func(t *testing.T) {
			ws, _, err := coderws.Dial(t.Context(), s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			ws.SetReadLimit(limit)
			ws.Write(t.Context(), coderws.MessageBinary, message)
			kind, got, err := ws.Read(t.Context())
			if kind != coderws.MessageBinary || !bytes.Equal(got, message) || err != nil {
				t.Errorf("got %d bytes of kind %d, %v", len(got), kind, err)
			}
			if strings.HasPrefix(path, "/bare") {
				return
			}
			ws.Write(t.Context(), coderws.MessageBinary, append(message, 0))
			if _, _, err := ws.Read(t.Context()); coderws.CloseStatus(err) != coderws.StatusMessageTooBig {
				t.Errorf("one byte more: %v", err)
			}
		})
	}
}

func TestOnlyThePageOfThisServerMayConnect(t *testing.T) {
	s := newSite(t)
	for _, path := range slices.Concat(adapted, plain, bare) {
		for origin, want := range map[string]int{s.URL: http.StatusSwitchingProtocols, "http://elsewhere.example": http.StatusForbidden} {
			t.Run(path+" from "+origin, func(t *testing.T) {
				ws, r, err := gorillaws.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, http.Header{"Origin": {origin}})
				if r == nil {
					t.Fatal(err)
				}
				if r.StatusCode != want {
					t.Errorf("%s, want %d", r.Status, want)
				}
				if ws != nil {
					ws.Close()
				}
			})
		}
	}
}

func TestClosesJSON(t *testing.T) {
	s := newSite(t)
	if got := s.closes(t, ""); len(got) != 0 {
		t.Fatalf("before the first connection: %v", got)
	}
	paths := slices.Concat(adapted, plain, bare)
	var events []closeguard.CloseEvent
	for i, path := range paths {
		query := fmt.Sprintf("?t=tag-%d", i)
		if i == 0 {
			query = ""
		}
		p := dial(t, s.URL, path+query)
		p.send(closed, "\x0f\xa0bye")
		p.next()
		events = append(events, s.end(t))
	}

	t.Run("newest first, without a tag if there is none", func(t *testing.T) {
		found := s.closes(t, "")
		slices.Reverse(found)
		if len(found) != len(paths) {
			t.Fatalf("%d endings, want %d", len(found), len(paths))
		}
		for i, got := range found {
			var tag any
			if i > 0 {
				tag = fmt.Sprintf("tag-%d", i)
			}
			if got["path"] != paths[i] || got["tag"] != tag || got["received_code"] != 4000.0 || got["reason"] != "bye" {
				t.Errorf("%s: %v", paths[i], got)
			}
		}
	})
	t.Run("each is the log line's group, and the tag", func(t *testing.T) {
		found := s.closes(t, "")
		for i, ev := range events {
			var want []string
			for _, a := range ev.LogValue().Group() {
				want = append(want, a.Key)
			}
			if i > 0 {
				want = append(want, "tag")
			}
			var got []string
			for key := range found[len(found)-1-i] {
				got = append(got, key)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("keys %v, want %v", got, want)
			}
		}
	})
	t.Run("one tag", func(t *testing.T) {
		if got := s.closes(t, "?t=tag-3"); len(got) != 1 || got[0]["path"] != paths[3] {
			t.Errorf("%v", got)
		}
		if got := s.closes(t, "?t=unknown"); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("a long tag is cut", func(t *testing.T) {
		long := strings.Repeat("x", 100)
		p := dial(t, s.URL, "/coder?t="+long)
		p.send(closed, "")
		p.next()
		s.end(t)
		if got := s.closes(t, "?t="+long); len(got) != 1 || got[0]["tag"] != long[:64] {
			t.Errorf("%v", got)
		}
	})
}

func TestClosesKeepsTheLast(t *testing.T) {
	c := new(closes)
	observe := func(from, to int) {
		for i := from; i <= to; i++ {
			info := closeguard.ConnInfo{Number: uint64(i), Attrs: []slog.Attr{slog.String(tagKey, fmt.Sprint(i))}}
			c.Observe(t.Context(), &closeguard.Opened{ConnInfo: info})
			c.Observe(t.Context(), &closeguard.Dropped{Ending: closeguard.Ending{ConnInfo: info}})
		}
	}
	check := func(newest, oldest int) {
		t.Helper()
		found := c.newest("")
		if len(found) != newest-oldest+1 {
			t.Fatalf("%d endings are kept", len(found))
		}
		for i, line := range found {
			var got struct{ Conn int }
			if err := json.Unmarshal(line, &got); err != nil || got.Conn != newest-i {
				t.Fatalf("ending %d: %s, %v, want conn %d", i, line, err, newest-i)
			}
		}
		if got := c.newest(fmt.Sprint(oldest)); len(got) != 1 {
			t.Errorf("%d endings with the oldest tag", len(got))
		}
		if got := c.newest(fmt.Sprint(oldest - 1)); len(got) != 0 {
			t.Errorf("an older one is still there: %s", got)
		}
	}
	observe(1, keep-1)
	check(keep-1, 1)
	observe(keep, keep)
	check(keep, 1)
	observe(keep+1, keep+3)
	check(keep+3, 4)
	observe(keep+4, 3*keep)
	check(3*keep, 2*keep+1)
}

func TestPage(t *testing.T) {
	s := newSite(t)
	r, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	before, behind, _ := strings.Cut(page, "<!-- releases -->")
	said, ok := strings.CutPrefix(strings.TrimSuffix(string(body), behind), before)
	if !ok || r.StatusCode != http.StatusOK {
		t.Errorf("%s, %d bytes", r.Status, len(body))
	}
	if !regexp.MustCompile(`^<p>The libraries here are coder/websocket v1\.\S+ and gorilla/websocket v1\.\S+\.</p>$`).MatchString(said) {
		t.Errorf("of the releases it says %q", said)
	}
	policy := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", hashOf("style"), hashOf("script")} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q has no %s", policy, want)
		}
	}
	for _, element := range []string{"<style", "<script"} { // the policy allows one of each
		if n := strings.Count(page, element); n != 1 || !strings.Contains(page, element+">\n") {
			t.Errorf("%d times %s", n, element)
		}
	}
	for _, outside := range []string{`src="`, `href="http`, "@import", "url(", ` style="`, ` onclick="`} {
		if strings.Contains(page, outside) {
			t.Errorf("the page contains %s, which its policy forbids", outside)
		}
	}
	if r, err := s.Client().Get(s.URL + "/elsewhere"); err != nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %v, %v", r.Status, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":        {[]string{"-nope"}, "flag provided but not defined: -nope"},
		"an argument":            {[]string{"8080"}, `unexpected argument "8080"`},
		"an unknown format":      {[]string{"-log", "xml"}, `-log is "xml": must be json or console`},
		"no room for a message":  {[]string{"-limit", "0"}, "-limit is 0: must be positive"},
		"a limit that is none":   {[]string{"-limit", "-1"}, "-limit is -1: must be positive"},
		"an impossible address":  {[]string{"-addr", "127.0.0.1:-1"}, "listen tcp: address -1: invalid port"},
		"a limit in other words": {[]string{"-limit", "64K"}, `invalid value "64K" for flag -limit: parse error`},
		"a wait that is none":    {[]string{"-drain-wait", "-1s"}, "-drain-wait is -1s: must not be negative"},
		"a window that is none":  {[]string{"-drain-window", "-1s"}, "closeguard: Options.DrainWindow is -1s: must not be negative"},
		"no time after the wait": {[]string{"-drain-wait", "5s", "-grace", "5s"}, "-grace is 5s: must be longer than -drain-wait, 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), test.args, &out); err == nil || err.Error() != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("it wrote %s", &out)
			}
		})
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &out); err != nil || !strings.Contains(out.String(), "-limit bytes") {
		t.Errorf("-h: %v, %s", err, &out)
	}
}

// line is one of the log's, as far as the tests look at it.
type line struct {
	Level, Msg, URL, Tag, Report string
	Websocket                    map[string]any
}

// logLines reads a log as it is written.
func logLines(t *testing.T, r io.Reader) func() (line, bool) {
	s := bufio.NewScanner(r)
	return func() (line, bool) {
		if !s.Scan() {
			return line{}, false
		}
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Errorf("%s: %v", s.Bytes(), err)
		}
		return l, true
	}
}

func TestShutdown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0"}, w)
		w.Close()
		result <- err
	}()
	next := logLines(t, r)
	first, _ := next()
	if first.Msg != "listening" {
		t.Fatalf("first line: %+v", first)
	}
	url := strings.TrimSuffix(first.URL, "/")
	open := map[string]*peer{}
	for _, path := range slices.Concat(adapted, plain) {
		p := dial(t, url, path+"?t="+path)
		p.send(text, "hello")
		p.next()
		open[path] = p
	}
	cancel()
	answered := make(chan struct{})
	go func() { // while the log is read
		defer close(answered)
		for path, p := range open {
			if got := p.next(); got != "close 1001 server shutting down" {
				t.Errorf("%s: %s", path, got)
			}
			if got := p.next(); got != "EOF" {
				t.Errorf("%s: %s after the Close", path, got)
			}
		}
	}()
	var last line
	logged := map[string]bool{}
	for l, ok := next(); ok; l, ok = next() {
		last = l
		if l.Msg != "websocket closed" {
			continue
		}
		if open[l.Tag] == nil || l.Websocket["sent_code"] != 1001.0 || l.Websocket["answered"] != true || l.Level != "info" {
			t.Errorf("%+v", l)
		}
		logged[l.Tag] = true
	}
	<-answered
	if len(logged) != len(open) {
		t.Errorf("lines for %v only", logged)
	}
	if last.Msg != "shut down" || !strings.HasPrefix(last.Report, "4 connections in ") || !strings.Contains(last.Report, ": 4 answered, 0 ") {
		t.Errorf("last line: %+v", last)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("it still listens")
	}
}

func TestSignalsEndTheProcessWell(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-addr", "127.0.0.1:0")
			cmd.Env = append(os.Environ(), asProcess+"=1")
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			next := logLines(t, out)
			first, _ := next()
			p := dial(t, strings.TrimSuffix(first.URL, "/"), "/gorilla")
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if got := p.next(); got != "close 1001 server shutting down" {
				t.Error(got)
			}
			var messages []string
			for l, ok := next(); ok; l, ok = next() {
				messages = append(messages, l.Msg)
			}
			if want := []string{"shutting down", "websocket closed", "shut down"}; !slices.Equal(messages, want) {
				t.Errorf("log: %q, want %q", messages, want)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
