package closeguard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// Of most events in these tests: who, and how its log line tells it.
var anna = ConnInfo{Number: 7, Role: Server, Guarded: true, Remote: "192.0.2.1:52110", Path: "/chat"}

const (
	annaKeys = `"conn":7,"role":"server","guarded":true,"remote":"192.0.2.1:52110","path":"/chat"`
	minute   = `"duration_ms":60000,"idle_ms":1500,` + annaKeys
)

// afterAMinute completes an ending that a test is about.
func afterAMinute(e Ending) Ending {
	if e.Number == 0 {
		e.ConnInfo = anna
	}
	e.Duration, e.Idle = time.Minute, 1500*time.Millisecond
	return e
}

func peerClosed(e Ending) Event  { return &PeerClosed{afterAMinute(e)} }
func localClosed(e Ending) Event { return &LocalClosed{afterAMinute(e)} }
func dropped(e Ending) Event     { return &Dropped{afterAMinute(e)} }

func frame(code Code, reason string) *CloseFrame { return &CloseFrame{code, reason} }

// readFailed is an error as a TCP connection's Read returns it.
func readFailed(err error) error {
	addr := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port} }
	return &net.OpError{Op: "read", Net: "tcp", Source: addr(80), Addr: addr(52110), Err: err}
}

// logLine is the line that LogObserver writes, without its time.
func logLine(t *testing.T, ev Event) string {
	t.Helper()
	var b bytes.Buffer
	LogObserver(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))).Observe(t.Context(), ev)
	line, rest, _ := strings.Cut(b.String(), "\n")
	if rest != "" {
		t.Errorf("more than one line: %q", b.String())
	}
	return line
}

func TestLogLine(t *testing.T) {
	// What ParseCloseFrame says of an illegal Close.
	illegal := func(payload []byte) Ending {
		f, err := ParseCloseFrame(payload)
		_, broken := closing.Parse(payload)
		if err == nil || broken == nil {
			t.Fatalf("%q is legal", payload)
		}
		answer := Code(broken.Code())
		return Ending{
			Received: &f, Sent: frame(answer, ""), Err: err,
			illegal: true, answer: answer, cause: cause.ProtocolError, Handshake: time.Millisecond,
		}
	}
	for _, tt := range []struct {
		name string
		ev   Event
		want string // of the line {"level":want}
	}{
		{"opened", &Opened{ConnInfo{
			Number: 7, Role: Server, Guarded: true, Remote: "192.0.2.1:52110",
			Route: "GET /chat/{room}", Path: "/chat/42", Subprotocol: "chat.v2",
		}},
			`"DEBUG","msg":"websocket opened","websocket":{` +
				`"conn":7,"role":"server","guarded":true,"remote":"192.0.2.1:52110","route":"GET /chat/{room}","path":"/chat/42","subprotocol":"chat.v2"}`},
		{"opened by a client", &Opened{ConnInfo{Number: 8, Role: Client, Guarded: true, Remote: "192.0.2.9:443"}},
			`"DEBUG","msg":"websocket opened","websocket":{"conn":8,"role":"client","guarded":true,"remote":"192.0.2.9:443"}`},

		{"refused by the program", &Refused{ConnInfo: ConnInfo{Remote: "192.0.2.1:52110", Path: "/chat"}, Status: 403},
			`"INFO","msg":"websocket refused","websocket":{"status":403,` +
				`"conn":0,"role":"server","guarded":false,"remote":"192.0.2.1:52110","path":"/chat"}`},
		{"refused by the guard", &Refused{ConnInfo: ConnInfo{Remote: "192.0.2.1:52110", Path: "/chat"}, Status: 503, Err: ErrShutdown},
			`"INFO","msg":"websocket refused","websocket":{"status":503,"err":"closeguard: shut down",` +
				`"conn":0,"role":"server","guarded":false,"remote":"192.0.2.1:52110","path":"/chat"}`},

		{"peer closed, clean", peerClosed(Ending{
			Received: frame(1001, "tab closed"), Sent: frame(1001, ""), Handshake: 2 * time.Millisecond,
		}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1001,"name":"going away","reason":"tab closed",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1001,"received_code":1001,"received_reason":"tab closed",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":2,` + annaKeys + `}`},
		{"peer closed, empty", peerClosed(Ending{Received: frame(1005, ""), Sent: frame(1005, "")}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1005,"name":"no status received",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1005,"received_code":1005,` + minute + `}`},
		{"peer closed, not answered", peerClosed(Ending{Received: frame(1000, ""), Err: readFailed(os.NewSyscallError("read", syscall.ECONNRESET))}),
			`"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1000,"name":"normal closure",` +
				`"cause":"none","clean":false,"answered":false,"received_code":1000,"err":"connection reset by peer",` + minute + `}`},
		{"peer closed, illegal code", peerClosed(illegal(closePayload(1006, "gone"))),
			`"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1002,"name":"protocol error","reason":"gone",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1002,"received_code":1006,"received_reason":"gone",` +
				`"err":"closeguard: close code 1006 must not appear in a frame (RFC 6455 section 7.4.1)",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":1,` + annaKeys + `}`},
		{"peer closed, code 0", peerClosed(illegal(closePayload(0, ""))),
			`"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1002,"name":"protocol error",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1002,"received_code":0,` +
				`"err":"closeguard: close code 0 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":1,` + annaKeys + `}`},
		{"peer closed, one byte", peerClosed(illegal([]byte("a"))),
			`"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1002,"name":"protocol error",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1002,"received_code":1005,` +
				`"err":"closeguard: close payload of length 1 is too short for a code (RFC 6455 section 5.5.1)",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":1,` + annaKeys + `}`},
		{"peer closed, reason not UTF-8", peerClosed(illegal(closePayload(1000, "caf\xe9"))),
			`"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1007,"name":"invalid frame payload data","reason":"caf` + "\uFFFD" + `",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1007,"received_code":1000,"received_reason":"caf` + "\uFFFD" + `",` +
				`"err":"closeguard: close reason is not UTF-8 at byte 3 (RFC 6455 section 5.5.1)",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":1,` + annaKeys + `}`},
		{"peer closed with a private code that has a name", peerClosed(Ending{
			Received: frame(4001, ""), Sent: frame(4001, ""), guard: naming("room full"),
		}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":4001,"name":"room full",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":4001,"received_code":4001,` + minute + `}`},
		{"peer closed with a private code without one", peerClosed(Ending{Received: frame(4002, ""), Sent: frame(4002, "")}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":4002,` +
				`"cause":"none","clean":true,"answered":true,"sent_code":4002,"received_code":4002,` + minute + `}`},
		{"peer closed, not guarded", peerClosed(Ending{
			ConnInfo: ConnInfo{Number: 9, Role: Server, Remote: "192.0.2.1:52110"},
			Received: frame(1001, ""), Err: errors.New("websocket: close 1001 (going away)"),
		}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1001,"name":"going away",` +
				`"cause":"none","clean":false,"answered":false,"received_code":1001,"err":"websocket: close 1001 (going away)",` +
				`"duration_ms":60000,"idle_ms":1500,"conn":9,"role":"server","guarded":false,"remote":"192.0.2.1:52110"}`},

		{"local closed, answered", localClosed(Ending{
			Sent: frame(1000, "bye"), Received: frame(1000, ""), Handshake: 999 * time.Microsecond,
		}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"local_closed","code":1000,"name":"normal closure","reason":"bye",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1000,"sent_reason":"bye","received_code":1000,` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":0,` + annaKeys + `}`},
		{"local closed, unanswered at a limit", localClosed(Ending{
			Sent: frame(1008, "bad token"), Err: ErrCloseIdle, Handshake: 5 * time.Second,
		}),
			`"WARN","msg":"websocket closed","websocket":{"ending":"local_closed","code":1008,"name":"policy violation","reason":"bad token",` +
				`"cause":"none","clean":false,"answered":false,"sent_code":1008,"sent_reason":"bad token","err":"closeguard: closing handshake stalled",` +
				`"duration_ms":60000,"idle_ms":1500,"handshake_ms":5000,` + annaKeys + `}`},
		{"local closed, replaced", localClosed(Ending{
			Sent: frame(1011, "db down"), Received: frame(1011, ""), Intended: frame(70000, "db down"), misfit: true,
		}),
			`"ERROR","msg":"websocket closed","websocket":{"ending":"local_closed","code":1011,"name":"internal error","reason":"db down",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1011,"sent_reason":"db down","received_code":1011,` +
				`"intended_code":70000,"intended_reason":"db down",` + minute + `}`},
		{"local closed, empty", localClosed(Ending{Sent: frame(1005, ""), Received: frame(1005, "")}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"local_closed","code":1005,"name":"no status received",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1005,"received_code":1005,` + minute + `}`},
		{"local closed, panic", localClosed(Ending{
			Sent: frame(1011, "internal error"), Received: frame(1011, ""),
			Err: &PanicError{Value: "boom"},
		}),
			`"ERROR","msg":"websocket closed","websocket":{"ending":"local_closed","code":1011,"name":"internal error","reason":"internal error",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1011,"sent_reason":"internal error","received_code":1011,` +
				`"err":"panic: boom",` + minute + `}`},

		{"dropped by EOF", dropped(Ending{Err: io.EOF}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"err":"EOF",` + minute + `}`},
		{"dropped by a reset", dropped(Ending{Err: readFailed(os.NewSyscallError("read", syscall.ECONNRESET))}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"err":"connection reset by peer",` + minute + `}`},
		{"dropped by the application's deadline", dropped(Ending{Err: readFailed(os.ErrDeadlineExceeded), aborted: true}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"err":"read: i/o timeout",` + minute + `}`},
		{"dropped by an abort", dropped(Ending{Err: ErrAborted, aborted: true}),
			`"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"err":"closeguard: aborted",` + minute + `}`},
		{"dropped, then a panic", dropped(Ending{Err: join(&PanicError{Value: "boom"}, io.EOF)}),
			`"ERROR","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"err":"panic: boom; EOF",` + minute + `}`},
		{"dropped behind a stuck writer", dropped(Ending{Intended: frame(1001, "bye"), Err: ErrCloseIdle, aborted: true}),
			`"WARN","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"none","clean":false,"answered":false,"intended_code":1001,"intended_reason":"bye",` +
				`"err":"closeguard: closing handshake stalled",` + minute + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := logLine(t, tt.ev), `{"level":`+tt.want+`}`; got != want {
				t.Errorf("logged\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestLogLevel(t *testing.T) {
	hidden := conceal(join(net.ErrClosed, &FrameError{Rule: string(closing.RuleRSV), Value: 4}))
	guarded := ConnInfo{Guarded: true}
	for _, tt := range []struct {
		name string
		ev   Event
		want slog.Level
	}{
		{"opened", &Opened{}, slog.LevelDebug},
		{"refused", &Refused{Status: 500}, slog.LevelInfo},

		{"a panic", &Dropped{Ending{Err: &PanicError{}}}, slog.LevelError},
		{"a panic after the peer's Close", &PeerClosed{Ending{Err: &PanicError{}}}, slog.LevelError},
		{"a 1011 that we began", &LocalClosed{Ending{Sent: frame(1011, "")}}, slog.LevelError},
		{"a 1011 that the peer began", &PeerClosed{Ending{Sent: frame(1011, ""), Received: frame(1011, "")}}, slog.LevelInfo},
		{"an illegal Close that we intended", &LocalClosed{Ending{Sent: frame(1001, ""), Intended: frame(1006, ""), misfit: true}}, slog.LevelError},
		{"an illegal Close that could not be sent", &Dropped{Ending{Intended: frame(0, ""), misfit: true}}, slog.LevelError},

		{"1002 sent", &LocalClosed{Ending{Sent: frame(1002, "")}}, slog.LevelWarn},
		{"1003 sent", &LocalClosed{Ending{Sent: frame(1003, "")}}, slog.LevelWarn},
		{"1007 sent", &LocalClosed{Ending{Sent: frame(1007, "")}}, slog.LevelWarn},
		{"1009 sent", &LocalClosed{Ending{Sent: frame(1009, "")}}, slog.LevelWarn},
		{"1010 sent", &LocalClosed{Ending{Sent: frame(1010, "")}}, slog.LevelWarn},
		{"1002 received", &PeerClosed{Ending{Received: frame(1002, "")}}, slog.LevelWarn},
		{"1010 received", &PeerClosed{Ending{Received: frame(1010, "")}}, slog.LevelWarn},
		{"1008 either way", &LocalClosed{Ending{Sent: frame(1008, ""), Received: frame(1008, "")}}, slog.LevelInfo},
		{"an illegal Close of the peer's", &PeerClosed{Ending{Received: frame(999, ""), Err: &FrameError{Rule: string(closing.RuleCode), Value: 999}}}, slog.LevelWarn},
		{"a rule of framing, broken before the end", &Dropped{Ending{Err: join(io.EOF, &FrameError{Rule: string(closing.RuleMask), Value: 0})}}, slog.LevelWarn},
		{"the same among wrapped causes", &Dropped{Ending{Err: fmt.Errorf("read: %w", hidden)}}, slog.LevelWarn},
		{"our Close, unanswered", &LocalClosed{Ending{ConnInfo: guarded, Sent: frame(1000, "")}}, slog.LevelWarn},
		{"the peer's Close, unanswered", &PeerClosed{Ending{ConnInfo: guarded, Received: frame(1000, "")}}, slog.LevelWarn},
		{"not guarded, so the answer is unknown", &PeerClosed{Ending{Received: frame(1000, "")}}, slog.LevelInfo},
		{"a Close that a stuck writer blocked", &Dropped{Ending{Intended: frame(1001, ""), aborted: true}}, slog.LevelWarn},
		{"a Close after the peer had vanished", &Dropped{Ending{Intended: frame(1001, ""), Err: io.EOF}}, slog.LevelInfo},
		{"CloseIdle", &LocalClosed{Ending{Sent: frame(1000, ""), Err: ErrCloseIdle}}, slog.LevelWarn},
		{"CloseTimeout", &LocalClosed{Ending{Sent: frame(1000, ""), Err: ErrCloseTimeout}}, slog.LevelWarn},
		{"CloseBytes", &LocalClosed{Ending{Sent: frame(1000, ""), Err: ErrCloseBytes}}, slog.LevelWarn},
		{"MaxClosing", &LocalClosed{Ending{Sent: frame(1000, ""), Err: join(errors.New("x"), ErrEvicted)}}, slog.LevelWarn},

		{"the peer vanished", &Dropped{Ending{Err: io.EOF}}, slog.LevelInfo},
		{"aborted", &Dropped{Ending{Err: ErrAborted, aborted: true}}, slog.LevelInfo},
		{"abandoned", &LocalClosed{Ending{Sent: frame(1001, ""), Received: frame(1001, ""), Err: ErrAbandoned}}, slog.LevelInfo},
		{"a shutdown", &LocalClosed{Ending{Sent: frame(1001, ""), Received: frame(1001, ""), Err: ErrShutdown}}, slog.LevelInfo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := level(tt.ev); got != tt.want {
				t.Errorf("level %v, want %v", got, tt.want)
			}
		})
	}
}

// loggedGroup is the group of an event's line as a program reads it back.
func loggedGroup(t *testing.T, ev Event) map[string]any {
	t.Helper()
	var line struct{ WebSocket map[string]any }
	if err := json.Unmarshal([]byte(logLine(t, ev)), &line); err != nil {
		t.Fatal(err)
	}
	return line.WebSocket
}

// naming is a guard that has one name for all private codes.
func naming(name string) *Guard {
	return &Guard{opts: Options{CodeName: func(ConnInfo, Code) string { return name }}}
}

func TestEveryEndingHasTheSameKeys(t *testing.T) {
	always := []string{"ending", "conn", "role", "guarded", "code", "cause", "clean", "answered", "duration_ms", "idle_ms", "remote"}
	sometimes := []string{
		"name", "reason", "sent_code", "sent_reason", "received_code", "received_reason", "intended_code", "intended_reason",
		"err", "handshake_ms", "route", "path", "subprotocol",
	}
	f := frame(4000, "reason")
	full := Ending{
		ConnInfo: ConnInfo{Number: 1, Route: "/", Path: "/", Subprotocol: "chat"},
		Sent:     f, Received: f, Intended: f, Err: io.EOF, Handshake: time.Second, guard: naming("name"),
	}
	for _, tt := range []struct {
		name string
		ev   Event
		want []string
	}{
		{"nothing to say, peer closed", &PeerClosed{}, append([]string{"name"}, always...)}, // of 1006
		{"nothing to say, local closed", &LocalClosed{}, append([]string{"name"}, always...)},
		{"nothing to say, dropped", &Dropped{}, append([]string{"name"}, always...)},
		{"a code without a name", &PeerClosed{Ending{Received: frame(4000, "")}}, append([]string{"received_code"}, always...)},
		{"everything, peer closed", &PeerClosed{full}, slices.Concat(always, sometimes)},
		{"everything, local closed", &LocalClosed{full}, slices.Concat(always, sometimes)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			group := loggedGroup(t, tt.ev)
			for _, key := range tt.want {
				if _, ok := group[key]; !ok {
					t.Errorf("no key %q", key)
				}
				delete(group, key)
			}
			if len(group) > 0 {
				t.Errorf("unexpected: %v", group)
			}
		})
	}
}

func TestConnectionAttrsStandBesideTheGroup(t *testing.T) {
	info := anna
	info.Attrs = []slog.Attr{slog.String("user", "anna"), slog.Group("tenant", slog.Int("id", 3))}
	for name, ev := range map[string]Event{
		"opened":       &Opened{info},
		"refused":      &Refused{ConnInfo: info, Status: 403},
		"peer closed":  &PeerClosed{Ending{ConnInfo: info}},
		"local closed": &LocalClosed{Ending{ConnInfo: info}},
		"dropped":      &Dropped{Ending{ConnInfo: info}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := logLine(t, ev), `},"user":"anna","tenant":{"id":3}}`; !strings.HasSuffix(got, want) {
				t.Errorf("logged\n%s\nwant it to end in\n%s", got, want)
			}
		})
	}
}

// What a peer chose can't begin a line of its own, can't be read as another
// key, and can't fill the log.
func TestUntrustedTextInLogLines(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"line breaks", "x\nlevel=ERROR\r\n", `x\nlevel=ERROR\r\n`},
		{"NUL and escape sequences", "a\x00b\x1b[2J", `a\u0000b\u001b[2J`},
		{"quotes", `","code":1000,"x":"\`, `\",\"code\":1000,\"x\":\"\\`},
		{"not UTF-8", "caf\xe9\xff!", "caf\uFFFD!"},
		{"long", stars(10_000), stars(256)},
		{"long, a character at the limit", stars(255) + "é", stars(255)},
		{"repaired at the limit", stars(255) + "\xff", stars(255)},
		{"nothing but broken bytes", strings.Repeat("\x80", 10_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := frame(1000, tt.text)
			info := ConnInfo{Remote: tt.text, Path: tt.text, Route: tt.text, Subprotocol: tt.text}
			got := logLine(t, &PeerClosed{Ending{ConnInfo: info, Received: f, Sent: f, Intended: f}})
			for _, key := range []string{"reason", "sent_reason", "received_reason", "intended_reason", "remote", "route", "path", "subprotocol"} {
				if want := fmt.Sprintf(`"%s":"%s"`, key, tt.want); !strings.Contains(got, want) {
					t.Errorf("logged\n%s\nwant %s in it", got, want)
				}
			}
		})
	}
}

func TestLoggedErrorIsOneLine(t *testing.T) {
	reset := readFailed(os.NewSyscallError("read", syscall.ECONNRESET))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"one cause", ErrShutdown, "closeguard: shut down"},
		{"a system call's without the addresses", reset, "connection reset by peer"},
		{"several causes", join(ErrShutdown, ErrCloseIdle, reset), "closeguard: shut down; closeguard: closing handshake stalled; connection reset by peer"},
		{"several of which one is hidden", conceal(join(ErrBareClose, readFailed(net.ErrClosed))), "closeguard: the library closed TCP without a Close frame; use of closed network connection"},
		{"wrapped: what the wrapper says", fmt.Errorf("upload: %w", reset), "upload: read tcp 192.0.2.1:80->192.0.2.1:52110: read: connection reset by peer"},
		{"errors.Join", errors.Join(errors.New("first"), errors.New("second")), "first; second"},
		{"a text of several lines", errors.New("query failed\r\n \n\tat line 1\n"), "query failed; at line 1"},
		{"a panic's value", &PanicError{Value: "two\nlines"}, "panic: two; lines"},
		{"not UTF-8", errors.New("bad \xff byte"), "bad \uFFFD byte"},
		{"long", errors.New(strings.Repeat("é", 10_000)), strings.Repeat("é", 512)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, ev := range []Event{&Dropped{Ending{Err: tt.err}}, &Refused{Err: tt.err}} {
				if got := loggedGroup(t, ev)["err"]; got != tt.want {
					t.Errorf("%T: err %q, want %q", ev, got, tt.want)
				}
			}
		})
	}
}

func TestLogObserverWithoutALoggerAsksForTheDefault(t *testing.T) {
	var b bytes.Buffer
	o := LogObserver(nil)
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	o.Observe(t.Context(), &Dropped{})
	if !strings.Contains(b.String(), `msg="websocket closed" websocket.ending=dropped`) {
		t.Errorf("the default logger, set afterwards, got %q", b.String())
	}
}

// everyKind has an event of each kind, with attributes and with causes that
// have to be searched for the level.
func everyKind() map[string]Event {
	info := anna
	info.Attrs = []slog.Attr{slog.String("user", "anna")}
	return map[string]Event{
		"opened":       &Opened{info},
		"refused":      &Refused{ConnInfo: info, Status: 503, Err: ErrShutdown},
		"peer closed":  peerClosed(Ending{ConnInfo: info, Received: frame(1001, "tab closed"), Sent: frame(1001, ""), Err: errors.New("websocket: close 1001")}),
		"local closed": localClosed(Ending{ConnInfo: info, Sent: frame(1008, ""), Received: frame(1008, ""), Err: join(io.EOF, conceal(net.ErrClosed), ErrShutdown)}),
		"dropped":      dropped(Ending{ConnInfo: info, Err: fmt.Errorf("read: %w", io.EOF)}),
	}
}

func TestLineThatIsNotLoggedAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	o := LogObserver(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})))
	for name, ev := range everyKind() {
		if n := testing.AllocsPerRun(100, func() { o.Observe(ctx, ev) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkLogObserver(b *testing.B) {
	o := LogObserver(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	ctx, ev := context.Background(), everyKind()["peer closed"]
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(ctx, ev)
	}
}

// LogOptions choose level and attributes alone: what they leave out is LogRecord's. A
// line that isn't logged isn't made.
func TestLogOptions(t *testing.T) {
	ev := peerClosed(Ending{Received: frame(1009, "")})
	debug := func(Event) slog.Level { return slog.LevelDebug }
	noise := func(Event) slog.Level { return slog.LevelDebug - 4 }
	const whole, user = `{"ending":"peer_closed","code":1009,"name":"message too big","cause":"none","clean":false,"answered":false,"received_code":1009,` + minute + `}`, `,"user":"anna"`
	for _, tt := range []struct {
		name  string
		level func(Event) slog.Level
		attrs func(Event) []slog.Attr
		want  string
	}{
		{"neither", nil, nil, `{"level":"WARN","msg":"websocket closed","websocket":` + whole + user + `}`},
		{"another level", debug, nil, `{"level":"DEBUG","msg":"websocket closed","websocket":` + whole + user + `}`},
		{"a level that is off", noise, func(Event) []slog.Attr { t.Error("attributes were made for no line"); return nil }, ""},
		{"another name of the group", nil, func(ev Event) []slog.Attr { return []slog.Attr{slog.Any("ws", ev)} },
			`{"level":"WARN","msg":"websocket closed","ws":` + whole + `}`},
		{"no group", nil, func(ev Event) []slog.Attr { return append(ev.LogValue().Group(), ev.Connection().Attrs...) },
			`{"level":"WARN","msg":"websocket closed",` + strings.Trim(whole, "{}") + user + `}`},
		{"none", debug, func(Event) []slog.Attr { return nil }, `{"level":"DEBUG","msg":"websocket closed"}`},
	} {
		ev := &PeerClosed{ev.(*PeerClosed).End()}
		ev.Attrs = []slog.Attr{slog.String("user", "anna")}
		var b bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				if a.Value.Time().IsZero() {
					t.Errorf("%s: no time", tt.name)
				}
				return slog.Attr{}
			}
			return a
		}}))
		LogOptions{logger, tt.level, tt.attrs}.Observer().Observe(t.Context(), ev)
		if got := strings.TrimSuffix(b.String(), "\n"); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
