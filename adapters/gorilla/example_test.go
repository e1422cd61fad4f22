package gorilla_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// printed is a guard that prints how each connection ended.
func printed() *closeguard.Guard {
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{
		closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if ev, ok := ev.(closeguard.CloseEvent); ok {
				fmt.Println("server:", ev)
			}
		}),
	}})
	if err != nil {
		panic(err)
	}
	return guard
}

// visit connects a client of the library's own and closes as it is told; the
// client says what it saw.
func visit(handler http.Handler, code int, reason string) {
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println("client:", err)
		return
	}
	defer conn.Close()
	if code != 0 {
		conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Time{})
	}
	_, _, err = conn.ReadMessage()
	fmt.Println("client:", err)
}

// What the function returns is how the connection is closed.
func ExampleHandler() {
	guard := printed()
	var upgrader websocket.Upgrader
	handler := gorilla.Handler(guard, &upgrader, func(r *http.Request, c *gorilla.Conn) error {
		if r.URL.Query().Get("token") == "" {
			return closeguard.Error(closeguard.CodeUnauthorized, "token missing", nil)
		}
		for {
			kind, message, err := c.ReadMessage()
			if err != nil {
				return err
			}
			if err := c.WriteMessage(kind, message); err != nil {
				return err
			}
		}
	})

	visit(handler, 0, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// client: websocket: close 3000: token missing
	// server: websocket closed here: 3000 unauthorized "token missing"
}

// Code that upgrades by itself, below Guard.Middleware, gets the same events.
func ExampleWrap() {
	guard := printed()
	returned := make(chan struct{})
	var upgrader websocket.Upgrader
	handler := guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		c, err := gorilla.Wrap(guard, ws)
		if err != nil {
			return
		}
		_, _, err = c.ReadMessage()
		fmt.Println("guarded:", c.Guarded())
		fmt.Println("read:", err)
	}))

	visit(handler, websocket.CloseGoingAway, "tab closed")
	<-returned
	guard.Shutdown(context.Background())
	// Unordered output:
	// guarded: true
	// read: websocket closed by peer: 1001 going away "tab closed": websocket: close 1001 (going away): tab closed
	// client: websocket: close 1001 (going away)
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// A switch over the code takes the place of IsUnexpectedCloseError, and knows
// the ends that are no close error of the library's too.
func Example_codeOf() {
	guard := printed()
	var upgrader websocket.Upgrader
	handler := gorilla.Handler(guard, &upgrader, func(_ *http.Request, c *gorilla.Conn) error {
		_, _, err := c.ReadMessage()
		switch closeguard.CodeOf(err) {
		case closeguard.NormalClosure, closeguard.GoingAway:
			fmt.Println("handler: done")
		case closeguard.AbnormalClosure:
			fmt.Println("handler: lost, keeping the session for a while")
		default:
			fmt.Println("handler: trouble:", err)
		}
		return err
	})

	visit(handler, websocket.CloseNormalClosure, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: done
	// client: websocket: close 1000 (normal)
	// server: websocket closed by peer: 1000 normal closure
}

// CloseWith does the whole closing handshake, from any goroutine.
func ExampleConn_CloseWith() {
	guard := printed()
	var upgrader websocket.Upgrader
	handler := gorilla.Handler(guard, &upgrader, func(r *http.Request, c *gorilla.Conn) error {
		err := c.CloseWith(r.Context(), 70000, "")
		fmt.Println("CloseWith:", err)

		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		return c.CloseWith(ctx, closeguard.ServiceRestart, "new version")
	})

	visit(handler, 0, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// CloseWith: closeguard: close code 70000 is outside 1000 to 4999 (RFC 6455 section 7.4.2)
	// client: websocket: close 1012: new version
	// server: websocket closed here: 1012 service restart "new version"
}

// Clients are guarded as well.
func ExampleDial() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader websocket.Upgrader
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4008, "no such room"), time.Time{})
	}))
	defer server.Close()

	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _, err := gorilla.Dial(context.Background(), guard, nil, "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, _, err = c.ReadMessage()
	fmt.Println("code:", closeguard.CodeOf(err))
	// Output:
	// code: 4008 private use
}

// A program that only writes lets CloseRead read: it answers pings and the client's
// Close, and its context ends with the connection.
func ExampleConn_CloseRead() {
	guard := printed()
	prices := make(chan string)
	var upgrader websocket.Upgrader
	handler := gorilla.Handler(guard, &upgrader, func(r *http.Request, c *gorilla.Conn) error {
		ctx := c.CloseRead(r.Context())
		for {
			select {
			case <-ctx.Done():
				fmt.Println("handler:", closeguard.CodeOf(context.Cause(ctx)))
				return context.Cause(ctx)
			case price := <-prices:
				if err := c.WriteMessage(websocket.TextMessage, []byte(price)); err != nil {
					return err
				}
			}
		}
	})

	visit(handler, websocket.CloseGoingAway, "tab closed")
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: 1001 going away
	// client: websocket: close 1001 (going away)
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// FromRequest finds the guard in the request: no constructor needs one.
func ExampleFromRequest() {
	returned := make(chan struct{})
	handle := func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		var upgrader websocket.Upgrader
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		c, err := gorilla.FromRequest(r, ws)
		if err != nil {
			fmt.Println(err) // no guard guards it
			return
		}
		_, _, err = c.ReadMessage()
		fmt.Println("handler:", closeguard.CodeOf(err))
	}

	guard := printed()
	visit(guard.Middleware(http.HandlerFunc(handle)), websocket.CloseGoingAway, "tab closed")
	<-returned
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: 1001 going away
	// client: websocket: close 1001 (going away)
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// A token that expires while the connection is open ends it, with a code that tells the
// client to get another one: 4401 is of the program's own making.
func Example_expiringToken() {
	guard := printed()
	var upgrader websocket.Upgrader
	handler := gorilla.Handler(guard, &upgrader, func(_ *http.Request, c *gorilla.Conn) error {
		expires := time.Now().Add(100 * time.Millisecond) // as the token says
		expired := time.AfterFunc(time.Until(expires), func() {
			c.CloseWith(c.Context(), 4401, "token expired")
		})
		defer expired.Stop()
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return err
			}
		}
	})

	visit(handler, 0, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// client: websocket: close 4401: token expired
	// server: websocket closed here: 4401 private use "token expired"
}
