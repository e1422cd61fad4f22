package closetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/closeguard/ws/closeguard/closetest"
)

// A half-close is not a close: the other direction goes on.
func ExamplePipe() {
	client, server := closetest.Pipe()
	fmt.Fprint(client, "question")
	client.CloseWrite()

	question, err := io.ReadAll(server)
	fmt.Println(string(question), err)
	fmt.Fprint(server, "answer")
	server.Close()

	answer, err := io.ReadAll(client)
	fmt.Println(string(answer), err)
	// Output:
	// question <nil>
	// answer <nil>
}

// Closing with unread data resets the connection, as on TCP.
func ExamplePipeConn_Close() {
	client, server := closetest.Pipe()
	fmt.Fprint(client, "a long upload")
	fmt.Fprint(server, "refused")
	server.Close()

	answer, err := io.ReadAll(client)
	fmt.Println(string(answer), errors.Is(err, syscall.ECONNRESET))
	// Output: refused true
}

func ExampleListen() {
	listener := closetest.Listen()
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	})}
	go server.Serve(listener)
	defer server.Close()

	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.Dial(ctx) },
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://example.com/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output: hello <nil>
}
