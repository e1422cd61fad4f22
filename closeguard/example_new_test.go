package closeguard_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A program has one guard, with the options that it needs; the others have defaults.
// Options that make no sense are an error.
func ExampleNew() {
	guard, err := closeguard.New(closeguard.Options{
		// One line for each event, as JSON.
		Observers: []closeguard.Observer{
			closeguard.LogObserver(slog.New(slog.NewJSONHandler(os.Stderr, nil))),
		},
		// A client of which nothing comes for a minute, not even the answer to a
		// ping, is gone.
		PingInterval: 40 * time.Second,
		PingTimeout:  20 * time.Second,
		// Behind our proxy, which always sets this header, log lines name the client.
		Remote: func(r *http.Request) string { return r.Header.Get("X-Real-IP") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()

	_, err = closeguard.New(closeguard.Options{BareClose: closeguard.AbnormalClosure})
	fmt.Println(err)
	// Output:
	// closeguard: Options.BareClose is 1006: must be NoClose or a code that may be sent: closeguard: close code 1006 must not appear in a frame (RFC 6455 section 7.4.1)
}
