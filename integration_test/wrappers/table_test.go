package wrappers

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

var update = flag.Bool("update", false, "write the table into docs/frameworks.md")

// The libraries, as plain code.
var libraries = []struct {
	name string
	open func(http.ResponseWriter, *http.Request) (sockets.Socket, error)
}{
	{"gorilla", func(w http.ResponseWriter, r *http.Request) (sockets.Socket, error) {
		ws, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
		return sockets.Gorilla{Conn: ws}, err
	}},
	{"coder", func(w http.ResponseWriter, r *http.Request) (sockets.Socket, error) {
		ws, err := coder.Accept(w, r, nil)
		return sockets.Coder{Conn: ws}, err
	}},
}

// A cell is what becomes of WebSockets at one place with one library.
type cell struct {
	client  string // what the peer sees
	closes  string // what the observers are told when the peer closes with 4002
	kick    string // the same, and what the peer gets, when the server closes with 4003
	route   string
	context string // what the request's context leads to
	refusal string // the answer to a request from a foreign origin, and what is told
}

func (c cell) String() string {
	return strings.Join([]string{c.client, c.closes, c.kick, c.route, c.context, c.refusal}, " | ")
}

// site is a server that is tried.
type site struct {
	tb    testing.TB
	guard *closeguard.Guard
	seen  closetest.Recorder
	log   lines
	url   string

	mu       sync.Mutex
	requests []*http.Request // of the handlers that have opened a WebSocket
	handles  []*closeguard.Handle
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newSite(tb testing.TB, p place, open func(http.ResponseWriter, *http.Request) (sockets.Socket, error)) *site {
	s := &site{tb: tb}
	g, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{&s.seen},
		ErrorLog:  slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	s.guard = g
	server := httptest.NewUnstartedServer(p.build(tb, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := open(w, r)
		if err != nil {
			return
		}
		defer ws.Close()
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.handles = append(s.handles, closeguard.FromContext(r.Context()))
		s.mu.Unlock()
		for {
			text, message, err := ws.Read()
			if err != nil || ws.Write(text, message) != nil {
				return
			}
		}
	})))
	server.Config.ErrorLog = quiet
	server.Start()
	s.url = "ws" + strings.TrimPrefix(server.URL, "http")
	tb.Cleanup(func() {
		g.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// visit opens a WebSocket and has a message echoed. It says what the peer sees.
func (s *site) visit(path string) (p *rawpeer.Peer, sees string) {
	p, err := rawpeer.Connect(s.url+path, rawpeer.AnyStatus(), rawpeer.Wait(time.Second))
	s.tb.Cleanup(func() { p.TCP.Close() })
	switch {
	case p.Response == nil:
		return p, "waits in vain"
	case err != nil:
		s.tb.Fatal(err)
	case p.Response.StatusCode != http.StatusSwitchingProtocols:
		return p, fmt.Sprintf("gets %d", p.Response.StatusCode)
	}
	p.Waits(10 * time.Second)
	p.Write(rawpeer.Text("hello"))
	if f, ok := p.ReadFrame(); !ok || string(f.Payload) != "hello" {
		s.tb.Fatalf("got %v, %v, want an echo", f, ok)
	}
	return p, "opens"
}

// told are the events of a path once all is over, in words. One who has sent Close and
// got no event for it has gone past the guard.
func (s *site) told(path string) string {
	ctx, cancel := context.WithTimeout(s.tb.Context(), 2*time.Second)
	defer cancel()
	over := func(ev closeguard.Event) bool { return closetest.Ended(ev) || closetest.Is[*closeguard.Refused](ev) }
	// Who isn't told of by then never will be: the guard is idle, or has logged that it
	// knows nothing.
	for s.log.String() == "" && ctx.Err() == nil {
		short, done := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err := s.seen.Wait(short, 1, closetest.Path(path), over)
		done()
		if err == nil {
			break
		}
	}
	var words []string
	for _, ev := range s.seen.Events(closetest.Path(path)) {
		words = append(words, inWords(ev))
	}
	if len(words) == 0 {
		return "no event"
	}
	return strings.Join(words, ", ")
}

func inWords(ev closeguard.Event) string {
	switch ev := ev.(type) {
	case *closeguard.Opened:
		return "Opened"
	case *closeguard.Refused:
		if ev.Err == nil {
			return fmt.Sprintf("Refused %d", ev.Status)
		}
		why, _, _ := strings.Cut(strings.TrimPrefix(ev.Err.Error(), "closeguard: "), ", without")
		return fmt.Sprintf("Refused %d: %s", ev.Status, why)
	case closeguard.CloseEvent:
		words := fmt.Sprintf("%T %d", ev, ev.Code())
		words = strings.TrimPrefix(words, "*closeguard.")
		if ev.Clean() {
			words += ", clean"
		}
		end := ev.End()
		if why := end.Cause().String(); why != "none" {
			words += ", " + why
		}
		return words
	default:
		return fmt.Sprintf("%T", ev)
	}
}

// try looks at everything there is to see.
func (s *site) try() cell {
	var c cell
	p, sees := s.visit("/room/1")
	c.client = sees
	if sees == "opens" {
		p.Write(rawpeer.Close(4002, "bye"))
		p.ReadUntilEnd()
		if f := p.Frames[len(p.Frames)-1]; f.CloseCode() != 4002 || p.End != rawpeer.FIN {
			s.tb.Errorf("the peer's Close is answered with %v and %s", f, p.End)
		}
	}
	p.TCP.Close()
	c.closes = s.told("/room/1")
	c.context = s.contexts()
	c.route = "-"
	for _, ev := range s.seen.Closed(closetest.Path("/room/1")) {
		if c.route = "none"; ev.Connection().Route != "" {
			c.route = "`" + ev.Connection().Route + "`"
		}
	}
	c.kick = "-"
	if sees == "opens" {
		c.kick = s.kick()
	}
	no, err := rawpeer.Connect(s.url+"/room/3", rawpeer.AnyStatus(), rawpeer.Header("Origin", "http://elsewhere.test"))
	if err != nil {
		s.tb.Fatal(err)
	}
	no.TCP.Close()
	c.refusal = fmt.Sprintf("%d: %s", no.Response.StatusCode, s.told("/room/3"))
	return c
}

func (s *site) kick() string {
	p, sees := s.visit("/room/2")
	if sees != "opens" {
		s.tb.Errorf("the second time the peer %s", sees)
	}
	done := make(chan closeguard.Report, 1)
	go func() {
		report, err := s.guard.CloseFunc(s.tb.Context(), func(closeguard.ConnInfo) bool { return true }, closeguard.CloseFrame{Code: 4003, Reason: "kicked"})
		if err != nil {
			s.tb.Error(err)
		}
		done <- report
	}()
	if len(s.seen.Events(closetest.Path("/room/2"), closetest.Is[*closeguard.Opened])) == 0 && s.log.String() != "" {
		p.TCP.Close()
		if r := <-done; r.Total() != 0 {
			s.tb.Errorf("report: %v", r)
		}
		return "not known"
	}
	f, _ := p.ReadFrame()
	p.Write(f)
	p.ReadUntilEnd()
	if report := <-done; f.CloseCode() != 4003 || p.End != rawpeer.FIN || report.Answered != 1 {
		s.tb.Errorf("a kick: %v, %s, %v", f, p.End, report)
	}
	return s.told("/room/2")
}

// contexts says what the handlers' contexts lead to, and waits for their ends.
func (s *site) contexts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return "-"
	}
	for _, r := range s.requests {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
			s.tb.Error("the request's context doesn't end with the handler")
		}
	}
	switch h := s.handles[0]; {
	case h == nil:
		return "nothing"
	case h.Event() == nil:
		return "the request alone"
	default:
		return "the connection"
	}
}

// Each cell is one of three: it works and is guarded, it is refused with an error that
// says who is in the way, or a line in ErrorLog says that the guard was gone round and
// how to mend that.
func (s *site) judge(c cell) {
	switch log := s.log.String(); {
	case log != "":
		if !strings.Contains(log, "was not answered by the guard's ResponseWriter") || !strings.Contains(log, "c.Writer") || c.closes != "no event" || c.kick != "not known" {
			s.tb.Errorf("%v, and the log has\n%s", c, log)
		}
	case c.client == "opens":
		if c.closes != "Opened, PeerClosed 4002, clean" || c.kick != "Opened, LocalClosed 4003, clean, kicked" || c.refusal != "403: Refused 403" {
			s.tb.Errorf("%v: it works, and is not told so", c)
		}
	case strings.HasPrefix(c.client, "gets 50"):
		if !strings.Contains(c.closes, "hides http.Hijacker") {
			s.tb.Errorf("%v: nobody says why", c)
		}
	}
}

const (
	begin = "<!-- made by integration_test/wrappers -->\n"
	end   = "<!-- end -->\n"
	page  = "../../docs/frameworks.md"
)

// What becomes of WebSockets above and below what programs put around their handlers.
func TestWrappers(t *testing.T) {
	var table strings.Builder
	whole := true
	table.WriteString("| wrapper | the guard | library | a client | its Close 4002 | a kick with 4003 | route | `r.Context()` leads to | a foreign origin |\n" + strings.Repeat("|---", 9) + "|\n")
	for _, w := range wrappers {
		for _, p := range w.around() {
			var cells []cell
			for _, l := range libraries {
				t.Run(strings.Join([]string{w.name, p.name, l.name}, ", "), func(t *testing.T) {
					s := newSite(t, p, l.open)
					c := s.try()
					s.judge(c)
					cells = append(cells, c)
				})
			}
			row := func(library string, c cell) {
				fmt.Fprintf(&table, "| %s | %s | %s | %v |\n", w.name, p.name, library, c)
			}
			if whole = whole && len(cells) == 2; !whole {
				continue // go test -run
			}
			if cells[0] == cells[1] {
				row("both", cells[0])
				continue
			}
			for i, c := range cells {
				row(libraries[i].name, c)
			}
		}
	}
	if t.Failed() || !whole {
		return
	}
	if err := compare(table.String()); err != nil {
		t.Error(err)
	}
}

// compare looks whether the page has the table, or writes it there.
func compare(table string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		return errors.New("docs/frameworks.md has no place for the table")
	case *update:
		return os.WriteFile(page, []byte(before+begin+table+end+after), 0o644)
	case old != table:
		return fmt.Errorf("docs/frameworks.md has another table; go test ./wrappers -update writes this one:\n%s", table)
	}
	return nil
}
