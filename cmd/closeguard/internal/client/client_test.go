package client

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What a server writes, and what is seen of it.
func TestSeen(t *testing.T) {
	tests := map[string]struct{ frames, want string }{
		"nothing":                   {"", "no Close, FIN"},
		"a Close":                   {"\x88\x05\x03\xe9bye", `Close 1001 going away "bye", FIN`},
		"an empty Close":            {"\x88\x00", "Close 1005 no status received, FIN"},
		"half a code":               {"\x88\x01\x03", "Close 1005 no status received (illegal), FIN"},
		"a Close that was cut":      {"\x88\x05\x03\xe9b", "no Close, FIN inside a frame"},
		"a header that was cut":     {"\x81\x7e\x01", "no Close, FIN inside a frame"},
		"two Closes":                {"\x88\x00\x88\x00", "Close 1005 no status received, 1 more behind it, FIN"},
		"a masked frame":            {"\x81\x81aaaa\x00", "no Close, a masked frame, reading given up"},
		"reserved bits":             {"\xc1\x00", "no Close, reserved bits without an extension, reading given up"},
		"a reserved opcode":         {"\x83\x00", "no Close, a reserved opcode, reading given up"},
		"a fragmented Close":        {"\x08\x00", "no Close, a control frame in fragments, reading given up"},
		"a long Close":              {"\x88\x7e\x00\x7e", "no Close, a control frame of more than 125 bytes, reading given up"},
		"a length with its top bit": {"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "no Close, a length with its top bit set, reading given up"},
		"a fragment of nothing":     {"\x80\x00", "no Close, a fragment out of order, reading given up"},
		"a terabyte, cut":           {"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00x", "no Close, FIN inside a frame"},
		"a hostile reason":          {"\x88\x07\x03\xe8\x1b[31m", `Close 1000 normal closure "\x1b[31m", FIN`},
		"a message, then a Close":   {"\x01\x01a\x89\x00\x80\x01b\x88\x02\x03\xe8", "Close 1000 normal closure, FIN"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := answered(t, Polite, func(accept string) []byte { return []byte(switching(accept) + tt.frames) })
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Seen().String(); got != tt.want {
				t.Errorf("saw %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Answers that are no opening of a WebSocket.
func TestRefusedOpenings(t *testing.T) {
	tests := map[string]struct{ answer, want string }{
		"forbidden":          {"HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403 Forbidden, not 101"},
		"not HTTP":           {"SSH-2.0-x\r\n\r\n", "malformed HTTP"},
		"nothing":            {"", "EOF"},
		"another key":        {switching("x"), "Sec-WebSocket-Accept"},
		"an extension":       {"HTTP/1.1 101 S\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension"},
		"a subprotocol":      {"HTTP/1.1 101 S\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", "subprotocol"},
		"a head without end": {"HTTP/1.1 101 S\r\nX: " + strings.Repeat("x", 2*headSize), "EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := answered(t, Polite, func(accept string) []byte { return []byte(strings.ReplaceAll(tt.answer, "KEY", accept)) })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// Whatever a server sends, answering it costs no more than the budget, and neither does a probe.
func TestBudgets(t *testing.T) {
	c, err := answered(t, Polite, func(accept string) []byte {
		return []byte(switching(accept) + strings.Repeat("\x89\x0aabcdefghij", 1000))
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.budget.Answers < 0 || c.budget.Answers > 20 {
		t.Errorf("%d bytes for answers are left", c.budget.Answers)
	}
	if c.budget.Probe != 1<<10 {
		t.Errorf("answers took from the probe's budget: %d are left", c.budget.Probe)
	}
	over := new(BudgetError)
	if err := c.Write(make([]byte, 1<<10+1)); !errors.As(err, &over) {
		t.Errorf("error %v, want a *BudgetError", err)
	}
}

func TestLocate(t *testing.T) {
	tests := map[string]bool{
		"ws://127.0.0.1:1/": true, "ws://[::1]/": true, "ws://127.200.0.1/": true, "wss://localhost/": true,
		"ws://192.0.2.1/": false, "ws://[2001:db8::1]:80/": false, "ws://0.0.0.0/": false, "ws://10.0.0.1/": false, "ws://[::ffff:192.0.2.1]/": false,
	}
	for raw, near := range tests {
		t.Run(raw, func(t *testing.T) {
			u, err := url.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			err = (&Endpoint{URL: u}).Locate(t.Context(), false)
			foreign := new(ForeignHostError)
			if errors.As(err, &foreign) == near {
				t.Errorf("error %v", err)
			}
			if err := (&Endpoint{URL: u}).Locate(t.Context(), true); err != nil {
				t.Errorf("any host may be examined: %v", err)
			}
		})
	}
}

// A client keeps little of what a server sends, and reads no more than it said.
func TestMuchComes(t *testing.T) {
	tests := map[string]struct {
		frames []byte
		end    End
	}{
		"pongs":               {[]byte(strings.Repeat("\x8a\x01x", 1000)), FIN},
		"one endless message": {append([]byte("\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00"), make([]byte, mostRead+1<<20)...), Halted},
		"endless messages":    {bytes.Repeat(append([]byte("\x82\x7e\xff\xff"), make([]byte, 0xffff)...), mostRead>>16+20), Halted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := answered(t, Polite, func(accept string) []byte { return append([]byte(switching(accept)), tt.frames...) })
			if err != nil {
				t.Fatal(err)
			}
			if s := c.Seen(); s.End != tt.end || len(s.Pongs) > mostPongs || s.Bytes > mostRead+1<<16 {
				t.Errorf("%d bytes, %d pongs kept, %v", s.Bytes, len(s.Pongs), s.End)
			}
		})
	}
}

// A head without an end is given up.
func TestEndlessHead(t *testing.T) {
	ours, theirs := net.Pipe()
	written := make(chan int)
	go func() {
		defer theirs.Close()
		http.ReadRequest(bufio.NewReader(theirs))
		n, _ := theirs.Write([]byte("HTTP/1.1 101 S\r\nX: " + strings.Repeat("x", 1<<20)))
		written <- n
	}()
	e := &Endpoint{URL: &url.URL{Scheme: "ws", Host: "127.0.0.1"}}
	if _, err := e.begin(t.Context(), ours, Budget{}); err == nil {
		t.Error("no error")
	}
	if n := <-written; n > 2*headSize {
		t.Errorf("the client read %d bytes", n)
	}
}
