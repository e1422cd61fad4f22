package model

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// Two readers of frames are held against each other: whatever bytes a peer and
// a library write, in whatever pieces, the guard finds the Closes that rawpeer
// finds. The bytes of cuts are the sizes of the pieces; the library's come
// first if it hurries.
func FuzzStreams(f *testing.F) {
	server, client := closeguard.Server, closeguard.Client
	for _, s := range []struct {
		role            closeguard.Role
		theirs, library []byte
	}{
		{server, encode(client, rawpeer.Text("hello"), rawpeer.Close(1000, "bye")), encode(server, rawpeer.Text("hello"))},
		{client, encode(server, rawpeer.Close(1006, "")), encode(client, rawpeer.Ping("p"), rawpeer.Close(1006, ""))},
		{server, encode(client, broken...), encode(server, rawpeer.Close(1000, "\xff"), rawpeer.Pong(""))},
		{client, []byte("\x88\x7e\x00\x02\x03\xe8"), []byte("\x88\xfe\x00\x02abcd\x62\x8a")},
		{server, nil, encode(server, rawpeer.Close(1000, "one"), rawpeer.Close(1001, "two"))},
	} {
		for _, hurries := range []bool{false, true} {
			f.Add(s.role == client, hurries, s.theirs, s.library, []byte{1})
			f.Add(s.role == client, hurries, s.theirs, s.library, []byte{200, 3})
		}
	}
	f.Fuzz(func(t *testing.T, client, hurries bool, theirs, library, cuts []byte) {
		role := closeguard.Server
		if client {
			role = closeguard.Client
		}
		synctest.Test(t, func(t *testing.T) {
			checkStreams(t, role, hurries, theirs[:min(len(theirs), 2000)], library[:min(len(library), 2000)], cuts)
		})
	})
}

func checkStreams(t *testing.T, role closeguard.Role, hurries bool, theirs, library, cuts []byte) {
	var events closetest.Recorder
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&events}})
	if err != nil {
		t.Fatal(err)
	}
	below, peer := closetest.Pipe()
	wire := &tap{PipeConn: below, began: time.Now()}
	conn, err := guard.WrapConn(wire, role)
	if err != nil {
		t.Fatal(err)
	}
	go drain(peer)
	writes := func() {
		for _, piece := range cutUp(library, cuts) {
			conn.Write(piece)
		}
	}
	if hurries {
		writes()
	}
	read := make(chan []byte)
	go func() { read <- drain(conn) }()
	for _, piece := range cutUp(theirs, cuts) {
		peer.Write(piece)
		synctest.Wait()
	}
	if !hurries {
		writes()
	}
	wire.begin(1)
	peer.CloseWrite()
	synctest.Wait()
	conn.Close()
	peer.Close()
	<-conn.Done()
	got := <-read
	synctest.Wait()
	checkEvent(t, &events, wire.all(), role)
	if !bytes.HasPrefix(theirs, got) {
		t.Errorf("the library read %x, the peer wrote %x", got, theirs)
	}
	if hurries {
		checkPassed(t, wire.all(), library)
	}
}

// checkEvent: the event says what rawpeer finds.
func checkEvent(t *testing.T, events *closetest.Recorder, acts []act, role closeguard.Role) {
	wire := read(acts, role)
	closed := events.Closed()
	if len(closed) != 1 {
		t.Fatalf("events %v, want one", closed)
	}
	ev, e := closed[0], closed[0].End()
	if !wire.sent.is(e.Sent) || !wire.received.is(e.Received) || kind(ev) != wire.first && !wire.doubtful {
		t.Errorf("told as %s, sent %v, received %v; on the wire %s was first, %v was sent, %v received", kind(ev), e.Sent, e.Received, wire.first, wire.sent, wire.received)
	}
	for i, f := range wire.frames {
		if f.Opcode == rawpeer.OpClose && (i < len(wire.frames)-1 || len(wire.cut) > 0 || !wire.sent.legal) {
			t.Errorf("%v left, and %v and %x behind it", f, wire.frames[i+1:], wire.cut)
		}
	}
}

// checkPassed: up to the first Close, what the library writes leaves as it is.
func checkPassed(t *testing.T, acts []act, library []byte) {
	var out []byte
	for _, a := range acts {
		if a.what == writes {
			out = append(out, a.b...)
		}
	}
	at := 0
	for at < len(library) && library[at]&15 != rawpeer.OpClose {
		_, n := rawpeer.Parse(library[at:])
		if n == 0 {
			at = len(library)
			break
		}
		at += n
	}
	if n := min(at, len(out)); !bytes.Equal(out[:n], library[:n]) {
		t.Errorf("%x left, the library wrote %x", out, library)
	}
}

// drain reads until the end.
func drain(r interface{ Read([]byte) (int, error) }) (all []byte) {
	for buf := make([]byte, 512); ; {
		n, err := r.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			return all
		}
	}
}

// cutUp cuts b into pieces of the sizes in cuts, over and over.
func cutUp(b, cuts []byte) (pieces [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}
