package closeguard

import (
	"fmt"
	"net/http"
	"strings"
)

// tooLate is what a Write after Hijack comes to.
func (u *upgrade) tooLate(n int) error {
	if n > 0 {
		u.complain("response.Write on hijacked connection")
	}
	return http.ErrHijacked
}

// noteInTheWay takes note of who hides the connection from the handler, if that is
// why the answer has this status: a writer above the guard, or one below it of which
// the library found that it has no Hijack.
func (u *upgrade) noteInTheWay(status int) {
	var who string
	switch {
	case status < http.StatusInternalServerError: // the program's will
		return
	case hijacker(u.ResponseWriter) == nil:
		who = fmt.Sprintf("%T", u.ResponseWriter)
	case status == http.StatusNotImplemented, // coder/websocket's answer where there is no Hijacker
		status == http.StatusInternalServerError && u.Header().Get("Sec-Websocket-Version") != "": // gorilla/websocket's
		who = answerer()
	default:
		return
	}
	l := u.ctx.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opening != nil {
		l.opening.inTheWay = fmt.Errorf("closeguard: %s hides http.Hijacker, without which no WebSocket can be opened: leave it out where WebSockets are opened", who)
	}
}

// answerer is the writer between the handler and the guard that an answer went through
// last, if it has a WriteHeader of its own, by its name in the call stack.
func answerer() string {
	name := callerBeyond(ourFunctions).Function
	if name == "net/http.(*timeoutHandler).ServeHTTP" {
		return "http.TimeoutHandler"
	}
	if who, ok := strings.CutSuffix(name, ".WriteHeader"); ok {
		return who
	}
	return "a ResponseWriter between the guard and the handler"
}
