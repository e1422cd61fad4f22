package coder_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
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
func visit(handler http.Handler, code websocket.StatusCode, reason string) {
	server := httptest.NewServer(handler)
	defer server.Close()
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println("client:", err)
		return
	}
	defer conn.CloseNow()
	if code != 0 {
		fmt.Println("client:", conn.Close(code, reason))
		return
	}
	_, _, err = conn.Read(ctx)
	fmt.Println("client:", err)
}

// What the function returns is how the connection is closed.
func ExampleHandler() {
	guard := printed()
	handler := coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
		if r.URL.Query().Get("token") == "" {
			return closeguard.Error(closeguard.CodeUnauthorized, "token missing", nil)
		}
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil {
				return err
			}
			if err := c.Write(r.Context(), kind, message); err != nil {
				return err
			}
		}
	})

	visit(handler, 0, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// client: failed to get reader: received close frame: status = StatusCode(3000) and reason = "token missing"
	// server: websocket closed here: 3000 unauthorized "token missing"
}

// Code that accepts by itself, below Guard.Middleware, gets the same events.
func ExampleWrap() {
	guard := printed()
	returned := make(chan struct{})
	handler := guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		c, err := coder.Wrap(guard, r, ws)
		if err != nil {
			return
		}
		_, _, err = c.Read(r.Context())
		fmt.Println("guarded:", c.Guarded())
		fmt.Println("read:", err)
	}))

	visit(handler, websocket.StatusGoingAway, "tab closed")
	<-returned
	guard.Shutdown(context.Background())
	// Unordered output:
	// guarded: true
	// read: websocket closed by peer: 1001 going away "tab closed": failed to get reader: received close frame: status = StatusGoingAway and reason = "tab closed"
	// client: <nil>
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// A switch over the code takes the place of CloseStatus, and knows the ends that
// are no close error of the library's too.
func Example_codeOf() {
	guard := printed()
	handler := coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
		_, _, err := c.Read(r.Context())
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

	visit(handler, websocket.StatusNormalClosure, "")
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: done
	// client: <nil>
	// server: websocket closed by peer: 1000 normal closure
}

// CloseWith does the whole closing handshake, from any goroutine.
func ExampleConn_CloseWith() {
	guard := printed()
	handler := coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
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
	// client: failed to get reader: received close frame: status = StatusServiceRestart and reason = "new version"
	// server: websocket closed here: 1012 service restart "new version"
}

// Clients are guarded as well.
func ExampleDial() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ws.Close(4008, "no such room")
	}))
	defer server.Close()

	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	c, _, err := coder.Dial(ctx, guard, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, _, err = c.Read(ctx)
	fmt.Println("code:", closeguard.CodeOf(err))
	// Output:
	// code: 4008 private use
}

// A program that only writes lets CloseRead read: it answers pings and the client's
// Close, and its context ends with the connection.
func ExampleConn_CloseRead() {
	guard := printed()
	prices := make(chan string)
	handler := coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
		ctx := c.CloseRead(r.Context())
		for {
			select {
			case <-ctx.Done():
				fmt.Println("handler:", closeguard.CodeOf(context.Cause(ctx)))
				return context.Cause(ctx)
			case price := <-prices:
				if err := c.Write(ctx, websocket.MessageText, []byte(price)); err != nil {
					return err
				}
			}
		}
	})

	visit(handler, websocket.StatusGoingAway, "tab closed")
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: 1001 going away
	// client: <nil>
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// FromRequest finds the guard in the request: no constructor needs one.
func ExampleFromRequest() {
	returned := make(chan struct{})
	handle := func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		c, err := coder.FromRequest(r, ws)
		if err != nil {
			fmt.Println(err) // no guard guards it
			return
		}
		_, _, err = c.Read(r.Context())
		fmt.Println("handler:", closeguard.CodeOf(err))
	}

	guard := printed()
	visit(guard.Middleware(http.HandlerFunc(handle)), websocket.StatusGoingAway, "tab closed")
	<-returned
	guard.Shutdown(context.Background())
	// Unordered output:
	// handler: 1001 going away
	// client: <nil>
	// server: websocket closed by peer: 1001 going away "tab closed"
}

// A token that expires while the connection is open ends it, with a code that tells the
// client to get another one: 4401 is of the program's own making. The context's cause
// chooses it.
func Example_expiringToken() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
		expires := time.Now().Add(100 * time.Millisecond) // as the token says
		ctx, cancel := context.WithDeadlineCause(r.Context(), expires, closeguard.Error(4401, "token expired", nil))
		defer cancel()
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
		}
	})

	visit(handler, 0, "")
	guard.Shutdown(context.Background())
	// Output:
	// client: failed to get reader: received close frame: status = StatusCode(4401) and reason = "token expired"
}
