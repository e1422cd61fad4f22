package proxies

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// A client is a peer of three kinds, that sends a message or a Close and says
// what it read at the end: `1000 "bye"`.
type client interface {
	say(message string) error
	close(code int, reason string) error
	end() (string, error)
}

var clients = map[string]func(t *testing.T, url string) (client, error){
	"raw": func(t *testing.T, url string) (client, error) {
		return &rawClient{Peer: rawpeer.Dial(t, url)}, nil
	},
	"gorilla": func(t *testing.T, url string) (client, error) {
		c, _, err := gorilla.DefaultDialer.Dial(url, nil)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return gorillaClient{c}, err
	},
	"coder": func(t *testing.T, url string) (client, error) {
		c, _, err := coder.Dial(t.Context(), url, nil)
		if err == nil {
			t.Cleanup(func() { c.CloseNow() })
		}
		return &coderClient{conn: c}, err
	},
}

// A rawClient may say things while another goroutine waits for the end.
type rawClient struct {
	*rawpeer.Peer

	mu     sync.Mutex
	closed bool
}

func (c *rawClient) say(message string) error { return c.send(rawpeer.Text(message)) }

func (c *rawClient) close(code int, reason string) error { return c.send(closing(code, reason)) }

// send sends nothing behind a Close.
func (c *rawClient) send(f rawpeer.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = f.Opcode == rawpeer.OpClose
	return c.Write(f)
}

func (c *rawClient) end() (string, error) {
	f, ok := c.ReadFrame()
	if ok && f.Opcode == rawpeer.OpClose {
		c.send(rawpeer.ClosePayload(f.Payload)) // if it has not begun itself
		c.ReadUntilEnd()
	}
	if len(c.Frames) != 1 || f.Opcode != rawpeer.OpClose || len(c.Rest) > 0 || c.End != rawpeer.FIN {
		return "", fmt.Errorf("read %v, % x and %s, want one Close and FIN", c.Frames, c.Rest, c.End)
	}
	return record.CodeText(f.CloseCode(), f.CloseReason()), nil
}

func closing(code int, reason string) rawpeer.Frame {
	if code == 1005 {
		return rawpeer.ClosePayload(nil)
	}
	return rawpeer.Close(code, reason)
}

// refusal is what gorilla says of a code that it doesn't know yet: at a client
// nobody can help that.
const refusal = "bad close code 1014"

type gorillaClient struct{ conn *gorilla.Conn }

func (c gorillaClient) say(message string) error {
	return c.conn.WriteMessage(gorilla.TextMessage, []byte(message))
}

func (c gorillaClient) close(code int, reason string) error {
	return c.conn.WriteControl(gorilla.CloseMessage, closing(code, reason).Payload, time.Now().Add(10*time.Second))
}

func (c gorillaClient) end() (string, error) {
	_, _, err := c.conn.ReadMessage()
	if closed := (*gorilla.CloseError)(nil); errors.As(err, &closed) {
		return record.CodeText(closed.Code, closed.Text), nil
	}
	if err != nil && err.Error() == "websocket: "+refusal {
		return refusal, nil
	}
	return "", fmt.Errorf("read %v, want a Close", err)
}

// A coderClient's own Close waits for the answer and tells only whether its
// code came back.
type coderClient struct {
	conn   *coder.Conn
	closed string
}

func (c *coderClient) say(message string) error {
	return c.conn.Write(context.Background(), coder.MessageText, []byte(message))
}

func (c *coderClient) close(code int, reason string) error {
	c.closed = record.CodeText(code, "")
	return c.conn.Close(coder.StatusCode(code), reason)
}

func (c *coderClient) end() (string, error) {
	if c.closed != "" {
		return c.closed, nil
	}
	_, _, err := c.conn.Read(context.Background())
	if closed := (coder.CloseError{}); errors.As(err, &closed) {
		return record.CodeText(int(closed.Code), closed.Reason), nil
	}
	return "", fmt.Errorf("read %v, want a Close", err)
}

// connect connects a client of a kind through the proxy, to a path of its own.
func (s *site) connect(t *testing.T, r *running, kind, endpoint string) (client, string) {
	t.Helper()
	path := s.path(endpoint)
	c, err := clients[kind](t, "ws://"+r.Front+path)
	if err != nil {
		t.Fatal(err)
	}
	return c, path
}
