package model

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// answers to a client's opening handshake, and whether frames follow.
var answers = map[string]bool{
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n": true,
	"HTTP/1.1 101\n\n":                             true,
	"HTTP/1.1 101 Switching Protocols\r\n":         false, // half a head
	"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n": false,
	"HTTP/1.1 403 Forbidden\r\n\r\n":               false,
	"HTTP/1.1 1010 x\r\n\r\n":                      false,
	"SSH-2.0-OpenSSH_9.2\r\n\r\n":                  false,
	"":                                             false,
}

// Whatever a server answers, in whatever pieces: behind a 101 there is one
// event, and without one nothing is done and nothing is told (rule 0).
func TestArming(t *testing.T) {
	heads := slices.Sorted(maps.Keys(answers)) // a seed plays the same again
	rapid.Check(t, func(rt *rapid.T) {
		head := rapid.SampledFrom(heads).Draw(rt, "head")
		behind := encode(closeguard.Server, rapid.SampledFrom([]rawpeer.Frame{rawpeer.Text("hello"), rawpeer.Close(1000, "bye"), broken[0]}).Draw(rt, "behind"))
		cuts := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(rt, "cuts")
		end := rapid.SampledFrom([]string{"closes", "aborts", "the peer closes"}).Draw(rt, "end")
		rapid.SyncTest(rt, func(rt *rapid.T) { answered(rt, head, behind, cuts, end) })
	})
}

func answered(rt *rapid.T, head string, behind, cuts []byte, end string) {
	var events closetest.Recorder
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&events}})
	if err != nil {
		rt.Fatal(err)
	}
	below, peer := closetest.Pipe()
	wire := &tap{PipeConn: below, began: time.Now()}
	nc, err := guard.Driver().WrapHandshake(wire)
	if err != nil {
		rt.Fatal(err)
	}
	conn := nc.(*closeguard.Conn)
	request := []byte("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
	conn.Write(request)
	read := make(chan []byte)
	go func() { read <- drain(conn) }()
	answer := append([]byte(head), behind...)
	if head == "HTTP/1.1 101 Switching Protocols\r\n" {
		answer = []byte(head)
	}
	for _, piece := range cutUp(answer, cuts) {
		peer.Write(piece)
		synctest.Wait()
	}
	switch end {
	case "closes":
		conn.Close()
	case "aborts":
		conn.Abort()
	}
	synctest.Wait()
	time.Sleep(time.Minute)
	peer.Close()
	got := <-read
	conn.Close()
	synctest.Wait()
	told := events.Events()
	if want := map[bool]int{true: 2, false: 0}[answers[head]]; len(told) != want {
		rt.Errorf("answer %q, then % x, the library %s: events %v, want %d", head, behind, end, told, want)
	}
	if !bytes.HasPrefix(answer, got) {
		rt.Errorf("the library read %q, the server wrote %q", got, answer)
	}
	var out []byte
	for _, a := range wire.all() {
		if a.what == writes {
			out = append(out, a.b...)
		}
	}
	if !answers[head] && !bytes.Equal(out, request) {
		rt.Errorf("answer %q: %q was written, want the request alone", head, out)
	}
}
