package closeguard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

// One user is thrown out, on whatever connections he has. 4403 is a code of the
// program's own.
func ExampleGuard_CloseKey() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closeguard.FromContext(r.Context()).SetKeys("user:" + r.FormValue("user"))
		echo(w, r)
	})))
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http")
	connected, told := make(chan struct{}), make(chan error)
	for range 2 {
		go func() { told <- visitUntilClosed(url+"?user=42", func() { connected <- struct{}{} }) }()
		<-connected
	}

	ctx := context.Background()
	report, err := guard.CloseKey(ctx, "user:42", closeguard.CloseFrame{Code: 4403, Reason: "banned"})
	fmt.Println(report.Answered, "of", report.Total(), "answered", err)
	fmt.Println("client:", <-told)
	fmt.Println("client:", <-told)
	// Output:
	// 2 of 2 answered <nil>
	// client: websocket: close 4403: banned
	// client: websocket: close 4403: banned
}
