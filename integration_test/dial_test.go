package integration_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A dialled connection, of either adapter.
type dialled interface {
	CloseWith(ctx context.Context, code closeguard.Code, reason string) error
	Guarded() bool
}

// A clientKind is a way to connect to a server.
type clientKind struct {
	name, library string
	scheme        string
	proxied       bool
}

var clientKinds = []clientKind{
	{"gorilla", "gorilla", "ws", false},
	{"gorilla over TLS", "gorilla", "wss", false},
	{"gorilla behind a proxy", "gorilla", "ws", true},
	{"gorilla over TLS behind a proxy", "gorilla", "wss", true},
	{"coder", "coder", "ws", false},
	{"coder over TLS", "coder", "wss", false},
}

// eachKind runs test with every kind of client.
func eachKind(t *testing.T, test func(t *testing.T, k clientKind)) {
	for _, k := range clientKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// dial connects a client to a raw server.
func (k clientKind) dial(t *testing.T, opts closeguard.Options, answer ...rawpeer.Option) (dialled, socket, *visitor) {
	t.Helper()
	seen := new(events)
	opts.Observers = append(opts.Observers, seen)
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	g, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	listener, config := listen(t, k.scheme)
	servers := make(chan *rawpeer.Peer, 1)
	go func() {
		defer close(servers)
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		server, err := rawpeer.Accept(t, conn, answer...)
		if err != nil {
			t.Error(err)
			return
		}
		servers <- server
	}()
	conn, s, err := k.connect(t, g, k.scheme+"://"+listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	server := <-servers
	if server == nil || !conn.Guarded() {
		t.Fatal("no guarded connection")
	}
	return conn, s, &visitor{server, "", seen}
}

func (k clientKind) connect(t *testing.T, g *closeguard.Guard, url string, config *tls.Config) (dialled, socket, error) {
	if k.library == "coder" {
		conn, _, err := coderadapter.Dial(t.Context(), g, url, &coder.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: config}},
		})
		if err != nil {
			return nil, nil, err
		}
		conn.SetReadLimit(-1)
		t.Cleanup(func() { conn.CloseNow() })
		return conn, sockets.Coder{Conn: conn}, nil
	}
	dialer := gorilla.Dialer{TLSClientConfig: config}
	if k.proxied {
		proxy, used := connectProxy(t)
		dialer.Proxy = http.ProxyURL(proxy)
		defer func() {
			if used.Load() != 1 {
				t.Errorf("the proxy was used %d times", used.Load())
			}
		}()
	}
	conn, _, err := gorillaadapter.Dial(t.Context(), g, &dialer, url, nil)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn, sockets.Gorilla{Conn: conn}, nil
}

// listen returns a listener and what a client has to trust.
func listen(t *testing.T, scheme string) (net.Listener, *tls.Config) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if scheme == "ws" {
		return listener, nil
	}
	s := httptest.NewTLSServer(nil) // for its certificate
	s.Close()
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig
	return tls.NewListener(listener, &tls.Config{Certificates: s.TLS.Certificates}), trust
}

// connectProxy starts a proxy that knows CONNECT, and counts.
func connectProxy(t *testing.T) (*url.URL, *atomic.Int64) {
	var used atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		used.Add(1)
		server, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			server.Close()
			return
		}
		io.WriteString(client, "HTTP/1.1 200 Connected\r\n\r\n")
		pass := func(to, from net.Conn) {
			io.Copy(to, from)
			to.(*net.TCPConn).CloseWrite()
		}
		go pass(server, client)
		go pass(client, server)
	}))
	t.Cleanup(s.Close)
	proxy, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return proxy, &used
}

// expectMasked reads one frame, or a message that may be fragmented, as a
// client must send it: masked. It returns the last frame.
func (v *visitor) expectMasked(t *testing.T, want rawpeer.Frame) rawpeer.Frame {
	t.Helper()
	var all []byte
	for {
		got, ok := v.ReadFrame()
		if !ok {
			t.Fatalf("no frame but %s, want %s", v.End, want)
		}
		if !got.Masked {
			t.Errorf("%s is not masked", got)
		}
		all = append(all, got.Payload...)
		if !got.Fin && want.Opcode < rawpeer.OpClose {
			continue
		}
		if whole := got.Opcode == want.Opcode || got.Opcode == rawpeer.OpContinuation; !whole || string(all) != string(want.Payload) {
			t.Fatalf("read %.200q in the end by %s, want %s", all, got, want)
		}
		return got
	}
}

// What a server closes with is what a client gets, for every code.
func TestDialledReceivesTheServersClose(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		for _, c := range closeCases() {
			t.Run(c.name, func(t *testing.T) {
				_, s, server := k.dial(t, closeguard.Options{})
				echoed := make(chan error, 1)
				go func() {
					err := echo(nil, s)
					s.Close()
					echoed <- err
				}()
				answer := c.gorilla
				if k.library == "coder" {
					answer = c.coder
				}
				for _, f := range c.first {
					server.send(t, f)
					server.expectMasked(t, f)
				}
				server.send(t, c.send...)
				for _, f := range c.echoes {
					server.expectMasked(t, f)
				}
				server.expectMasked(t, answer)
				if c.answer != nil {
					server.send(t, *c.answer)
				}
				if err := server.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				server.expectEnd(t, rawpeer.FIN)
				var ev closeguard.CloseEvent
				if err := <-echoed; !errors.As(err, &ev) || record.KindOf(ev) != c.want.kind || ev.Code() != c.want.code {
					t.Errorf("the client was told %v, want a close event", err)
				}
				sent, _ := closeguard.ParseCloseFrame(answer.Payload)
				c.want.sent = sent.String()
				if got := endingOf(server.event(t)); got != c.want {
					t.Errorf("got  %+v\nwant %+v", got, c.want)
				}
			})
		}
	})
}

// A client closes and waits for the answer, and then for the server's end of
// TCP, which is the server's to begin: up to a second.
func TestDialledCloses(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		for _, tt := range []struct {
			name   string
			code   closeguard.Code
			reason string
			ends   bool // the server ends TCP
		}{
			{"4001", 4001, "enough", true},
			{"4001, the server doesn't end TCP", 4001, "enough", false},
			{"1010, of clients", 1010, "permessage-deflate", true},
			{"empty", 1005, "", true},
		} {
			t.Run(tt.name, func(t *testing.T) {
				conn, _, server := k.dial(t, closeguard.Options{})
				closed := make(chan error, 1)
				go func() { closed <- conn.CloseWith(t.Context(), tt.code, tt.reason) }()
				want := rawpeer.Close(int(tt.code), tt.reason)
				if tt.code == closeguard.NoStatusReceived {
					want = empty
				}
				server.expectMasked(t, want)
				const aSecond = 900 * time.Millisecond // as clocks are read in different places
				answered, due := time.Now(), alarm(aSecond)
				server.send(t, want)
				if tt.ends {
					if err := server.CloseWrite(); err != nil {
						t.Fatal(err)
					}
				}
				server.expectEnd(t, rawpeer.FIN)
				over := time.Now()
				if tt.ends {
					select {
					case <-due:
						t.Error("the client waited for longer than the server")
					default:
					}
				} else if took, behind := over.Sub(answered), over.Sub(<-due); took < aSecond || behind > late {
					t.Errorf("the client ended TCP after %v, %v behind an alarm at %v; want it after 1 s", took, behind, aSecond)
				}
				if err := <-closed; err != nil {
					t.Errorf("CloseWith returned %v", err)
				}
				said := closing(tt.code, tt.reason)
				expected := ending{kind: "local closed", code: tt.code, clean: true, sent: said, received: said}
				ev := server.event(t)
				if got := endingOf(ev); got != expected || ev.Connection().Role != closeguard.Client {
					t.Errorf("got %+v, want %+v", got, expected)
				}
			})
		}
	})
}

// A client may not send everything, and then nothing goes out.
func TestDialledRefusesAnIllegalClose(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		conn, s, server := k.dial(t, closeguard.Options{})
		for _, f := range []closeguard.CloseFrame{{Code: 1006}, {Code: 1000, Reason: strings.Repeat("x", 124)}} {
			var fe *closeguard.FrameError
			if err := conn.CloseWith(t.Context(), f.Code, f.Reason); !errors.As(err, &fe) {
				t.Errorf("CloseWith(%v) returned %v, want a *closeguard.FrameError", f, err)
			}
		}
		go echo(nil, s)
		server.send(t, hello)
		server.expectMasked(t, hello)
		server.send(t, empty)
		server.expectMasked(t, empty)
		if err := server.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if ev := server.event(t); !ev.Clean() {
			t.Errorf("event %v, want a clean end", ev)
		}
	})
}

// The guard's own Closes are masked too, each with a mask of its own.
func TestDialledMasksAreFresh(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		seen := map[[4]byte]bool{{}: true}
		for range 8 {
			conn, _, server := k.dial(t, closeguard.Options{})
			go conn.CloseWith(context.Background(), 1000, "")
			f := server.expectMasked(t, rawpeer.Close(1000, ""))
			if seen[f.Mask] {
				t.Errorf("the mask % x came before", f.Mask)
			}
			seen[f.Mask] = true
			server.send(t, rawpeer.Close(1000, ""))
			server.CloseWrite()
		}
	})
}

// Servers can be as rude as clients.
func TestDialledToARudeServer(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		t.Run("never answers", func(t *testing.T) {
			conn, _, server := k.dial(t, shortLimits)
			began, due := time.Now(), alarm(closeIdle)
			err := conn.CloseWith(t.Context(), 1000, "")
			over := time.Now()
			if took := over.Sub(began); took < closeIdle || over.Sub(<-due) > late || !errors.Is(err, closeguard.ErrCloseIdle) {
				t.Errorf("CloseWith returned %v after %v, want ErrCloseIdle after %v", err, took, closeIdle)
			}
			want := ending{kind: "local closed", code: 1000, sent: closing(1000, "")}
			if got := endingOf(server.event(t)); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
		t.Run("dies in a message", func(t *testing.T) {
			_, s, server := k.dial(t, shortLimits)
			got := make(chan received, 1)
			go collect(got)(nil, s)
			server.send(t, rawpeer.Text("whole"), rawpeer.Fragments(hello, "ha", "lf")[0])
			if err := server.TCP.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			r := <-got
			expectCutOff(t, endpoint{Library: k.library, Adapter: true}, r, io.EOF)
			if len(r.messages) != 1 {
				t.Errorf("messages %q, want the whole one", r.messages)
			}
			s.Close()
			expectDropped(t, server.event(t), false)
		})
		t.Run("masks its close", func(t *testing.T) {
			_, s, server := k.dial(t, shortLimits)
			go func() {
				echo(nil, s)
				s.Close()
			}()
			f := rawpeer.Close(1000, "")
			f.Bare = true
			server.send(t, f)
			server.ReadUntilEnd()
			ev := server.event(t)
			if fe := (*closeguard.FrameError)(nil); !errors.As(ev, &fe) || fe.Rule != "mask" {
				t.Errorf("event %v, want a *closeguard.FrameError for the mask", ev)
			}
		})
	})
}

// A client that is refused has no connection, and there is no event of one.
func TestDialIsRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, k clientKind) {
		seen := new(events)
		g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{seen}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not today", http.StatusForbidden)
		}))
		var config *tls.Config
		if k.scheme == "wss" {
			s.StartTLS()
			config = s.Client().Transport.(*http.Transport).TLSClientConfig
		} else {
			s.Start()
		}
		defer s.Close()
		if _, _, err := k.connect(t, g, "ws"+strings.TrimPrefix(s.URL, "http"), config); err == nil {
			t.Error("no error")
		}
		if len(seen.All()) != 0 {
			t.Errorf("%d connections have events", len(seen.All()))
		}
	})
}
