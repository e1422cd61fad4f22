package closeguard

import (
	"fmt"
	"log"
	"net/http"
	"path"
	"runtime"
	"strings"
)

// complain logs a call that comes after Hijack, in net/http's words and where
// net/http would log it, with the name of whoever called: it would name the guard.
func (u *upgrade) complain(method string) {
	who := "unknown"
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/closeguard/ws/closeguard.") && !strings.HasPrefix(f.Function, "net/http.") {
			who = fmt.Sprintf("%s (%s:%d)", f.Function, path.Base(f.File), f.Line)
			break
		}
		if !more {
			break
		}
	}
	line := "http: response." + method + " on hijacked connection from " + who
	if srv, _ := u.ctx.Value(http.ServerContextKey).(*http.Server); srv != nil && srv.ErrorLog != nil {
		srv.ErrorLog.Print(line)
	} else {
		log.Print(line)
	}
}

// tooLate is what a Write after Hijack comes to.
func (u *upgrade) tooLate(n int) error {
	if n > 0 {
		u.complain("Write")
	}
	return http.ErrHijacked
}

// hidden says who hides the connection from the handler, nil if nobody does.
func (u *upgrade) hidden() error {
	if hijacker(u.ResponseWriter) != nil {
		return nil
	}
	return fmt.Errorf("closeguard: %T hides http.Hijacker, without which no WebSocket can be opened: put it inside of what opens WebSockets, or leave them out", u.ResponseWriter)
}
