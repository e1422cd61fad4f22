package closeguard

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Middleware guards every WebSocket that a handler below it opens, whichever
// library it uses. Requests that don't ask for one pass untouched.
//
// A handler that returns ends nothing: programs go on in goroutines. One that
// panics ends the connection with 1011, and the panic goes on. The request's
// context leads to the connection, see [FromContext].
//
// Its place is outermost, above routers and above middleware with a ResponseWriter of
// its own: docs/frameworks.md tells how, and what becomes of WebSockets elsewhere.
//
// Middleware twice with one guard is once; with two guards the request is answered
// with 500.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUpgrade(r) {
			next.ServeHTTP(w, r) // not through upgrade, which isWithin looks for
			return
		}
		g.upgrade(w, r, func(w http.ResponseWriter, r *http.Request) error { //nolint:errcheck // the peer was answered
			next.ServeHTTP(w, r)
			return nil
		})
	})
}

// upgrade runs one function under the guard.
func (g *Guard) upgrade(w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request) error) error {
	h, err := g.receive(w, r)
	switch {
	case err != nil:
		return err
	case h.link == nil:
		return do(w, r)
	}
	returned := false
	defer func() {
		h.done(returned)
		if returned {
			h.unwound()
			return
		}
		v := recover()
		h.link.panicked(v)
		h.unwound()
		if v != nil {
			panic(v)
		}
	}()
	u := &h.link.opening.upgrade
	err = do(u.writer(), u.request)
	returned = true
	return err
}

// handling is a handler that runs under the guard. It lasts as long as the connection,
// and leads to the upgrade only until the 101.
type handling struct{ link *link }

// receive makes what the handler of a request gets under the guard; nothing if
// there is nothing to guard. The error says why the request was refused. It is
// not part of upgrade because what upgrade has on the stack stays there while
// the connection is open.
func (g *Guard) receive(w http.ResponseWriter, r *http.Request) (handling, error) {
	if !isUpgrade(r) {
		return handling{}, nil // nothing to guard is no error
	}
	if l := linkFrom(r.Context()); l != nil {
		if l.guard == g {
			return handling{}, nil
		}
		g.errorLog().ErrorContext(r.Context(), errOtherGuard.Error(), "path", pathOf(r))
		http.Error(w, errOtherGuard.Error(), http.StatusInternalServerError)
		return handling{}, errOtherGuard
	}
	l := g.newLink(r.Context(), g.requestInfo(r))
	if !g.admit() {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", strconv.Itoa(int((g.opts.RetryAfter+time.Second-1)/time.Second)))
		http.Error(w, "server is shutting down", http.StatusServiceUnavailable)
		l.route = g.routeOf(r)
		l.offer(r)
		g.refuse(r.Context(), l.info(), http.StatusServiceUnavailable, ErrShutdown)
		return handling{}, ErrShutdown
	}
	ctx := &requestContext{r.Context(), l}
	l.opening.upgrade = upgrade{ResponseWriter: w, ctx: ctx, request: r.WithContext(ctx)}
	return handling{l}, nil
}

// admit counts a request that may become a connection, unless the guard is
// shutting down.
func (g *Guard) admit() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.drain == nil {
		g.upgrades++
	}
	return g.drain == nil
}

// isUpgrade reports whether a request asks for a WebSocket, as RFC 6455
// section 4.2.1 says: by tokens, not by substrings.
func isUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Upgrade"], "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// upgrade is the ResponseWriter of a request that asks for a WebSocket. It
// hands out guarded connections and notes the status of the answer.
type upgrade struct {
	http.ResponseWriter
	ctx      *requestContext
	request  *http.Request // until the 101, for what net/http finds out on the way
	status   int
	hijacked bool
	returned bool // the handler has, before there was a 101
	full     fullWriter
}

// Unwrap lets [http.ResponseController] find what this writer doesn't have.
func (u *upgrade) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// WriteHeader notes the status. Informational ones other than 101 are no answer.
func (u *upgrade) WriteHeader(status int) {
	switch {
	case u.hijacked:
		u.complain("response.WriteHeader on hijacked connection")
		return
	case u.superfluous():
		u.complain("superfluous response.WriteHeader call")
		return
	}
	if u.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols || takesAny(u.ResponseWriter)) {
		u.status = status
		u.noteInTheWay(status)
	}
	u.ResponseWriter.WriteHeader(status)
}

func (u *upgrade) Write(p []byte) (int, error) {
	if u.hijacked {
		return 0, u.tooLate(len(p))
	}
	u.answers()
	return u.ResponseWriter.Write(p)
}

// WriteString is there because net/http's writer has one, which cuts chunks
// differently.
func (u *upgrade) WriteString(s string) (int, error) {
	if u.hijacked {
		return 0, u.tooLate(len(s))
	}
	u.answers()
	return io.WriteString(u.ResponseWriter, s)
}

// Hijack takes the connection from the server and gives the program a guarded
// one, with a reader and a writer on it. Bytes that the peer sent too early
// stay buffered, so that a library sees them.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := hijacker(u.ResponseWriter).Hijack()
	if err != nil {
		return raw, rw, err
	}
	c := u.take(raw)
	rw, early := divert(rw, c)
	u.begin(early)
	return c, rw, nil
}

// What Hijack does is in functions of their own, so that its frame is small
// where net/http and they go deep: a stack that has doubled for that stays as
// large while the connection is idle.

// take makes the guarded connection on the server's.
func (u *upgrade) take(raw net.Conn) *Conn {
	u.hijacked = true
	l := u.ctx.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attach(raw)
	l.app.UnderMiddleware = true
	return newConn(l)
}

// divert returns a reader and a writer on c for those on what is below it, and what
// was buffered. A wrapper's net.Conn may keep its own, and read from them itself: it gets
// none that lead to c.
func divert(rw *bufio.ReadWriter, c *Conn) (diverted *bufio.ReadWriter, early []byte) {
	buffered, _ := rw.Reader.Peek(rw.Reader.Buffered())
	early = bytes.Clone(buffered)
	rd := c.reader(rw.Reader)
	_, tcp := c.link.raw.Conn.(*net.TCPConn)
	_, overTLS := c.link.raw.Conn.(*tls.Conn)
	if len(early) == 0 && (tcp || overTLS) {
		rw.Reader.Reset(rd)
		rw.Writer.Reset(c)
		return rw, nil
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), rd), max(rw.Reader.Size(), len(early)))
	r.Peek(len(early)) //nolint:errcheck // they are there
	return bufio.NewReadWriter(r, bufio.NewWriterSize(c, rw.Writer.Size())), early
}

// begin gets the link ready for what the program does with the connection.
func (u *upgrade) begin(early []byte) {
	l := u.ctx.link
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.opening
	o.early = early
	if u.status == http.StatusSwitchingProtocols {
		// The library let net/http write the 101: that is how coder/websocket
		// is known, which takes io.EOF for the end of a message (rule 8).
		l.library |= eofEndsMessage
		extensions := strings.Join(u.Header()["Sec-Websocket-Extensions"], ",")
		o.agree(u.Header().Get("Sec-WebSocket-Protocol"), wire.Claims(extensions))
		o.openYielding()
	}
}

// done runs when the handler has returned, or else panicked. If there was no 101, a
// shutdown has waited for the request until now.
func (h handling) done(returned bool) {
	l := h.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen {
		return
	}
	defer l.guard.released() // also if a function of the program's ends the goroutine
	if l.opening == nil {
		return
	}
	u := &l.opening.upgrade
	u.returned = true
	switch {
	case u.hijacked, u.status == http.StatusSwitchingProtocols:
	case u.status == 0 && returned:
		l.yield(u.wentRound)
	default:
		l.opening.refuseYielding(u.status)
	}
}

// maxRoutes is of how many routes wentRound remembers that it has told: a program's
// Options.Route may name more than there are patterns.
const maxRoutes = 1024

// wentRound tells of a handler that got a request for a WebSocket and gave no
// answer by the ResponseWriter that it was given, once for each route: it has
// opened the WebSocket past the guard, or has answered with nothing. Which, nobody
// knows.
func (u *upgrade) wentRound() {
	l, r := u.ctx.link, u.request
	g := l.guard
	l.mu.Lock()
	route := l.route
	l.mu.Unlock()
	if route == "" {
		route = g.routeOf(r)
	}
	g.mu.Lock()
	_, told := g.roundabouts[route]
	if told = told || len(g.roundabouts) == maxRoutes; !told {
		g.roundabouts[route] = struct{}{}
	}
	g.mu.Unlock()
	if !told {
		g.errorLog().WarnContext(r.Context(), "closeguard: a request for a WebSocket was not answered by the guard's ResponseWriter: "+
			"if a WebSocket was opened it isn't guarded, because the handler uses another ResponseWriter; "+
			"let it use the one that the middleware gives it: in gin c.Request = r is not enough, c.Writer has to lead there, too, or the middleware be above the engine", "route", route, "path", pathOf(r))
	}
}

// unwound takes note that no panic of the handler's is to be waited for any more.
func (h handling) unwound() {
	l := h.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.app.UnderMiddleware = false
	l.run()
}

// released ends the time in which a shutdown has to wait for a request.
func (g *Guard) released() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.upgrades--
	g.wakeIfIdle()
}

// hijacker finds the first Hijacker in a writer or what it wraps.
func hijacker(w http.ResponseWriter) http.Hijacker {
	for {
		if h, ok := w.(http.Hijacker); ok {
			return h
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}
