package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A subject is a connection, bare or of an adapter, that a scene is played with.
type subject struct {
	socket
	limit func(bytes int64)
	done  func() // waits until the guard has ended the connection, if there is one

	// expire lets reading time out: gorilla's deadline, or coder's context,
	// which ends the connection.
	expire func() error
}

// subjects makes one of the library's connections for each request, guarded if
// there is a guard.
var subjects = map[string]func(w http.ResponseWriter, r *http.Request, guard *closeguard.Guard) (subject, error){
	"gorilla": func(w http.ResponseWriter, r *http.Request, guard *closeguard.Guard) (subject, error) {
		if guard == nil {
			c, err := settings.Upgrader.Upgrade(w, r, nil)
			if err != nil {
				return subject{}, err
			}
			return gorillaSubject(c, func() {}), nil
		}
		c, err := gorillaadapter.Upgrade(guard, &settings.Upgrader, w, r, nil)
		if err != nil {
			return subject{}, err
		}
		return gorillaSubject(c, func() { <-c.Done() }), nil
	},
	"coder": func(w http.ResponseWriter, r *http.Request, guard *closeguard.Guard) (subject, error) {
		if guard == nil {
			c, err := coder.Accept(w, r, &settings.Accept)
			if err != nil {
				return subject{}, err
			}
			return coderSubject(c, func() {}), nil
		}
		c, err := coderadapter.Accept(guard, w, r, &settings.Accept)
		if err != nil {
			return subject{}, err
		}
		return coderSubject(c, func() { <-c.Done() }), nil
	},
}

func gorillaSubject(c interface {
	ReadMessage() (messageType int, p []byte, err error)
	WriteMessage(messageType int, data []byte) error
	WriteControl(messageType int, data []byte, deadline time.Time) error
	Close() error
	SetReadLimit(int64)
	SetReadDeadline(time.Time) error
}, done func()) subject {
	s := subject{socket: sockets.Gorilla{Conn: c}, limit: c.SetReadLimit, done: done}
	s.expire = func() error {
		c.SetReadDeadline(time.Unix(1, 0))
		_, _, err := c.ReadMessage()
		return err
	}
	return s
}

func coderSubject(c interface {
	Read(context.Context) (coder.MessageType, []byte, error)
	Write(context.Context, coder.MessageType, []byte) error
	Close(coder.StatusCode, string) error
	CloseNow() error
	SetReadLimit(int64)
}, done func()) subject {
	s := subject{socket: sockets.Coder{Conn: c}, limit: c.SetReadLimit, done: done}
	s.expire = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, _, err := c.Read(ctx)
		return err
	}
	return s
}

// Errors by the call that returned them.
type answers map[string]error

// A scene is a way to an end: what the peer does when the connection is open,
// and what the server does and is told.
type scene struct {
	name  string
	peer  func(p *rawpeer.Peer)
	serve func(s subject, to answers)
}

// The calls whose errors are looked at. The last two begin after the end.
const (
	reading      = "read"
	closes       = "close"
	readingLate  = "read after the end"
	writingLate  = "write after the end"
	readDeadline = "read with a deadline"
)

// readOn reads until an error.
func readOn(s subject, to answers) {
	for to[reading] == nil {
		_, _, to[reading] = s.Read()
	}
}

// scenes are those of both close maps that end by themselves.
func scenes() []scene {
	send := func(frames ...rawpeer.Frame) func(*rawpeer.Peer) {
		return func(p *rawpeer.Peer) { p.Write(frames...) }
	}
	sendThen := func(end func(*rawpeer.Peer), frames ...rawpeer.Frame) func(*rawpeer.Peer) {
		return func(p *rawpeer.Peer) {
			p.Write(frames...)
			end(p)
		}
	}
	bytesThen := func(end func(*rawpeer.Peer), b []byte) func(*rawpeer.Peer) {
		return func(p *rawpeer.Peer) {
			p.WriteBytes(b)
			end(p)
		}
	}
	fin := func(p *rawpeer.Peer) { p.CloseWrite() }
	rst := func(p *rawpeer.Peer) { p.Reset() }
	fragments := rawpeer.Fragments(rawpeer.Text(""), "frag", "ment")
	all := []scene{
		{name: "close, empty", peer: send(rawpeer.ClosePayload(nil))},
		{name: "close, one byte", peer: send(rawpeer.ClosePayload([]byte{3}))},
		{name: "close, reason not UTF-8", peer: send(rawpeer.Close(1000, "\xff"))},
		{name: "close, reason of 124 bytes", peer: send(rawpeer.Close(1000, strings.Repeat("x", 124)))},
		{name: "close, not final", peer: send(rawpeer.Frame{Opcode: rawpeer.OpClose, Payload: []byte{3, 232}})},
		{name: "close, between fragments", peer: send(fragments[0], rawpeer.Close(1001, ""))},
		{name: "close, data behind it", peer: send(rawpeer.Close(1000, ""), rawpeer.Text("late"))},
		{name: "text and close", peer: send(rawpeer.Text("last"), rawpeer.Close(4000, "bye"))},
		{name: "text not masked", peer: send(rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Bare: true, Payload: []byte("x")})},
		{name: "RSV2", peer: send(rawpeer.Frame{Fin: true, RSV: 2, Opcode: rawpeer.OpText})},
		{name: "opcode 3", peer: send(rawpeer.Frame{Fin: true, Opcode: 3})},
		{name: "continuation first", peer: send(rawpeer.Frame{Fin: true, Opcode: rawpeer.OpContinuation})},
		{name: "text inside fragments", peer: send(fragments[0], rawpeer.Text("x"))},
		{name: "a ping of 126 bytes", peer: send(rawpeer.Ping(strings.Repeat("x", 126)))},
		{name: "a length of 2^63 and more", peer: send(rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Claim: 1<<63 + 5})},
		{name: "over the limit", peer: send(rawpeer.Binary(make([]byte, 2000)))},
		{name: "over the limit, second fragment", peer: send(rawpeer.Fragments(rawpeer.Text(""), strings.Repeat("x", 900), strings.Repeat("x", 900))...)},
		{name: "FIN", peer: fin},
		{name: "FIN behind a message", peer: sendThen(fin, rawpeer.Text("last"))},
		{name: "FIN inside a header", peer: bytesThen(fin, cut(1, rawpeer.Text("half")))},
		{name: "FIN inside a length", peer: bytesThen(fin, cut(3, rawpeer.Text(strings.Repeat("x", 300))))},
		{name: "FIN inside a payload", peer: bytesThen(fin, cut(10, rawpeer.Text("half")))},
		{name: "FIN between fragments", peer: sendThen(fin, fragments[0])},
		{name: "FIN inside a close", peer: bytesThen(fin, cut(7, rawpeer.Close(1000, "")))},
		{name: "RST", peer: rst},
		{
			name: "a deadline", peer: func(*rawpeer.Peer) {},
			serve: func(s subject, to answers) { to[readDeadline] = s.expire() },
		},
		{
			name: "we close, and the peer answers with a text before",
			peer: func(p *rawpeer.Peer) {
				p.ReadFrame()
				p.Write(rawpeer.Text("late"), rawpeer.Close(1000, ""))
			},
		},
		{
			name: "we close, and the peer answers otherwise",
			peer: func(p *rawpeer.Peer) {
				p.ReadFrame()
				p.Write(rawpeer.Close(4000, "other"))
			},
		},
		{
			name: "we close, and the peer answers with an illegal code",
			peer: func(p *rawpeer.Peer) {
				p.ReadFrame()
				p.Write(rawpeer.Close(1005, ""))
			},
		},
		{
			name: "we close, and the peer ends TCP",
			peer: func(p *rawpeer.Peer) {
				p.ReadFrame()
				p.CloseWrite()
			},
		},
		{
			name: "we close, and the peer resets",
			peer: func(p *rawpeer.Peer) {
				p.ReadFrame()
				p.Reset()
			},
		},
		{
			name: "we close without a frame", peer: func(*rawpeer.Peer) {},
			serve: func(subject, answers) {},
		},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
		0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		all = append(all, scene{name: fmt.Sprint("close, ", code), peer: send(rawpeer.Close(code, "bye"))})
	}
	for i := range all {
		switch sc := &all[i]; {
		case sc.serve != nil:
		case strings.HasPrefix(sc.name, "we close"):
			sc.serve = func(s subject, to answers) {
				to[closes] = s.CloseWith(1000, "mine")
				if _, ok := s.socket.(sockets.Gorilla); ok { // coder's has read already
					readOn(s, to)
				}
			}
		default:
			sc.serve = readOn
		}
	}
	return all
}

// play runs a scene and returns the errors.
func (sc scene) play(t *testing.T, library string, guard *closeguard.Guard) answers {
	t.Helper()
	played := make(chan answers, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := subjects[library](w, r, guard)
		if err != nil {
			t.Error(err)
			played <- nil
			return
		}
		s.limit(1000)
		s.Write(true, []byte("hello"))
		to := make(answers)
		sc.serve(s, to)
		s.Close()
		s.done()
		_, _, to[readingLate] = s.Read()
		to[writingLate] = s.Write(true, []byte("x"))
		played <- to
	}))
	defer server.Close()
	p := rawpeer.Dial(t, "ws"+strings.TrimPrefix(server.URL, "http"))
	p.ReadFrame() // the handler is there
	sc.peer(p)
	select {
	case to := <-played:
		return to
	case <-time.After(20 * time.Second):
		t.Fatal("the server takes more than 20 s")
		return nil
	}
}

// A question is something that programs ask of an error.
type question struct {
	name string
	ask  func(err error, guarded bool) any
}

func questions(library string) []question {
	var qs []question
	for _, target := range []struct {
		name string
		err  error
	}{
		{"gorilla.ErrCloseSent", gorilla.ErrCloseSent},
		{"gorilla.ErrReadLimit", gorilla.ErrReadLimit},
		{"gorilla.ErrBadHandshake", gorilla.ErrBadHandshake},
		{"coder.ErrMessageTooBig", coder.ErrMessageTooBig},
		{"net.ErrClosed", net.ErrClosed},
		{"io.EOF", io.EOF},
		{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
		{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded},
		{"context.DeadlineExceeded", context.DeadlineExceeded},
		{"context.Canceled", context.Canceled},
		{"ECONNRESET", syscall.ECONNRESET},
	} {
		qs = append(qs, question{target.name, func(err error, _ bool) any { return errors.Is(err, target.err) }})
	}
	qs = append(qs,
		question{"CloseStatus", func(err error, _ bool) any { return coder.CloseStatus(err) }},
		question{"Timeout", func(err error, _ bool) any {
			var ne net.Error
			return errors.As(err, &ne) && ne.Timeout()
		}},
		question{"nil", func(err error, _ bool) any { return err == nil }},
	)
	if library == "gorilla" {
		qs = append(qs,
			question{"IsCloseError", func(err error, guarded bool) any {
				if guarded {
					return gorillaadapter.IsCloseError(err, 1000, 1001)
				}
				return gorilla.IsCloseError(err, 1000, 1001)
			}},
			question{"IsUnexpectedCloseError", func(err error, guarded bool) any {
				if guarded {
					return gorillaadapter.IsUnexpectedCloseError(err, 1000, 1001)
				}
				return gorilla.IsUnexpectedCloseError(err, 1000, 1001)
			}},
		)
	}
	return qs
}

type difference struct {
	reason string
	holds  func(library, question, call string, ev closeguard.CloseEvent, bare, guarded any) bool
}

// Where an event gives another answer than the library's error, this is why.
var differences = []difference{
	{"a LocalClosed matches net.ErrClosed", func(_, question, _ string, ev closeguard.CloseEvent, _, guarded any) bool {
		_, ours := ev.(*closeguard.LocalClosed)
		return question == "net.ErrClosed" && guarded == true && ours
	}},
	{"so does what a call returns that began after the end", func(_, question, call string, ev closeguard.CloseEvent, _, guarded any) bool {
		return question == "net.ErrClosed" && guarded == true && ev != nil && (call == readingLate || call == writingLate)
	}},
	{"an event has the transport's error too, which the library replaces or forgets", func(_, question, _ string, ev closeguard.CloseEvent, bare, guarded any) bool {
		of := []string{"io.EOF", "ECONNRESET", "os.ErrDeadlineExceeded", "context.DeadlineExceeded"}
		return ev != nil && slices.Contains(of, question) && bare == false && guarded == true
	}},
	{"inside a message io.EOF and io.ErrUnexpectedEOF are kept from coder, which takes them for its end", func(library, question, _ string, ev closeguard.CloseEvent, bare, guarded any) bool {
		_, dropped := ev.(*closeguard.Dropped)
		return library == "coder" && dropped && strings.HasPrefix(question, "io.") && bare == true && guarded == false
	}},
	{"a clean handshake is no error, whichever code the peer answers with", func(library, question, call string, ev closeguard.CloseEvent, _, _ any) bool {
		return library == "coder" && call == closes && ev == nil && (question == "nil" || question == "CloseStatus")
	}},
}

// Programs that ask an error the usual questions get the same answer with and
// without the guard, but for the differences.
func TestBareAndGuardedErrorsGiveTheSameAnswers(t *testing.T) {
	guard, err := closeguard.New(closeguard.Options{CloseIdle: 50 * time.Millisecond, BareClose: closeguard.GoingAway})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	used := make([]bool, len(differences))
	for _, library := range slices.Sorted(maps.Keys(subjects)) {
		for _, sc := range scenes() {
			t.Run(library+"/"+sc.name, func(t *testing.T) {
				bare, guarded := sc.play(t, library, nil), sc.play(t, library, guard)
				for call := range bare {
					for _, q := range questions(library) {
						b, g := q.ask(bare[call], false), q.ask(guarded[call], true)
						if b == g {
							continue
						}
						var ev closeguard.CloseEvent
						errors.As(guarded[call], &ev)
						why := slices.IndexFunc(differences, func(d difference) bool { return d.holds(library, q.name, call, ev, b, g) })
						if why < 0 {
							t.Errorf("%s: %s is %v of the bare %q and %v of the guarded %q", call, q.name, b, bare[call], g, guarded[call])
							continue
						}
						used[why] = true
					}
				}
			})
		}
	}
	for i, d := range differences {
		if !used[i] && !t.Failed() {
			t.Errorf("nothing differs because %s", d.reason)
		}
	}
}
