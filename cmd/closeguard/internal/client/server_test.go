package client

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// answered is a connection whose server answers the request with what answer returns, and closes.
func answered(t *testing.T, courtesy Courtesy, answer func(accept string) []byte) (*Conn, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		go in.WriteTo(drop{}) // so that no write of the client's waits
		theirs.Write(answer(acceptKey(request.Header.Get("Sec-WebSocket-Key"))))
	}()
	t.Cleanup(func() {
		ours.Close()
		<-served
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	e := &Endpoint{URL: &url.URL{Scheme: "ws", Host: "127.0.0.1"}}
	c, err := e.begin(ctx, ours, Budget{Probe: 1 << 10, Answers: 1 << 10})
	if err != nil {
		return nil, err
	}
	c.Listen(courtesy)
	c.AwaitEnd(ctx)
	if ctx.Err() != nil {
		t.Error("it did not end when the server had")
	}
	return c, nil
}

type drop struct{}

func (drop) Write(p []byte) (int, error) { return len(p), nil }

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func switching(accept string) string {
	return fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept)
}
