package zaplog_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/closeguard/ws/adapters/zaplog"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Of every connection in these tests: who, as a log line tells it, and what
// stands beside the group.
const (
	who   = `"conn":1,"role":"server","guarded":true,"remote":"192.0.2.1:1234","route":"GET /chat/{room}","path":"/chat/42"`
	attrs = `"user":"anna","tenant":{"id":3}}`
)

// zapJSON writes the lines that slog's JSON handler writes, but for the time.
func zapJSON(w io.Writer, opts ...zap.Option) *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		MessageKey: "msg", LevelKey: "level", StacktraceKey: "stack",
		EncodeLevel: zapcore.CapitalLevelEncoder, EncodeDuration: zapcore.NanosDurationEncoder, EncodeTime: zapcore.RFC3339NanoTimeEncoder,
	}), zapcore.AddSync(w), zapcore.DebugLevel), opts...)
}

func slogJSON(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// hijackable is a server's ResponseWriter for a request whose connection is conn.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// serve lets a handler answer one request for a WebSocket below g, against a
// peer, and returns when g has told the end. It survives the handler's panic.
func serve(g *closeguard.Guard, path string, handler http.HandlerFunc, peer func(*closetest.PipeConn)) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chat/{room}", handler)
	conn, other := closetest.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer other.Close()
		if peer != nil {
			peer(other)
		}
	}()
	func() {
		defer func() { _ = recover() }()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		g.Middleware(mux).ServeHTTP(hijackable{httptest.NewRecorder(), conn}, r)
	}()
	g.Shutdown(context.Background())
	conn.Close()
	<-done
}

// upgraded is a handler that opens the connection and then runs program.
func upgraded(program func(*closeguard.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		program(conn.(*closeguard.Conn))
	}
}

// lines are what zap and slog write of one request.
func lines(t *testing.T, path string, handler http.HandlerFunc, peer func(*closetest.PipeConn)) (zapped, slogged []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var z, s bytes.Buffer
		g, err := closeguard.New(closeguard.Options{
			Observers: []closeguard.Observer{zaplog.Observer(zapJSON(&z)), closeguard.LogObserver(slogJSON(&s))},
			Attrs: func(*http.Request) []slog.Attr {
				return []slog.Attr{slog.String("user", "anna"), slog.Group("tenant", slog.Int("id", 3))}
			},
			CodeName: func(_ closeguard.ConnInfo, code closeguard.Code) string {
				return map[closeguard.Code]string{4001: "room full"}[code]
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		serve(g, path, handler, peer)
		zapped = strings.Split(strings.TrimSuffix(z.String(), "\n"), "\n")
		slogged = strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
	})
	return zapped, slogged
}

// masked is a Close as a client sends it; a mask of zeros is one too.
func masked(payload string) []byte {
	return append([]byte{0x88, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

func unmasked(payload string) []byte {
	return append([]byte{0x88, byte(len(payload))}, payload...)
}

// closing is a peer that closes after a minute and waits for the end.
func closing(payload string) func(*closetest.PipeConn) {
	return func(peer *closetest.PipeConn) {
		<-time.After(time.Minute)
		peer.Write(masked(payload))
		io.Copy(io.Discard, peer)
	}
}

// answering is a peer that takes what comes and after 20 ms closes.
func answering(payload string) func(*closetest.PipeConn) {
	return func(peer *closetest.PipeConn) {
		peer.Read(make([]byte, 200))
		<-time.After(20 * time.Millisecond)
		peer.Write(masked(payload))
		io.Copy(io.Discard, peer)
	}
}

// echoing is what a library does with the peer's Close.
func echoing(payload string) func(*closeguard.Conn) {
	return func(c *closeguard.Conn) {
		c.Read(make([]byte, 200))
		c.Write(unmasked(payload))
		c.Close()
	}
}

// reading is what a program does whose peer vanishes.
func reading(c *closeguard.Conn) {
	io.Copy(io.Discard, c)
	c.Close()
}

// One line per ending, exactly, and the same from zap and slog.
func TestLineOfEachEnding(t *testing.T) {
	silent := func(peer *closetest.PipeConn) { io.Copy(io.Discard, peer) }
	for _, tt := range []struct {
		name    string
		program func(*closeguard.Conn)
		peer    func(*closetest.PipeConn)
		want    string // without the attributes
	}{
		{"peer closed, clean", echoing("\x03\xe9"), closing("\x03\xe9tab closed"),
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1001,"name":"going away","reason":"tab closed",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1001,"received_code":1001,"received_reason":"tab closed",` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},
		{"peer closed, empty", echoing(""), closing(""),
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1005,"name":"no status received",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1005,"received_code":1005,` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},
		{"peer closed, illegal code", echoing("\x03\xe7"), closing("\x03\xe7"),
			`{"level":"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1002,"name":"protocol error",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1002,"received_code":999,` +
				`"err":"closeguard: close code 999 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)",` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},
		{"peer closed, reason not UTF-8", echoing("\x03\xe8caf\xe9"), closing("\x03\xe8caf\xe9"),
			`{"level":"WARN","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1007,"name":"invalid frame payload data","reason":"caf` + "\uFFFD" + `",` +
				`"cause":"protocol_error","clean":false,"answered":true,"sent_code":1007,"received_code":1000,"received_reason":"caf` + "\uFFFD" + `",` +
				`"err":"closeguard: close reason is not UTF-8 at byte 3 (RFC 6455 section 5.5.1)",` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},
		{"peer closed, hostile reason", echoing("\x03\xe8"), closing("\x03\xe8x\n\x00\",\"y\":\"\\"),
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":1000,"name":"normal closure","reason":"x\n\u0000\",\"y\":\"\\",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1000,"received_code":1000,"received_reason":"x\n\u0000\",\"y\":\"\\",` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},
		{"peer closed, private code with a name", echoing("\x0f\xa1"), closing("\x0f\xa1"),
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"peer_closed","code":4001,"name":"room full",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":4001,"received_code":4001,` +
				`"duration_ms":60000,"idle_ms":0,` + who + `}`},

		{"local closed, answered",
			func(c *closeguard.Conn) { c.CloseWith(context.Background(), closeguard.NormalClosure, "bye") }, answering("\x03\xe8"),
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"local_closed","code":1000,"name":"normal closure","reason":"bye",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1000,"sent_reason":"bye","received_code":1000,` +
				`"duration_ms":20,"idle_ms":0,"handshake_ms":20,` + who + `}`},
		{"local closed, not answered",
			func(c *closeguard.Conn) {
				c.CloseWith(context.Background(), closeguard.PolicyViolation, "bad token")
			}, silent,
			`{"level":"WARN","msg":"websocket closed","websocket":{"ending":"local_closed","code":1008,"name":"policy violation","reason":"bad token",` +
				`"cause":"close_idle","clean":false,"answered":false,"sent_code":1008,"sent_reason":"bad token","err":"closeguard: closing handshake stalled",` +
				`"duration_ms":5000,"idle_ms":5000,"handshake_ms":5000,` + who + `}`},
		{"local closed, replaced",
			func(c *closeguard.Conn) {
				c.Write(unmasked("\x03\xeebackend gone")) // 1006
				reading(c)
			}, answering("\x03\xe9"),
			`{"level":"ERROR","msg":"websocket closed","websocket":{"ending":"local_closed","code":1001,"name":"going away","reason":"backend gone",` +
				`"cause":"none","clean":true,"answered":true,"sent_code":1001,"sent_reason":"backend gone","received_code":1001,` +
				`"intended_code":1006,"intended_reason":"backend gone",` +
				`"duration_ms":20,"idle_ms":0,"handshake_ms":20,` + who + `}`},
		{"local closed, panic", func(*closeguard.Conn) { panic(errors.Join(errors.New("first"), errors.New("second"))) }, answering("\x03\xf3"),
			`{"level":"ERROR","msg":"websocket closed","websocket":{"ending":"local_closed","code":1011,"name":"internal error","reason":"internal error",` +
				`"cause":"panic","clean":true,"answered":true,"sent_code":1011,"sent_reason":"internal error","received_code":1011,"err":"panic: first; second",` +
				`"duration_ms":20,"idle_ms":0,"handshake_ms":20,` + who + `}`},

		{"dropped, EOF", reading,
			func(peer *closetest.PipeConn) { <-time.After(61 * time.Second) },
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"eof","clean":false,"answered":false,"err":"EOF",` +
				`"duration_ms":61000,"idle_ms":61000,` + who + `}`},
		{"dropped, reset", reading,
			func(peer *closetest.PipeConn) {
				<-time.After(time.Second)
				peer.SetLinger(0)
			},
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"reset","clean":false,"answered":false,"err":"connection reset by peer",` +
				`"duration_ms":1000,"idle_ms":1000,` + who + `}`},
		{"dropped, the program's deadline",
			func(c *closeguard.Conn) {
				c.SetReadDeadline(time.Now().Add(time.Second))
				reading(c)
			}, silent,
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"read_timeout","clean":false,"answered":false,"err":"read: i/o timeout",` +
				`"duration_ms":1000,"idle_ms":1000,` + who + `}`},
		{"dropped, abort", (*closeguard.Conn).Abort, silent,
			`{"level":"INFO","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"aborted","clean":false,"answered":false,"err":"closeguard: aborted",` +
				`"duration_ms":0,"idle_ms":0,` + who + `}`},
		{"dropped, then a panic",
			func(c *closeguard.Conn) {
				io.Copy(io.Discard, c)
				panic("boom")
			}, nil,
			`{"level":"ERROR","msg":"websocket closed","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure",` +
				`"cause":"eof","clean":false,"answered":false,"err":"panic: boom; EOF",` +
				`"duration_ms":0,"idle_ms":0,` + who + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zapped, slogged := lines(t, "/chat/42", upgraded(tt.program), tt.peer)
			check(t, zapped, slogged, `{"level":"DEBUG","msg":"websocket opened","websocket":{`+who+`},`+attrs, tt.want+`,`+attrs)
		})
	}
}

func check(t *testing.T, zapped, slogged []string, want ...string) {
	t.Helper()
	all := strings.Join(want, "\n")
	if got := strings.Join(zapped, "\n"); got != all {
		t.Errorf("zap logged\n%s\nwant\n%s", got, all)
	}
	if got := strings.Join(slogged, "\n"); got != all {
		t.Errorf("slog logged\n%s\nwant\n%s", got, all)
	}
}

func TestLineOfARefusal(t *testing.T) {
	const info = `"conn":0,"role":"server","guarded":false,"remote":"192.0.2.1:1234"`
	t.Run("by the program", func(t *testing.T) {
		zapped, slogged := lines(t, "/chat/42", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		}, nil)
		check(t, zapped, slogged, `{"level":"INFO","msg":"websocket refused","websocket":{"status":403,`+info+`,"route":"GET /chat/{room}","path":"/chat/42"}}`)
	})
	t.Run("by the guard", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var z, s bytes.Buffer
			g, err := closeguard.New(closeguard.Options{
				Observers: []closeguard.Observer{zaplog.Observer(zapJSON(&z)), closeguard.LogObserver(slogJSON(&s))},
			})
			if err != nil {
				t.Fatal(err)
			}
			g.Close()
			serve(g, "/chat/42", http.NotFound, nil)
			check(t, []string{z.String()}, []string{s.String()},
				`{"level":"INFO","msg":"websocket refused","websocket":{"status":503,"err":"closeguard: shut down",`+info+`,"path":"/chat/42"}}`+"\n")
		})
	})
}

func TestPathThatAPeerChose(t *testing.T) {
	for _, tt := range []struct{ name, path, want string }{
		{"very long", "/chat/" + strings.Repeat("x", 5000), "/chat/" + strings.Repeat("x", 250)},
		{"line break, NUL and quote", "/chat/%0a%00%22", `/chat/\n\u0000\"`},
		{"not UTF-8", "/chat/caf%e9", "/chat/caf\uFFFD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zapped, slogged := lines(t, tt.path, upgraded(reading), nil)
			for _, line := range append(zapped, slogged...) {
				if want := `"path":"` + tt.want + `"}`; !strings.Contains(line, want) {
					t.Errorf("logged\n%s\nwant %s in it", line, want)
				}
			}
		})
	}
}

type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("***") }

// Attributes of every kind mean in zap what they mean in slog.
func TestAttrs(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	for _, tt := range []struct {
		name string
		attr slog.Attr
		want string // behind the group
	}{
		{"string", slog.String("k", "a\n\"b\""), `,"k":"a\n\"b\""`},
		{"int64", slog.Int64("k", -1<<63), `,"k":-9223372036854775808`},
		{"uint64", slog.Uint64("k", 1<<64-1), `,"k":18446744073709551615`},
		{"bool", slog.Bool("k", true), `,"k":true`},
		{"float64", slog.Float64("k", 0.5), `,"k":0.5`},
		{"duration", slog.Duration("k", time.Second), `,"k":1000000000`},
		{"time", slog.Time("k", at), `,"k":"2026-02-03T04:05:06.000000007Z"`},
		{"error", slog.Any("k", io.EOF), `,"k":"EOF"`},
		{"struct", slog.Any("k", struct{ A int }{1}), `,"k":{"A":1}`},
		{"slice", slog.Any("k", []string{"a", "b"}), `,"k":["a","b"]`},
		{"nil", slog.Any("k", nil), `,"k":null`},
		{"LogValuer", slog.Any("k", secret("hunter2")), `,"k":"***"`},
		{"group", slog.Group("k", "a", 1, slog.Group("b", "c", secret("x"))), `,"k":{"a":1,"b":{"c":"***"}}`},
		{"group without a name", slog.Group("", "a", 1, "b", 2), `,"a":1,"b":2`},
		{"empty group", slog.Group("k"), ``},
		{"empty attribute", slog.Attr{}, ``},
		{"a value without a key", slog.Int("", 1), `,"":1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var z, s bytes.Buffer
			ev := &closeguard.Opened{ConnInfo: closeguard.ConnInfo{Number: 1, Attrs: []slog.Attr{tt.attr}}}
			zaplog.Observer(zapJSON(&z)).Observe(t.Context(), ev)
			closeguard.LogObserver(slogJSON(&s)).Observe(t.Context(), ev)
			check(t, []string{z.String()}, []string{s.String()},
				`{"level":"DEBUG","msg":"websocket opened","websocket":{"conn":1,"role":"server","guarded":false,"remote":""}`+tt.want+"}\n")
		})
	}
}

// everyKind has an event of each kind and level.
var everyKind = []closeguard.Event{
	&closeguard.Opened{},
	&closeguard.Refused{Status: 403},
	&closeguard.PeerClosed{Ending: closeguard.Ending{Received: &closeguard.CloseFrame{Code: 1009}, Err: fmt.Errorf("read: %w", io.EOF)}},
	&closeguard.LocalClosed{Ending: closeguard.Ending{Sent: &closeguard.CloseFrame{Code: 1011}}},
	&closeguard.Dropped{Ending: closeguard.Ending{Err: io.EOF}},
}

func TestLevels(t *testing.T) {
	fixed := func(closeguard.Event) zapcore.Level { return zapcore.WarnLevel }
	for _, tt := range []struct {
		name string
		opts []zaplog.Option
		want string // by event
	}{
		{"the core's", nil, "DEBUG INFO WARN ERROR INFO"},
		{"chosen", []zaplog.Option{zaplog.WithLevel(fixed)}, "WARN WARN WARN WARN WARN"},
		{"nil is the core's", []zaplog.Option{zaplog.WithLevel(nil)}, "DEBUG INFO WARN ERROR INFO"},
		{"the last counts", []zaplog.Option{zaplog.WithLevel(fixed), zaplog.WithLevel(nil)}, "DEBUG INFO WARN ERROR INFO"},
		{"by event", []zaplog.Option{zaplog.WithLevel(func(ev closeguard.Event) zapcore.Level {
			if _, ok := ev.(*closeguard.Dropped); ok {
				return zapcore.ErrorLevel
			}
			return zapcore.DebugLevel
		})}, "DEBUG DEBUG DEBUG DEBUG ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			hook := func(e zapcore.Entry) error { got = append(got, e.Level.CapitalString()); return nil }
			o := zaplog.Observer(zapJSON(io.Discard, zap.Hooks(hook)), tt.opts...)
			for _, ev := range everyKind {
				o.Observe(t.Context(), ev)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("levels %s, want %s", got, tt.want)
			}
		})
	}
}

func TestErrorLineHasNoStackOfTheGuards(t *testing.T) {
	var b bytes.Buffer
	logger := zapJSON(&b, zap.AddStacktrace(zapcore.DebugLevel))
	zaplog.Observer(logger).Observe(t.Context(), everyKind[3])
	if strings.Contains(b.String(), `"stack"`) {
		t.Errorf("logged %s", &b)
	}
	logger.Info("the program's own")
	if !strings.Contains(b.String(), `"stack"`) {
		t.Error("the program's logger was changed")
	}
}

func TestNilLoggerLogsNothing(t *testing.T) {
	for _, ev := range everyKind {
		zaplog.Observer(nil).Observe(t.Context(), ev)
	}
}

func TestField(t *testing.T) {
	var b bytes.Buffer
	logger := zapJSON(&b)
	var open closeguard.CloseEvent // as Conn.Event tells it
	logger.Info("still open", zaplog.Field(open))
	logger.Info("left", zaplog.Field(&closeguard.Dropped{Ending: closeguard.Ending{Err: io.EOF}}))
	want := `{"level":"INFO","msg":"still open"}` + "\n" +
		`{"level":"INFO","msg":"left","websocket":{"ending":"dropped","code":1006,"name":"abnormal closure","cause":"none","clean":false,"answered":false,` +
		`"err":"EOF","duration_ms":0,"idle_ms":0,"conn":0,"role":"server","guarded":false,"remote":""}}` + "\n"
	if b.String() != want {
		t.Errorf("logged\n%swant\n%s", &b, want)
	}
}

func TestLineThatIsNotLoggedAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for name, logger := range map[string]*zap.Logger{
		"level": zapJSON(io.Discard, zap.IncreaseLevel(zapcore.FatalLevel)),
		"nop":   nil,
	} {
		o := zaplog.Observer(logger)
		for _, ev := range everyKind {
			if n := testing.AllocsPerRun(100, func() { o.Observe(ctx, ev) }); n != 0 {
				t.Errorf("%s, %T: %v allocations, want none", name, ev, n)
			}
		}
	}
}

func BenchmarkObserver(b *testing.B) {
	o := zaplog.Observer(zapJSON(io.Discard))
	ctx := context.Background()
	ev := &closeguard.PeerClosed{Ending: closeguard.Ending{
		Received: &closeguard.CloseFrame{Code: closeguard.GoingAway, Reason: "tab closed"},
		Sent:     &closeguard.CloseFrame{Code: closeguard.GoingAway},
	}}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(ctx, ev)
	}
}
