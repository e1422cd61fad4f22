package closeguard_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

// authenticated is a program's own middleware. What it knows goes into the
// connection's log line, whichever library opens it further below.
func authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user") // a session, a token
		if user == "" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		closeguard.FromContext(r.Context()).SetAttrs(slog.String("user", user)) // nothing, if it isn't a WebSocket
		next.ServeHTTP(w, r)
	})
}

func ExampleHandle_SetAttrs() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == "user" || a.Key == "code" || a.Key == slog.MessageKey {
				return a
			}
			return slog.Attr{} // there are more, see docs/events.md
		},
	}))
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{closeguard.LogObserver(logger)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(guard.Middleware(authenticated(http.HandlerFunc(echo))))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http") + "?user=ann"
	visitUntilClosed(url, func() { go guard.Shutdown(context.Background()) })
	guard.Shutdown(context.Background()) // waits for the observer
	// Output:
	// msg="websocket closed" websocket.code=1001 user=ann
}
