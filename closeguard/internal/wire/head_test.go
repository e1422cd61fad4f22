package wire

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// headRecord is what a Head has found, and how many bytes it took if the count
// means anything.
type headRecord struct {
	status      int
	subprotocol string
	claimed     byte
	done, bad   bool
	n           int
}

func feed(h *Head, pieces ...[]byte) headRecord {
	n := 0
	for _, p := range pieces {
		n += h.Feed(p)
	}
	if h.Bad() {
		n = 0
	}
	return headRecord{h.Status, h.Subprotocol, h.Claimed, h.Done(), h.Bad(), n}
}

// padded is a whole head of n bytes.
func padded(n int) string {
	const start, end = "HTTP/1.1 101 Switching Protocols\r\nX: ", "\r\n\r\n"
	return start + stars(n-len(start)-len(end)) + end
}

// Each head is fed in one piece and in pieces of every size.
func TestHead(t *testing.T) {
	const (
		ok  = "HTTP/1.1 101 Switching Protocols\r\n"
		end = "\r\n"
	)
	tests := []struct {
		name   string
		head   string
		behind string // what follows it
		want   headRecord
	}{
		{"101", ok + "Upgrade: websocket\r\nConnection: Upgrade\r\n" + end, "", headRecord{status: 101, done: true}},
		{"frames behind it", ok + end, "\x81\x02hi\r\n\r\n", headRecord{status: 101, done: true}},
		{"a line break behind it", ok + end, "\r\n", headRecord{status: 101, done: true}},
		{"HTTP/1.0", "HTTP/1.0 101 OK\r\n" + end, "", headRecord{status: 101, done: true}},
		{"no reason phrase", "HTTP/1.1 101\r\n" + end, "", headRecord{status: 101, done: true}},
		{"empty reason phrase", "HTTP/1.1 101 \r\n" + end, "", headRecord{status: 101, done: true}},
		{"lines without CR", "HTTP/1.1 101 Switching Protocols\nSec-WebSocket-Protocol: chat\n\n", "\n", headRecord{status: 101, subprotocol: "chat", done: true}},
		{"refused, body behind it", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n" + end, "no", headRecord{status: 403, done: true}},
		{"a proxy's answer", "HTTP/1.1 200 Connection established\r\n" + end, ok, headRecord{status: 200, done: true}},

		{"subprotocol", ok + "Sec-WebSocket-Protocol: chat.v2\r\n" + end, "", headRecord{status: 101, subprotocol: "chat.v2", done: true}},
		{"subprotocol in lower case", ok + "sec-websocket-protocol: chat\r\n" + end, "", headRecord{status: 101, subprotocol: "chat", done: true}},
		{"subprotocol in upper case", ok + "SEC-WEBSOCKET-PROTOCOL: CHAT\r\n" + end, "", headRecord{status: 101, subprotocol: "CHAT", done: true}},
		{"subprotocol without a space", ok + "Sec-WebSocket-Protocol:chat\r\n" + end, "", headRecord{status: 101, subprotocol: "chat", done: true}},
		{"subprotocol between spaces", ok + "Sec-WebSocket-Protocol: \t chat \t\r\n" + end, "", headRecord{status: 101, subprotocol: "chat", done: true}},
		{"of two subprotocols the first", ok + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: other\r\n" + end, "", headRecord{status: 101, subprotocol: "chat", done: true}},
		{"a longer name is another header", ok + "X-Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocols: b\r\n" + end, "", headRecord{status: 101, done: true}},

		{"extensions", ok + "Sec-WebSocket-Extensions: permessage-deflate\r\n" + end, "", headRecord{status: 101, claimed: 4, done: true}},
		{"extensions in any case", ok + "sEC-wEBSOCKET-eXTENSIONS:permessage-deflate\r\n" + end, "", headRecord{status: 101, claimed: 4, done: true}},
		{"no extension is named", ok + "Sec-WebSocket-Extensions: \r\n" + end, "", headRecord{status: 101, done: true}},
		{"one of two names an extension", ok + "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions:\r\n" + end, "", headRecord{status: 101, claimed: 7, done: true}},
		{"all at once", ok + "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Protocol: chat\r\n" + end, "\x88\x00", headRecord{status: 101, subprotocol: "chat", claimed: 7, done: true}},

		{"nothing yet", "", "", headRecord{}},
		{"part of a status line", "HTTP/1.1 101", "", headRecord{}},
		{"no blank line yet", ok + "Upgrade: websocket\r\n", "", headRecord{status: 101}},
		{"CR, but no LF", ok + "\r", "", headRecord{status: 101}},
		{"a line of CR only is not blank", ok + "\r\r\n", "", headRecord{status: 101}},

		{"not HTTP", "SSH-2.0-OpenSSH\r\n", "", headRecord{bad: true}},
		{"a request", "GET / HTTP/1.1\r\n" + end, "", headRecord{bad: true}},
		{"a blank line first", end + ok + end, "", headRecord{bad: true}},
		{"HTTP/2", "HTTP/2 101 OK\r\n" + end, "", headRecord{bad: true}},
		{"no status code", "HTTP/1.1\r\n" + end, "", headRecord{bad: true}},
		{"status code of two digits", "HTTP/1.1 10\r\n" + end, "", headRecord{bad: true}},
		{"status code of four digits", "HTTP/1.1 1010 OK\r\n" + end, "", headRecord{bad: true}},
		{"status code not a number", "HTTP/1.1 1o1 OK\r\n" + end, "", headRecord{bad: true}},
		{"status code 000", "HTTP/1.1 000 OK\r\n" + end, "", headRecord{bad: true}},
		{"frames without a head", "\x88\x02\x03\xe9\r\n\r\n", "", headRecord{bad: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.want.bad {
				tt.want.n = len(tt.head)
			}
			stream := []byte(tt.head + tt.behind)
			for size := range len(stream) {
				var h Head
				if got := feed(&h, cut(stream, byte(size+1))...); got != tt.want {
					t.Fatalf("in pieces of %d:\n got %+v\nwant %+v", size+1, got, tt.want)
				}
			}
			if !tt.want.done {
				return
			}
			// net/http reads the same out of it.
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(tt.head)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			claimed := Claims(strings.Join(resp.Header.Values("Sec-WebSocket-Extensions"), ","))
			if resp.StatusCode != tt.want.status || resp.Header.Get("Sec-WebSocket-Protocol") != tt.want.subprotocol || claimed != tt.want.claimed {
				t.Errorf("net/http reads %d and %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

// The limit is where it is, however the bytes are cut: also where the line
// that is too long is whole in one piece.
func TestHeadOfOver64KiB(t *testing.T) {
	const (
		limit  = 64 << 10
		status = "HTTP/1.1 101 "
		chat   = "Sec-WebSocket-Protocol: "
	)
	short := strings.Repeat("X: y\r\n", limit/6)
	tests := []struct {
		name string
		head string
		want headRecord
	}{
		{"as long as may be", padded(limit), headRecord{status: 101, done: true, n: limit}},
		{"one byte too long", padded(limit + 1), headRecord{status: 101, bad: true}},
		{"a long status line", status + stars(limit) + "\r\n\r\n", headRecord{bad: true}},
		{"a long subprotocol", status + "\r\n" + chat + stars(limit) + "\r\n\r\n", headRecord{status: 101, bad: true}},
		{"many short lines", status + "\r\n" + short + chat + "chat\r\n\r\n", headRecord{status: 101, bad: true}},
		{"found before it is too long", status + "\r\n" + chat + "chat\r\n" + short + "\r\n", headRecord{status: 101, subprotocol: "chat", bad: true}},
		{"no line at all", stars(2 * limit), headRecord{bad: true}},
		{"frames behind don't count", padded(limit) + stars(limit), headRecord{status: 101, done: true, n: limit}},
	}
	for _, tt := range tests {
		for _, size := range []byte{0, 1, 3, 255} {
			t.Run(fmt.Sprintf("%s, pieces of %d", tt.name, size), func(t *testing.T) {
				var h Head
				if got := feed(&h, cut([]byte(tt.head), size)...); got != tt.want {
					t.Errorf("\n got %+v\nwant %+v", got, tt.want)
				}
			})
		}
	}
}

func TestHeadTakesNothingAfterItsEnd(t *testing.T) {
	for _, head := range []string{"HTTP/1.1 101 \r\n\r\n", "not HTTP\r\n"} {
		var h Head
		h.Feed([]byte(head))
		before := feed(&h)
		if n := h.Feed([]byte("Sec-WebSocket-Protocol: chat\r\n")); n != 0 {
			t.Errorf("%q: took %d more bytes", head, n)
		}
		if got := feed(&h); got != before {
			t.Errorf("%q: was %+v, became %+v", head, before, got)
		}
	}
}

func TestHeadKeepsNothingOfTheBuffer(t *testing.T) {
	var h Head
	for _, p := range cut([]byte("HTTP/1.1 101 \r\nSec-WebSocket-Protocol: chat\r\n\r\n"), 5) {
		piece := slices.Clone(p)
		h.Feed(piece)
		clear(piece)
	}
	if h.Subprotocol != "chat" || !h.Done() {
		t.Errorf("found %q when the buffer was used again", h.Subprotocol)
	}
}

func TestHeadAllocates(t *testing.T) {
	tests := []struct {
		name string
		head string
		want float64
	}{
		{"a plain head", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0},
		{"the subprotocol", "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 1},
	}
	for _, tt := range tests {
		p := []byte(tt.head)
		var h Head
		got := testing.AllocsPerRun(100, func() {
			h = Head{}
			h.Feed(p)
		})
		if got != tt.want || !h.Done() {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.want)
		}
	}
}
