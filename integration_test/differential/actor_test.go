package differential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	xnet "golang.org/x/net/websocket"
)

// An actor is a handler that does the script's steps one after the other, as
// the play orders them.
type actor struct {
	play   *play
	w      http.ResponseWriter
	r      *http.Request
	socket socket
	alone  bool // in a goroutine: no server waits for it
}

// serve is the handler of all requests.
func (p *play) serve(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == "/other" {
		io.WriteString(w, "other\n")
		return
	}
	if keptWriter, ok := r.Context().Value(kept{}).(http.ResponseWriter); ok {
		w = keptWriter
	}
	h := &actor{play: p, w: w, r: r}
	p.entered(r)
	defer p.left(r)
	h.act()
}

// act does the steps up to the handler's return.
func (h *actor) act() {
	if h.play.script.defers {
		defer func() {
			if h.socket != nil {
				h.socket.Close()
			}
		}()
	}
	for i := range h.play.orders {
		s := h.play.script.steps[i]
		switch s.verb {
		case returns:
			h.play.begun(i)
			h.leaves(i, "ok")
			return
		case panics:
			h.play.begun(i)
			h.leaves(i, "ok")
			panic("the handler's panic")
		case aborts:
			h.play.begun(i)
			h.leaves(i, "ok")
			panic(http.ErrAbortHandler)
		case detaches:
			h.play.begun(i)
			h.leaves(i, "ok")
			detached := &actor{h.play, h.w, h.r, h.socket, true}
			go func() {
				defer func() { recover() }() // it was written down
				detached.act()
			}()
			return
		case writesAside:
			h.play.begun(i)
			if h.socket == nil {
				h.play.done(i, "no socket")
				continue
			}
			go func() { h.play.done(i, describe(h.socket.Write(false, make([]byte, s.size)))) }()
		case upgrades:
			if h.upgrade(i) {
				return
			}
		default:
			h.try(i, s)
		}
	}
}

// leaves takes note of a step with which the handler ends.
func (h *actor) leaves(i int, outcome string) {
	if h.alone {
		h.play.done(i, outcome)
		return
	}
	h.play.leaves(i, outcome)
}

// try does one step and writes down what came of it, a panic too.
func (h *actor) try(i int, s step) {
	defer func() {
		if v := recover(); v != nil {
			h.leaves(i, "panic: "+fmt.Sprint(v))
			panic(v)
		}
	}()
	h.play.begun(i)
	h.play.done(i, h.do(s))
}

// upgrade makes the request a socket. It reports whether that was all of the
// handler, as with x/net, which calls the rest of it.
func (h *actor) upgrade(i int) (over bool) {
	if h.play.script.library == xnetLibrary {
		opened := false
		defer func() {
			if v := recover(); v != nil {
				if !opened {
					h.leaves(i, "panic: "+fmt.Sprint(v))
				}
				panic(v)
			}
		}()
		h.play.begun(i)
		xnet.Server{Handler: func(c *xnet.Conn) {
			opened = true
			h.open(xnetSocket{c})
			h.play.done(i, "ok")
			h.act()
		}}.ServeHTTP(h.w, h.r)
		if !opened {
			h.play.done(i, "refused")
		}
		return opened
	}
	h.try(i, step{who: handler, verb: upgrades})
	return false
}

func (h *actor) open(s socket) {
	h.socket = s
	h.play.keep(s)
	if h.play.script.limits {
		s.SetReadLimit(readLimit)
	}
}

// do does one step, and tells what came of it.
func (h *actor) do(s step) string {
	switch s.verb {
	case upgrades:
		return h.accept()
	case answers:
		h.w.WriteHeader(s.code)
		return "ok"
	case informs:
		h.w.Header().Set("Link", "</style.css>")
		h.w.WriteHeader(http.StatusEarlyHints)
		return "ok"
	case writesBody:
		n, err := h.w.Write(bytes.Repeat([]byte("b"), s.size))
		return fmt.Sprint(n, " ", describe(err))
	case flushes:
		f, ok := h.w.(http.Flusher)
		if !ok {
			return "no Flusher"
		}
		f.Flush()
		return "ok"
	case flushesError:
		return describe(http.NewResponseController(h.w).Flush())
	case setsDeadlines:
		c := http.NewResponseController(h.w)
		t := time.Now().Add(time.Hour)
		return describe(c.SetReadDeadline(t)) + ", " + describe(c.SetWriteDeadline(t))
	case fullDuplex:
		return describe(http.NewResponseController(h.w).EnableFullDuplex())
	case readsBody:
		p, err := io.ReadAll(h.r.Body)
		return fmt.Sprintf("%q %s", p, describe(err))
	case hijacksAgain:
		conn, _, err := http.NewResponseController(h.w).Hijack()
		if err == nil {
			h.play.keep(conn)
		}
		return describe(err)
	case awaitsContext:
		select {
		case <-h.r.Context().Done():
			return describe(context.Cause(h.r.Context()))
		case <-h.play.finished:
			return "not ended"
		}
	}
	if h.socket == nil {
		return "no socket"
	}
	switch s.verb {
	case reads:
		return said(h.socket.Read(context.Background()))
	case readsContext:
		return said(h.socket.Read(h.r.Context()))
	case readsDeadline:
		return said(h.socket.ReadDeadline(time.Now().Add(h.play.idle / 10)))
	case cancels:
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		defer time.AfterFunc(h.play.idle/10, cancel).Stop()
		return said(h.socket.Read(ctx))
	case writes:
		return describe(h.socket.Write(s.code == gorilla.TextMessage, bytes.Repeat([]byte("m"), s.size)))
	case closesWith:
		return describe(h.socket.CloseWith(s.code, s.arg))
	case writesClose:
		return describe(h.socket.WriteClose(s.code, s.arg))
	case closesBare:
		return describe(h.socket.Close())
	}
	panic("no such step: " + s.verb)
}

func said(message string, err error) string {
	if err != nil {
		return describe(err)
	}
	return message
}

var gorillaUpgrader gorilla.Upgrader

// accept makes the request a socket of the script's library.
func (h *actor) accept() string {
	switch h.play.script.library {
	case gorillaLibrary:
		c, err := gorillaUpgrader.Upgrade(h.w, h.r, nil)
		if err != nil {
			return describe(err)
		}
		h.open(gorillaSocket{c})
	case coderLibrary:
		c, err := coder.Accept(h.w, h.r, nil)
		if err != nil {
			return describe(err)
		}
		h.open(coderSocket{c})
	default:
		c, err := ownUpgrade(h.w, h.r)
		if err != nil {
			return describe(err)
		}
		h.open(c)
	}
	return "ok"
}

// classes are what programs ask of errors.
var classes = []struct {
	name string
	err  error
}{
	{"io.EOF", io.EOF},
	{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
	{"net.ErrClosed", net.ErrClosed},
	{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded},
	{"context.Canceled", context.Canceled},
	{"context.DeadlineExceeded", context.DeadlineExceeded},
	{"ECONNRESET", syscall.ECONNRESET},
	{"EPIPE", syscall.EPIPE},
	{"http.ErrHijacked", http.ErrHijacked},
	{"http.ErrNotSupported", errors.ErrUnsupported},
	{"http.ErrBodyNotAllowed", http.ErrBodyNotAllowed},
	{"http.ErrContentLength", http.ErrContentLength},
	{"gorilla.ErrCloseSent", gorilla.ErrCloseSent},
	{"gorilla.ErrReadLimit", gorilla.ErrReadLimit},
	{"coder.ErrMessageTooBig", coder.ErrMessageTooBig},
	{"x/net.ErrFrameTooLarge", xnet.ErrFrameTooLarge},
	{"the wrapper's", errFlush},
}

// describe tells an error by what programs ask of it; one that is nothing of
// all that, by its text.
func describe(err error) string {
	if err == nil {
		return "ok"
	}
	var words []string
	if e := (*gorilla.CloseError)(nil); errors.As(err, &e) {
		words = append(words, fmt.Sprintf("gorilla.CloseError %d %q", e.Code, e.Text))
	}
	if e := (coder.CloseError{}); errors.As(err, &e) {
		words = append(words, fmt.Sprintf("coder.CloseError %d %q", e.Code, e.Reason))
	}
	if e := (*errOwnClose)(nil); errors.As(err, &e) {
		words = append(words, e.Error())
	}
	if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
		words = append(words, e.Error())
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			words = append(words, c.name)
		}
	}
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		words = append(words, "Timeout")
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		words = append(words, "net.OpError of "+e.Op)
	}
	if words == nil {
		return fmt.Sprintf("%q", err)
	}
	return strings.Join(words, ", ")
}
