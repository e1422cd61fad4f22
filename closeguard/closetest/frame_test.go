package closetest_test

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// peers returns a client and a server on the two ends of a pipe.
func peers() (client, server *closetest.Peer) {
	a, b := closetest.PipeSize(1 << 20)
	return closetest.NewPeer(a, closeguard.Client), closetest.NewPeer(b, closeguard.Server)
}

func TestFramesOnTheWire(t *testing.T) {
	long, longer := strings.Repeat("x", 126), strings.Repeat("x", 1<<16)
	for _, tt := range []struct {
		name  string
		frame closetest.Frame
		want  string // from a server, which doesn't mask
	}{
		{"text", closetest.Frame{Opcode: closetest.OpText, Payload: []byte("hi")}, "\x81\x02hi"},
		{"empty", closetest.Frame{Opcode: closetest.OpBinary}, "\x82\x00"},
		{"fragment", closetest.Frame{Opcode: closetest.OpText, More: true}, "\x01\x00"},
		{"reserved bits", closetest.Frame{Opcode: closetest.OpText, RSV: 5}, "\xd1\x00"},
		{"16-bit length", closetest.Frame{Opcode: closetest.OpText, Payload: []byte(long)}, "\x81\x7e\x00\x7e" + long},
		{"64-bit length", closetest.Frame{Opcode: closetest.OpText, Payload: []byte(longer)}, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + longer},
		{"claimed length", closetest.Frame{Opcode: closetest.OpText, Payload: []byte("x"), Claim: 3}, "\x81\x03x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := closetest.PipeSize(1 << 20)
			p := closetest.NewPeer(a, closeguard.Server)
			if err := p.WriteFrame(tt.frame); err != nil {
				t.Fatal(err)
			}
			p.Close()
			if got, err := io.ReadAll(b); string(got) != tt.want || err != nil {
				t.Errorf("wrote %.40q, %v, want %.40q", got, err, tt.want)
			}
		})
	}
}

func TestFramesAreReadAsTheyWereWritten(t *testing.T) {
	frames := []closetest.Frame{
		{Opcode: closetest.OpText, Payload: []byte("hello")},
		{Opcode: closetest.OpBinary, Payload: make([]byte, 125), More: true},
		{Opcode: closetest.OpContinuation, Payload: make([]byte, 65535)},
		{Opcode: closetest.OpBinary, Payload: make([]byte, 65536)},
		{Opcode: closetest.OpPing, RSV: 7, Payload: []byte{}},
		{Opcode: closetest.OpText, Payload: []byte("masked by mistake, or not"), WrongMask: true},
	}
	client, server := peers()
	for _, way := range []struct{ from, to *closetest.Peer }{{client, server}, {server, client}} {
		if err := way.from.WriteFrame(frames...); err != nil {
			t.Fatal(err)
		}
		for _, want := range frames {
			if got, err := way.to.ReadFrame(); !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("read %v, %v, want %v", got, err, want)
			}
		}
	}
}

// Inside of a frame the end is another error than between two.
func TestTheEndOfTheStream(t *testing.T) {
	const whole = "\x81\xfe\x00\x7e\x01\x02\x03\x04" // a masked frame's head, with a 16-bit length
	for n := range len(whole) + 1 {
		client, server := peers()
		client.WriteBytes([]byte(whole[:n]))
		client.Close()
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := server.ReadFrame(); err != want {
			t.Errorf("after %d bytes: %v, want %v", n, err, want)
		}
	}
}

// A header that lies must not cost the test its memory.
func TestHugeFramesAreRefused(t *testing.T) {
	for _, claim := range []uint64{64<<20 + 1, 1 << 63} {
		client, server := peers()
		client.WriteFrame(closetest.Frame{Opcode: closetest.OpBinary, Claim: claim})
		if _, err := server.ReadFrame(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a frame of %d bytes: %v, want an error that says so", claim, err)
		}
	}
}

func TestFrameString(t *testing.T) {
	for want, f := range map[string]closetest.Frame{
		`text "hi"`:                     {Opcode: closetest.OpText, Payload: []byte("hi")},
		`opcode 0x3 ""`:                 {Opcode: 3},
		`close 1001 going away "bye"`:   {Opcode: closetest.OpClose, Payload: []byte("\x03\xe9bye")},
		`close 1005 no status received`: {Opcode: closetest.OpClose},
	} {
		if got := f.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWhatAPeerSees(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(server *closetest.Peer)
		want string
	}{
		{"a close", func(p *closetest.Peer) { p.WriteText("x"); p.WriteClose(1001, "bye"); p.Close() }, `1001 going away "bye", then FIN`},
		{"an empty close", func(p *closetest.Peer) { p.WriteFrame(closetest.Frame{Opcode: closetest.OpClose}); p.Reset() }, "1005 no status received, then RST"},
		{"an illegal close", func(p *closetest.Peer) { p.WriteClose(1006, ""); p.Close() }, "1006 abnormal closure (illegal), then FIN"},
		{"frames after the close", func(p *closetest.Peer) { p.WriteClose(1000, ""); p.WriteClose(4000, ""); p.Close() }, "1000 normal closure, frames after it: 1, then FIN"},
		{"a message", func(p *closetest.Peer) { p.WriteText("x"); p.Close() }, "no Close, then FIN"},
		{"half a frame", func(p *closetest.Peer) { p.WriteBytes([]byte{0x81}); p.CloseWrite() }, "no Close, then FIN inside a frame"},
		{"its own close", func(*closetest.Peer) {}, "no Close, then it closed itself"},
		{"a reset", func(p *closetest.Peer) { p.Reset() }, "no Close, then RST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := peers()
				tt.do(server)
				if strings.HasSuffix(tt.want, "itself") {
					client.Close()
				}
				if got := client.ReadToEnd().String(); got != tt.want {
					t.Errorf("saw %s, want %s", got, tt.want)
				}
				if got := client.Seen().String(); got != tt.want {
					t.Errorf("Seen says %s, want %s", got, tt.want)
				}
			})
		})
	}
}
