package debug_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

// The page behind a password. Any other authentication will do: the page is an
// http.Handler.
func Example() {
	page, err := debug.New(debug.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{page}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/websockets/", operatorsOnly(page.Handler(guard)))
	server := httptest.NewServer(guard.Middleware(mux))
	defer server.Close()

	for _, password := range []string{"", "secret"} {
		r, _ := http.NewRequest(http.MethodGet, server.URL+"/debug/websockets/", nil)
		r.SetBasicAuth("operator", password)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer.Body.Close()
		fmt.Println(answer.Status)
	}
	// Output:
	// 401 Unauthorized
	// 200 OK
}

func operatorsOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
