package closetest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

const (
	half   = "only half"
	normal = "\x88\x02\x03\xe8" // a Close with 1000
)

// What each manner puts on the wire, as a server, which masks nothing: at once, and when
// the other side's Close has come; and how it leaves TCP when it has read the end of the
// other side's stream.
var manners = []struct {
	manner    closetest.Manner
	at, after string
	end       error // of its stream; nil: FIN
	gone      bool  // before the other side's Close came
}{
	{manner: closetest.Polite, after: normal},
	{manner: closetest.Mute},
	{manner: closetest.Stalls, at: "\x81\x12" + half},
	{manner: closetest.StallsInClose, after: "\x88"},
	{manner: closetest.Sliced, at: "\x81\x09in slices", after: normal},
	{manner: closetest.Vanishes, gone: true},
	{manner: closetest.VanishesInMessage, at: "\x01\x09" + half, gone: true},
	{manner: closetest.HalfCloses},
	{manner: closetest.Resets, gone: true, end: syscall.ECONNRESET},
	{manner: closetest.HangsUp},
	{manner: closetest.AnswersAndResets, after: normal, end: syscall.ECONNRESET},
	{manner: closetest.EchoesIllegal, after: "\x88\x02\x03\xee"},
	{manner: closetest.SendsAfterClose, after: normal + "\x81\x04late\x89\x00\x88\x06\x0f\xa0late"},
	{manner: closetest.ClosesTwice, at: "\x88\x07\x0f\xa0first\x88\x08\x0f\xa1second"},
	{manner: closetest.ClosesInMessage, at: "\x01\x09" + half + "\x88\x02\x03\xe9"},
	{manner: closetest.EmptyClose, at: "\x88\x00"},
	{manner: closetest.OneByteClose, at: "\x88\x01\x03"},
	{manner: closetest.IllegalClose, at: "\x88\x02\x03\xed"},
	{manner: closetest.BadUTF8Close, at: "\x88\x03\x03\xe8\xff"},
	{manner: closetest.LongClose, at: "\x88\x7e\x00\x7e\x03\xe8" + strings.Repeat("x", 124), after: normal},
	{manner: closetest.FragmentedClose, at: "\x08\x02\x03\xe8\x80\x00", after: normal},
	{manner: closetest.ReservedBits, at: "\x91\x00", after: normal},
	{manner: closetest.ReservedOpcode, at: "\x83\x00", after: normal},
	{manner: closetest.LyingLength, at: "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", after: normal},
	{manner: closetest.Interleaves, at: "\x01\x00\x81\x00", after: normal},
	{manner: closetest.Continues, at: "\x80\x00", after: normal},
}

func TestMannersOnTheWire(t *testing.T) {
	for _, tt := range manners {
		t.Run(tt.manner.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := closetest.Pipe()
				var seen closetest.Seen
				go func() { seen = tt.manner.Run(t.Context(), closetest.NewPeer(a, closeguard.Server)) }()
				synctest.Wait()
				at, end := available(b)
				if at != tt.at {
					t.Errorf("wrote %q at once, want %q", at, tt.at)
				}
				b.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8"))
				b.CloseWrite()
				synctest.Wait()
				after, err := io.ReadAll(b)
				if end == nil {
					end = err
				}
				if string(after) != tt.after || !errors.Is(end, tt.end) {
					t.Errorf("wrote %q after the Close and ended with %v; want %q and %v", after, end, tt.after, tt.end)
				}
				if !tt.gone && (seen.Close == nil || seen.Close.Code != closeguard.NormalClosure) {
					t.Errorf("saw %v, want the Close", seen)
				}
			})
		})
	}
}

// available is what can be read without waiting, and the error that came before that.
func available(c *closetest.PipeConn) (string, error) {
	c.SetReadDeadline(time.Now().Add(1))
	defer c.SetReadDeadline(time.Time{})
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return string(b), err
}

func TestWrongMask(t *testing.T) {
	for _, role := range []closeguard.Role{closeguard.Client, closeguard.Server} {
		synctest.Test(t, func(t *testing.T) {
			a, b := closetest.Pipe()
			go closetest.WrongMask.Run(t.Context(), closetest.NewPeer(a, role))
			synctest.Wait()
			frame, _ := available(b)
			if masked := frame[1]&0x80 != 0; masked != (role == closeguard.Server) {
				t.Errorf("a %v's frame is masked: %t", role, masked)
			}
			b.Close()
			synctest.Wait()
		})
	}
}

func TestDripsOneByteAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := closetest.Pipe()
		began := time.Now()
		go closetest.Drips(time.Minute).Run(t.Context(), closetest.NewPeer(a, closeguard.Server))
		var times []time.Duration
		head := make([]byte, 10)
		if _, err := io.ReadFull(b, head); err != nil || string(head) != "\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00" {
			t.Errorf("read %q, %v, want the header of a message of 1 TiB", head, err)
		}
		for range 3 {
			n, err := b.Read(make([]byte, 100))
			if n != 1 || err != nil {
				t.Errorf("read %d bytes, %v, want 1", n, err)
			}
			times = append(times, time.Since(began))
		}
		if times[0] != time.Minute || times[2] != 3*time.Minute {
			t.Errorf("bytes after %v, want one a minute", times)
		}
		b.Close()
		synctest.Wait()
	})
}

func TestFloodsUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := closetest.Pipe()
		seen := make(chan closetest.Seen, 1)
		go func() { seen <- closetest.Floods.Run(t.Context(), closetest.NewPeer(client, closeguard.Client)) }()
		p := closetest.NewPeer(server, closeguard.Server)
		for range 100 {
			if f, err := p.ReadFrame(); len(f.Payload) != 64<<10 || f.WrongMask || err != nil {
				t.Fatalf("read %.20v, %v, want 64 KiB from a client", f, err)
			}
		}
		p.WriteClose(1009, "")
		p.Reset()
		if got := <-seen; got.Close == nil || got.Close.Code != closeguard.MessageTooBig {
			t.Errorf("saw %v, want 1009", got)
		}
	})
}

func TestSlicedWritesEachByteByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := closetest.Pipe()
		go closetest.Sliced.Run(t.Context(), closetest.NewPeer(a, closeguard.Server))
		synctest.Wait()
		if got, _ := available(b); int(a.Writes()) != len(got) || got == "" {
			t.Errorf("%d bytes in %d writes", len(got), a.Writes())
		}
		b.Close()
		synctest.Wait()
	})
}

// Run ends with its context, whatever the peer is doing, and leaves nothing behind.
func TestRunEndsWithItsContext(t *testing.T) {
	for _, m := range append(closetest.Rude(), closetest.Polite) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			a, _ := closetest.Pipe()
			over := make(chan struct{})
			go func() {
				m.Run(ctx, closetest.NewPeer(a, closeguard.Client))
				close(over)
			}()
			synctest.Wait()
			cancel()
			<-over
			if err := a.Close(); err == nil {
				t.Errorf("%s: TCP is open behind Run", m.Name)
			}
		})
	}
}

// A program's handler sees the same event, whichever peer is rude in the same way.
func TestRudePeersAndAGuard(t *testing.T) {
	const limits = 20 * time.Second
	for _, tt := range []struct {
		manner closetest.Manner
		closes bool   // the program begins to close
		want   string // the event
		seen   string
		within time.Duration
	}{
		{closetest.Polite, true, `websocket closed here: 1000 normal closure`, "1000 normal closure, then FIN", 0},
		{closetest.Sliced, true, `websocket closed here: 1000 normal closure`, "1000 normal closure, then FIN", 0},
		{closetest.Deaf, true, `websocket closed here: 1000 normal closure, not answered: closeguard: closing handshake stalled`, "no Close", 5 * time.Second},
		{closetest.Mute, true, `websocket closed here: 1000 normal closure, not answered: closeguard: closing handshake stalled`, "1000 normal closure, then FIN", 5 * time.Second},
		{closetest.StallsInClose, true, `websocket closed here: 1000 normal closure, not answered: closeguard: closing handshake stalled`, "1000 normal closure, then FIN", 5 * time.Second},
		{closetest.Drips(time.Second), true, `websocket closed here: 1000 normal closure, not answered: closeguard: closing handshake took too long`, "1000 normal closure, then FIN", limits},
		{closetest.Floods, true, `websocket closed here: 1000 normal closure, not answered: closeguard: peer sent too much during the closing handshake`, "", limits},
		{closetest.HangsUp, true, `websocket closed here: 1000 normal closure, not answered: EOF`, "1000 normal closure, then it closed itself", 0},
		{closetest.SendsAfterClose, true, `websocket closed here: 1000 normal closure`, "1000 normal closure, then FIN", 0},
		{closetest.Vanishes, false, `websocket connection dropped after 0s: EOF`, "no Close", 0},
		{closetest.HalfCloses, false, `websocket connection dropped after 0s: EOF`, "no Close, then FIN", 0},
		{closetest.Resets, false, `websocket connection dropped after 0s: connection reset by peer`, "no Close", 0},
		{closetest.EmptyClose, false, `websocket closed by peer: 1005 no status received`, "1005 no status received, then FIN", 0},
		{closetest.ClosesTwice, false, `websocket closed by peer: 4000 private use "first"`, `4000 private use "first", then FIN`, 0},
		{closetest.ClosesInMessage, false, `websocket closed by peer: 1001 going away`, "1001 going away, then FIN", 0},
		{closetest.OneByteClose, false, `websocket closed by peer: 1005 no status received: closeguard: close payload`, "1002 protocol error, then FIN", 0},
		{closetest.IllegalClose, false, `websocket closed by peer: 1005 no status received: closeguard: close code 1005`, "1002 protocol error, then FIN", 0},
		{closetest.BadUTF8Close, false, `websocket closed by peer: 1000 normal closure`, "1007 invalid frame payload data, then FIN", 0},
	} {
		t.Run(tt.manner.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events closetest.Recorder
				g, err := closeguard.New(closeguard.Options{CloseTimeout: limits, CloseBytes: 1 << 20, Observers: []closeguard.Observer{&events}})
				if err != nil {
					t.Fatal(err)
				}
				a, b := closetest.Pipe()
				conn, err := g.WrapConn(b, closeguard.Server)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				seen := make(chan closetest.Seen, 1)
				began := time.Now()
				go func() { seen <- tt.manner.Run(ctx, closetest.NewPeer(a, closeguard.Client)) }()
				if tt.closes {
					conn.CloseWith(t.Context(), closeguard.NormalClosure, "")
				} else {
					for err == nil { // as a library reads
						_, err = conn.Read(make([]byte, 1000))
						if conn.Event() != nil {
							break
						}
					}
				}
				conn.Close()
				closed, err := events.WaitClosed(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(closed[0].Error(), tt.want) {
					t.Errorf("event %v, want %s", closed[0], tt.want)
				}
				if d := time.Since(began); d > tt.within+2*time.Second || d < tt.within && tt.within != limits {
					t.Errorf("over after %v, want %v", d, tt.within)
				}
				synctest.Wait() // the peer has seen what there is
				cancel()
				if got := <-seen; !strings.HasPrefix(got.String(), tt.seen) {
					t.Errorf("the peer saw %v, want %s", got, tt.seen)
				}
			})
		})
	}
}
