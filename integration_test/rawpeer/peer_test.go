package rawpeer_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// Echo servers that compress if asked to and offer the subprotocol "echo".

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	upgrader := gorilla.Upgrader{EnableCompression: true, Subprotocols: []string{"echo"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
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

func coderEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := coder.Accept(w, r, &coder.AcceptOptions{
		CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1, Subprotocols: []string{"echo"},
	})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

// onEachServer runs test against both libraries, without and with TLS.
func onEachServer(t *testing.T, test func(t *testing.T, url string)) {
	for _, library := range []struct {
		name string
		echo http.HandlerFunc
	}{{"gorilla", gorillaEcho}, {"coder", coderEcho}} {
		t.Run(library.name+" ws", func(t *testing.T) { test(t, serve(t, library.echo)) })
		t.Run(library.name+" wss", func(t *testing.T) { test(t, serveTLS(t, library.echo)) })
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func serveTLS(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// expect reads one frame.
func expect(t *testing.T, p *rawpeer.Peer, want string) {
	t.Helper()
	f, ok := p.ReadFrame()
	if !ok {
		t.Fatalf("no frame, want %s: %s, rest %q", want, p.End, p.Rest)
	}
	if f.String() != want {
		t.Fatalf("read %s, want %s", f, want)
	}
}

func write(t *testing.T, p *rawpeer.Peer, frames ...rawpeer.Frame) {
	t.Helper()
	if err := p.Write(frames...); err != nil {
		t.Fatal(err)
	}
}

func TestMessagesAndClose(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []rawpeer.Option
	}{
		{"as usual", nil},
		{"every byte a write of its own", []rawpeer.Option{rawpeer.Split(1)}},
		{"mask of zero", []rawpeer.Option{rawpeer.ZeroMask()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachServer(t, func(t *testing.T, url string) {
				p := rawpeer.Dial(t, url, tt.opts...)
				write(t, p, rawpeer.Text("one"), rawpeer.Binary(make([]byte, 300)))
				expect(t, p, `text "one"`)
				expect(t, p, "binary 300 bytes")
				write(t, p, rawpeer.Fragments(rawpeer.Text(""), "tw", "o")...)
				expect(t, p, `text "two"`)
				write(t, p, rawpeer.Ping("there?"))
				expect(t, p, `pong "there?"`)
				write(t, p, rawpeer.Close(4000, ""))
				expect(t, p, `close 4000 ""`)
				if end := p.ReadUntilEnd(); end != rawpeer.FIN || len(p.Frames) != 5 || len(p.Rest) != 0 {
					t.Errorf("end %q, frames %v, rest %q; want FIN, 5 frames, no rest", end, p.Frames, p.Rest)
				}
			})
		})
	}
}

func TestOffers(t *testing.T) {
	onEachServer(t, func(t *testing.T, url string) {
		p := rawpeer.Dial(t, url, rawpeer.Deflate(), rawpeer.Subprotocols("other", "echo"))
		if got := p.Response.Header.Get("Sec-WebSocket-Protocol"); got != "echo" {
			t.Errorf("subprotocol %q, want echo", got)
		}
		if got := p.Response.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
			t.Errorf("extensions %q, want permessage-deflate", got)
		}
		write(t, p, rawpeer.Text(strings.Repeat("a", 200))) // not compressed, which is allowed
		if f, ok := p.ReadFrame(); !ok || f.RSV != 4 {
			t.Errorf("read %v, want a compressed message", f)
		}
	})
}

func TestIllegalFrames(t *testing.T) {
	onEachServer(t, func(t *testing.T, url string) {
		for name, frame := range map[string]rawpeer.Frame{
			"not masked":           {Fin: true, Opcode: rawpeer.OpText, Payload: []byte("hello"), Bare: true},
			"reserved opcode":      {Fin: true, Opcode: 3},
			"reserved bit":         {Fin: true, Opcode: rawpeer.OpText, RSV: 2},
			"close of 2^40 bytes":  {Fin: true, Opcode: rawpeer.OpClose, Claim: 1 << 40},
			"close with code 1005": rawpeer.Close(1005, ""),
		} {
			t.Run(name, func(t *testing.T) {
				p := rawpeer.Dial(t, url)
				write(t, p, frame)
				p.ReadUntilEnd() // the two libraries differ in whether a 1002 comes
				if len(p.Frames) > 1 || len(p.Frames) == 1 && p.Frames[0].CloseCode() != 1002 {
					t.Errorf("the server took the frame: %v", p.Frames)
				}
			})
		}
	})
}

func TestFramesInTheWriteOfTheRequest(t *testing.T) {
	t.Run("coder reads them", func(t *testing.T) {
		p := rawpeer.Dial(t, serve(t, coderEcho), rawpeer.Early(rawpeer.Text("early")))
		expect(t, p, `text "early"`)
	})
	t.Run("gorilla refuses them without an answer", func(t *testing.T) {
		p := rawpeer.Dial(t, serve(t, gorillaEcho), rawpeer.Early(rawpeer.Text("early")), rawpeer.AnyStatus())
		p.ReadUntilEnd()
		if p.Response != nil || len(p.Rest) != 0 {
			t.Errorf("answer %v, rest %q; want neither", p.Response, p.Rest)
		}
	})
}

func TestAnyStatusShowsTheAnswer(t *testing.T) {
	p := rawpeer.Dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		http.Error(w, "no", http.StatusForbidden)
	}), rawpeer.AnyStatus())
	end := p.ReadUntilEnd()
	if p.Response.StatusCode != http.StatusForbidden || string(p.Rest) != "no\n" || end != rawpeer.FIN {
		t.Errorf("status %d, body %q, end %q; want 403, no, FIN", p.Response.StatusCode, p.Rest, end)
	}
	if !strings.HasPrefix(string(p.Head), "HTTP/1.1 403 ") || !strings.HasSuffix(string(p.Head), "\r\n\r\n") {
		t.Errorf("head %q", p.Head)
	}
}

// The beginning of a TLS record that claims 64 bytes. crypto/tls calls only an
// end inside a record unexpected; a FIN between two is io.EOF to it.
const halfRecord = "\x17\x03\x03\x00\x40half"

// How the server ends TCP, and what the peer calls it.
func TestEnds(t *testing.T) {
	tcp := func(nc net.Conn) *net.TCPConn {
		if over, ok := nc.(*tls.Conn); ok {
			nc = over.NetConn()
		}
		return nc.(*net.TCPConn)
	}
	for _, tt := range []struct {
		name  string
		serve func(*testing.T, http.HandlerFunc) string
		end   func(net.Conn)
		want  rawpeer.End
	}{
		{"close", serve, func(nc net.Conn) { nc.Close() }, rawpeer.FIN},
		{"close over TLS", serveTLS, func(nc net.Conn) { nc.Close() }, rawpeer.FIN},
		{"close below TLS", serveTLS, func(nc net.Conn) { tcp(nc).Close() }, rawpeer.FIN},
		{"close inside a TLS record", serveTLS, func(nc net.Conn) { io.WriteString(tcp(nc), halfRecord); tcp(nc).Close() }, rawpeer.CutTLS},
		{"half close", serve, func(nc net.Conn) { tcp(nc).CloseWrite() }, rawpeer.FIN},
		{"reset", serve, func(nc net.Conn) { tcp(nc).SetLinger(0); tcp(nc).Close() }, rawpeer.RST},
		{"reset below TLS", serveTLS, func(nc net.Conn) { tcp(nc).SetLinger(0); tcp(nc).Close() }, rawpeer.RST},
		{"nothing", serve, func(net.Conn) {}, rawpeer.Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := tt.serve(t, func(w http.ResponseWriter, r *http.Request) {
				conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					return
				}
				t.Cleanup(func() { conn.Close() })
				conn.ReadMessage() // the peer has its answer before the end comes
				tt.end(conn.NetConn())
			})
			p := rawpeer.Dial(t, url)
			write(t, p, rawpeer.Text("end it"))
			if tt.want == rawpeer.Timeout {
				p.Waits(100 * time.Millisecond)
			}
			if got := p.ReadUntilEnd(); got != tt.want {
				t.Errorf("end %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadingGoesOnAfterATimeout(t *testing.T) {
	p := rawpeer.Dial(t, serve(t, coderEcho))
	p.Waits(100 * time.Millisecond)
	if _, ok := p.ReadFrame(); ok || p.End != rawpeer.Timeout {
		t.Fatalf("end %q, want a timeout", p.End)
	}
	p.Waits(10 * time.Second)
	write(t, p, rawpeer.Text("late"))
	expect(t, p, `text "late"`)
}

// How the peer ends TCP, and what the server reads.
func TestPeerEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(*testing.T, http.HandlerFunc) string
		end   func(*rawpeer.Peer) error
		want  error
	}{
		{"CloseWrite", serve, (*rawpeer.Peer).CloseWrite, io.EOF},
		{"CloseWrite over TLS", serveTLS, (*rawpeer.Peer).CloseWrite, io.EOF},
		{"CloseWrite below TLS", serveTLS, func(p *rawpeer.Peer) error { return p.TCP.CloseWrite() }, io.EOF},
		{"CloseWrite inside a TLS record", serveTLS, func(p *rawpeer.Peer) error {
			_, err := io.WriteString(p.TCP, halfRecord)
			return errors.Join(err, p.TCP.CloseWrite())
		}, io.ErrUnexpectedEOF},
		{"Reset", serve, (*rawpeer.Peer).Reset, syscall.ECONNRESET},
		{"Reset below TLS", serveTLS, (*rawpeer.Peer).Reset, syscall.ECONNRESET},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read := make(chan error, 1)
			url := tt.serve(t, func(w http.ResponseWriter, r *http.Request) {
				conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					return
				}
				defer conn.Close()
				_, err = conn.NetConn().Read(make([]byte, 1))
				read <- err
			})
			p := rawpeer.Dial(t, url)
			if err := tt.end(p); err != nil {
				t.Fatal(err)
			}
			if err := <-read; !errors.Is(err, tt.want) {
				t.Errorf("the server read %v, want %v", err, tt.want)
			}
		})
	}
}

// crypto/tls reads one record at a time, which shows where the writes were cut.
func TestSplitCutsWrites(t *testing.T) {
	sizes := make(chan []int, 1)
	p := rawpeer.Dial(t, serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		var got []int
		for buf := make([]byte, 64); ; {
			n, err := conn.NetConn().Read(buf)
			if err != nil {
				sizes <- got
				return
			}
			got = append(got, n)
		}
	}), rawpeer.Split(4))
	write(t, p, rawpeer.Text("hello")) // 11 bytes: header 2, mask 4, payload 5
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, want := <-sizes, []int{4, 4, 3}; !slices.Equal(got, want) {
		t.Errorf("the server read %v bytes, want %v", got, want)
	}
}

func TestReadBufferIsSetBeforeTheConnection(t *testing.T) {
	p := rawpeer.Dial(t, serve(t, coderEcho), rawpeer.ReadBuffer(4<<10))
	raw, err := p.TCP.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var size int
	var getErr error
	err = raw.Control(func(fd uintptr) {
		size, getErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	if err := errors.Join(err, getErr); err != nil || size != 8<<10 { // the kernel doubles it
		t.Errorf("receive buffer of %d bytes, %v; want 8 KiB", size, err)
	}
}

func TestAPeerThatDoesNotReadStopsTheServer(t *testing.T) {
	wrote, begun := make(chan error, 1), make(chan struct{})
	p := rawpeer.Dial(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		go func() {
			<-begun
			conn.NetConn().SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		}()
		wrote <- conn.WriteMessage(gorilla.BinaryMessage, make([]byte, 16<<20))
	}), rawpeer.ReadBuffer(4<<10))
	raw, err := p.TCP.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Read(func(fd uintptr) bool { // something has come
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return err != syscall.EAGAIN
	})
	if err != nil {
		t.Fatal(err)
	}
	close(begun)
	if timeout := net.Error(nil); !errors.As(<-wrote, &timeout) || !timeout.Timeout() {
		t.Errorf("the server wrote 16 MiB to a peer that does not read: %v", timeout)
	}
	p.ReadUntilEnd()
	if len(p.Frames) != 0 || len(p.Rest) == 0 {
		t.Errorf("%d frames and %d more bytes, want a part of one frame", len(p.Frames), len(p.Rest))
	}
}
