package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// On SIGTERM every client is told to come back, and the program waits until they have
// answered. A signal is a channel here.
func ExampleShutdownServer() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: guard.Middleware(http.HandlerFunc(echo))}
	sigterm := make(chan struct{})
	go visitUntilClosed("ws://"+listener.Addr().String(), func() { close(sigterm) })

	// The rest is what a main function has.
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Println(err)
		}
	}()
	<-sigterm
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	report, err := closeguard.ShutdownServer(ctx, guard, server)
	fmt.Println(report.Answered, "of", report.Total(), "answered", err)
	// Output:
	// 1 of 1 answered <nil>
}

// echo is a handler of plain gorilla/websocket.
func echo(w http.ResponseWriter, r *http.Request) {
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// visitUntilClosed is a client that says hello, tells when it is connected, and reads on
// until it is told goodbye.
func visitUntilClosed(url string, connected func()) error {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		return err
	}
	_, _, err = conn.ReadMessage()
	connected()
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	return err
}
