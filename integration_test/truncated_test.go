package integration_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"syscall"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A received is what a handler got until its connection ended.
type received struct {
	messages []string
	corrupt  bool
	err      error
}

// collect reads to the end and hands over what came. An error in the data of
// one message is none of the connection: coder inflates what it has of a frame
// before it tells that the rest is missing, still masked.
func collect(got chan<- received) handler {
	return func(_ *http.Request, s socket) error {
		var all received
		for {
			_, message, err := s.Read()
			if corrupt := flate.CorruptInputError(0); errors.As(err, &corrupt) && !all.corrupt {
				all.corrupt = true
				continue
			}
			if err != nil {
				all.err = err
				got <- all
				return err
			}
			all.messages = append(all.messages, string(message))
		}
	}
}

// cut returns the first n bytes of the frames as a client sends them.
func cut(n int, frames ...rawpeer.Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = f.Append(b, [4]byte{1, 2, 3, 4})
	}
	return b[:n]
}

func whole(frames ...rawpeer.Frame) []byte {
	n := 0
	for _, f := range frames {
		n += len(f.Append(nil, [4]byte{}))
	}
	return cut(n, frames...)
}

// compressed is a binary message of permessage-deflate, 40 KiB of which remain 20.
func compressed() rawpeer.Frame {
	random := rand.New(rand.NewPCG(1, 2))
	message := make([]byte, 40<<10)
	for i := range message {
		message[i] = byte(random.IntN(16))
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	w.Write(message)
	w.Flush()
	return rawpeer.Frame{Fin: true, RSV: 4, Opcode: rawpeer.OpBinary, Payload: bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))}
}

// The headers below have 6 bytes up to a length of 125, 8 up to 65535, 14 above.
var cuts = []struct {
	name string
	wire []byte
}{
	{"between fragments", whole(rawpeer.Fragments(rawpeer.Text(""), "half", "other half")[0])},
	{"between fragments, behind a ping", whole(rawpeer.Fragments(rawpeer.Text(""), "half", "other half")[0], rawpeer.Ping(""))},
	{"between an empty fragment and the next", whole(rawpeer.Fragments(rawpeer.Text(""), "", "all")[0])},
	{"inside the last fragment", cut(10+6+5, rawpeer.Fragments(rawpeer.Text(""), "half", "other half")...)},
	{"in the first two bytes of a header", cut(1, hello)},
	{"inside a length of 16 bits", cut(3, rawpeer.Binary(make([]byte, 1000)))},
	{"inside a length of 64 bits", cut(7, rawpeer.Binary(make([]byte, 70000)))},
	{"inside the mask", cut(4, hello)},
	{"behind the header", cut(6, hello)},
	{"inside the payload", cut(6+5, hello)},
	{"one byte before the end", cut(6+11, hello)},
	{"behind 512 bytes of payload", cut(8+512, rawpeer.Binary(make([]byte, 1000)))},
	{"behind 4096 bytes", cut(4096, rawpeer.Binary(make([]byte, 10000)))},
	{"behind 4096 bytes of payload", cut(8+4096, rawpeer.Binary(make([]byte, 10000)))},
	{"behind 64 KiB of payload", cut(14+64<<10, rawpeer.Binary(make([]byte, 70000)))},
	{"inside a close", cut(6+3, rawpeer.Close(1000, "bye"))},
	{"inside a compressed frame", cut(8+10000, compressed())},
	{"behind 512 bytes of a compressed frame", cut(8+512, compressed())},
	{"behind 4096 bytes with a compressed frame", cut(4096, compressed())},
	{"inside the last compressed fragment", cut(8+10000+8+1000, rawpeer.Fragments(compressed(), string(compressed().Payload[:10000]), string(compressed().Payload[10000:]))...)},
	{"between compressed fragments", whole(rawpeer.Fragments(compressed(), string(compressed().Payload[:10000]), "")[0])},
	{"between compressed fragments of which the first has all", whole(rawpeer.Fragments(compressed(), string(compressed().Payload), "")[0])},
}

// A death is a way in which a peer dies.
type death struct {
	name    string
	schemes []string
	end     func(*visitor) error
	eof     error // what the guard reads, nil: something that is not an end of the stream
}

var deaths = []death{
	{"FIN", []string{"ws", "wss"}, func(v *visitor) error { return v.CloseWrite() }, io.EOF},
	{"FIN below TLS", []string{"wss"}, func(v *visitor) error { return v.TCP.CloseWrite() }, io.EOF},
	{"FIN inside a TLS record", []string{"wss"}, func(v *visitor) error {
		_, err := io.WriteString(v.TCP, "\x17\x03\x03\x00\x40half")
		return errors.Join(err, v.TCP.CloseWrite())
	}, io.ErrUnexpectedEOF},
	{"RST", []string{"ws", "wss"}, func(v *visitor) error { return v.Reset() }, nil},
}

// eachDeath runs test with every death at every endpoint. What a handler has read is in got.
func eachDeath(t *testing.T, test func(t *testing.T, s *site, e endpoint, death death, got <-chan received)) {
	for _, scheme := range []string{"ws", "wss"} {
		got := make(chan received, 1)
		s := serve(t, scheme, closeguard.Options{}, collect(got))
		for _, death := range deaths {
			if slices.Contains(death.schemes, scheme) {
				t.Run(scheme+" "+death.name, func(t *testing.T) {
					each(t, func(t *testing.T, e endpoint) { test(t, s, e, death, got) })
				})
			}
		}
	}
}

// A message that the peer's death cut off is an error and never a message.
func TestMessageCutOffByThePeersDeath(t *testing.T) {
	eachDeath(t, func(t *testing.T, s *site, e endpoint, death death, got <-chan received) {
		for _, c := range cuts {
			t.Run(c.name, func(t *testing.T) {
				p := s.dial(t, e, rawpeer.Deflate())
				if err := errors.Join(p.WriteBytes(append(whole(rawpeer.Text("whole")), c.wire...)), death.end(p)); err != nil {
					t.Fatal(err)
				}
				r := <-got
				expectCutOff(t, e, r, death.eof)
				if len(r.messages) > 1 || death.eof != nil && len(r.messages) == 0 || len(r.messages) == 1 && r.messages[0] != "whole" {
					t.Errorf("messages %.40q, want only the whole one", r.messages)
				}
				expectDropped(t, p.event(t), death.eof == nil)
				if death.eof != nil { // a peer that ended its own direction only
					p.ReadUntilEnd()
					for _, f := range p.Frames {
						if f.Opcode != rawpeer.OpPong {
							t.Errorf("the server sent %s", f)
						}
					}
				}
			})
		}
	})
}

// A message that our own Close cuts off, between two reads of the library's, is an
// error and never a message, either: nobody reads what the peer sends behind it.
func TestMessageCutOffByOurClose(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			read := make(chan error, 1)
			s := serve(t, scheme, closeguard.Options{}, func(r *http.Request, s socket) error {
				message, err := nextReader(s)
				if err == nil {
					_, err = io.ReadFull(message, make([]byte, len("half")))
				}
				if err != nil {
					read <- err
					return err
				}
				closeguard.FromContext(r.Context()).CloseWith(context.Background(), 4000, "")
				_, err = io.ReadAll(message)
				read <- err
				return err
			})
			each(t, func(t *testing.T, e endpoint) {
				p := s.dial(t, e)
				p.send(t, rawpeer.Fragments(rawpeer.Text(""), "half", "other half")[0])
				p.expect(t, rawpeer.Close(4000, ""))
				p.send(t, rawpeer.Close(4000, ""))
				if err := <-read; err == nil {
					t.Error("half of a message was taken for a message")
				}
				if ev := p.event(t); !ev.Clean() || ev.Code() != 4000 {
					t.Errorf("event %v, want a clean 4000", ev)
				}
			})
		})
	}
}

// nextReader is either library's way to read a message in pieces.
func nextReader(s socket) (message io.Reader, err error) {
	switch s := s.(type) {
	case sockets.Gorilla:
		_, message, err = s.Conn.(interface {
			NextReader() (messageType int, r io.Reader, err error)
		}).NextReader()
	case sockets.Coder:
		_, message, err = s.Conn.(interface {
			Reader(context.Context) (coder.MessageType, io.Reader, error)
		}).Reader(context.Background())
	}
	return message, err
}

// expectCutOff checks what a handler read where the stream ended inside a message.
func expectCutOff(t *testing.T, e endpoint, got received, eof error) {
	t.Helper()
	err := got.err
	var ce *gorilla.CloseError
	switch {
	case err == nil:
		t.Error("no error")
	case eof == nil && !got.corrupt && !errors.Is(err, syscall.ECONNRESET): // the kernel tells a reset once
		t.Errorf("error %v, want a reset", err)
	case eof == nil:
	case e.Library == "coder" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		t.Errorf("error %v, which coder takes for the end of the message", err)
	case e.Library == "gorilla" && eof == io.EOF && (!errors.As(err, &ce) || ce.Code != 1006):
		t.Errorf("error %v, want the library's 1006", err)
	case e.Library == "gorilla" && eof == io.ErrUnexpectedEOF && !errors.Is(err, eof):
		t.Errorf("error %v, want %v", err, eof)
	}
	expectEvent(t, e, err)
}

// expectEvent wants an adapter's error to be a close event, a library's not.
func expectEvent(t *testing.T, e endpoint, err error) {
	t.Helper()
	if ev := closeguard.CloseEvent(nil); errors.As(err, &ev) != e.Adapter {
		t.Errorf("error %T %v; want a close event through the adapters only", err, err)
	}
}

func expectDropped(t *testing.T, ev closeguard.CloseEvent, reset bool) {
	t.Helper()
	want := ending{kind: "dropped", code: 1006}
	if got := endingOf(ev); got != want {
		t.Errorf("event %v\ngot  %+v\nwant %+v", ev, got, want)
	}
	if errors.Is(ev, syscall.ECONNRESET) != reset || ev.End().Err == nil {
		t.Errorf("event %v, want a reset: %t", ev, reset)
	}
}

// Between two messages the end of the stream is what it is without the guard.
func TestPeersDeathBetweenMessages(t *testing.T) {
	eachDeath(t, func(t *testing.T, s *site, e endpoint, death death, got <-chan received) {
		p := s.dial(t, e)
		p.send(t, rawpeer.Text("whole"))
		if err := death.end(p); err != nil {
			t.Fatal(err)
		}
		r := <-got
		var ce *gorilla.CloseError
		switch {
		case death.eof == nil:
			if !errors.Is(r.err, syscall.ECONNRESET) {
				t.Errorf("error %v, want a reset", r.err)
			}
		case e.Library == "coder", death.eof == io.ErrUnexpectedEOF:
			if !errors.Is(r.err, death.eof) {
				t.Errorf("error %v, want %v", r.err, death.eof)
			}
		case !errors.As(r.err, &ce) || ce.Code != 1006:
			t.Errorf("error %v, want the library's 1006", r.err)
		}
		expectEvent(t, e, r.err)
		expectDropped(t, p.event(t), death.eof == nil)
	})
}
