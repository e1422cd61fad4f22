package closeguard

import (
	"errors"
	"io"
	"net/http"
)

// writeHeaderNower is gin's: coder/websocket calls it before Hijack.
type writeHeaderNower interface{ WriteHeaderNow() }

// fullWriter is u with the optional methods of net/http's own writer, which is the one
// below in most programs.
type fullWriter struct {
	*upgrade
	flusher
	readerFrom
	http.CloseNotifier
}

// writer returns u with exactly those optional methods that the writer below
// it has: a method that is there and does nothing is as wrong as one that is
// missing. Deadlines and the like are found by Unwrap; WriteString is always there.
func (u *upgrade) writer() http.ResponseWriter {
	if hijacker(u.ResponseWriter) == nil {
		return u.unhijackable()
	}
	type (
		F  = flusher
		R  = readerFrom
		C  = http.CloseNotifier //nolint:staticcheck // deprecated, and still asked for
		H  = headerNower
		up = *upgrade
	)
	f, r, h := F{u}, R{u}, H{u}
	c, isC := u.ResponseWriter.(C)
	_, isF := u.ResponseWriter.(http.Flusher)
	_, isR := u.ResponseWriter.(io.ReaderFrom)
	_, isH := u.ResponseWriter.(writeHeaderNower)
	switch [4]bool{isF, isR, isC, isH} {
	case [4]bool{true, true, true, true}:
		return struct {
			up
			F
			R
			C
			H
		}{u, f, r, c, h}
	case [4]bool{true, true, true, false}:
		u.full = fullWriter{u, f, r, c}
		return &u.full
	case [4]bool{true, true, false, true}:
		return struct {
			up
			F
			R
			H
		}{u, f, r, h}
	case [4]bool{true, true, false, false}:
		return struct {
			up
			F
			R
		}{u, f, r}
	case [4]bool{true, false, true, true}:
		return struct {
			up
			F
			C
			H
		}{u, f, c, h}
	case [4]bool{true, false, true, false}:
		return struct {
			up
			F
			C
		}{u, f, c}
	case [4]bool{true, false, false, true}:
		return struct {
			up
			F
			H
		}{u, f, h}
	case [4]bool{true, false, false, false}:
		return struct {
			up
			F
		}{u, f}
	case [4]bool{false, true, true, true}:
		return struct {
			up
			R
			C
			H
		}{u, r, c, h}
	case [4]bool{false, true, true, false}:
		return struct {
			up
			R
			C
		}{u, r, c}
	case [4]bool{false, true, false, true}:
		return struct {
			up
			R
			H
		}{u, r, h}
	case [4]bool{false, true, false, false}:
		return struct {
			up
			R
		}{u, r}
	case [4]bool{false, false, true, true}:
		return struct {
			up
			C
			H
		}{u, c, h}
	case [4]bool{false, false, true, false}:
		return struct {
			up
			C
		}{u, c}
	case [4]bool{false, false, false, true}:
		return struct {
			up
			H
		}{u, h}
	default:
		return u
	}
}

// unhijackable is writer where the writer below has no Hijacker: a library has to
// see that.
func (u *upgrade) unhijackable() http.ResponseWriter {
	type (
		answer     struct{ http.ResponseWriter } // and no other method of u's
		flushError interface{ FlushError() error }
	)
	if _, ok := u.ResponseWriter.(http.Flusher); ok {
		return struct {
			answer
			flusher
			flushError
		}{answer{u}, flusher{u}, u}
	}
	return answer{u}
}

// answers takes note that the head of an answer leaves, with 200 if the handler has
// said nothing else.
func (u *upgrade) answers() {
	if u.status == 0 {
		u.status = http.StatusOK
	}
}

// flusher is the Flusher of a writer that has one.
type flusher struct{ u *upgrade }

func (f flusher) Flush() { f.u.FlushError() } //nolint:errcheck // Flush has no error

// FlushError is what http.ResponseController asks for before it looks for a Flusher, or
// for one further down, past the guard: then nobody would know that a head has left.
func (u *upgrade) FlushError() error {
	if u.hijacked { // net/http would panic
		u.complain("response.Flush on hijacked connection")
		return http.ErrHijacked
	}
	err := http.NewResponseController(u.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		u.answers()
	}
	return err
}

// readerFrom is the ReaderFrom of a writer that has one.
type readerFrom struct{ u *upgrade }

func (r readerFrom) ReadFrom(src io.Reader) (int64, error) {
	if r.u.hijacked {
		return io.Copy(struct{ io.Writer }{r.u}, src)
	}
	// Of nothing no head is made.
	n, err := r.u.ResponseWriter.(io.ReaderFrom).ReadFrom(src) // writer has looked
	if n > 0 {
		r.u.answers()
	}
	return n, err
}

// headerNower is the WriteHeaderNow of a writer that has one.
type headerNower struct{ u *upgrade }

func (h headerNower) WriteHeaderNow() {
	h.u.answers()
	h.u.ResponseWriter.(writeHeaderNower).WriteHeaderNow() // writer has looked
}
