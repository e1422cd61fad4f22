package closeguard

import (
	"io"
	"net/http"
)

// writeHeaderNower is gin's: coder/websocket calls it before Hijack.
type writeHeaderNower interface{ WriteHeaderNow() }

// writer returns u with exactly those optional methods that the writer below
// it has: a method that is there and does nothing is as wrong as one that is
// missing. Deadlines and the like are found by Unwrap; WriteString is always there.
func (u *upgrade) writer() http.ResponseWriter {
	if hijacker(u.ResponseWriter) == nil {
		return u.unhijackable()
	}
	type (
		F  = flusher
		R  = io.ReaderFrom
		C  = http.CloseNotifier //nolint:staticcheck // deprecated, and still asked for
		H  = writeHeaderNower
		up = *upgrade
	)
	fl, isF := u.ResponseWriter.(http.Flusher)
	f := flusher{fl}
	r, isR := u.ResponseWriter.(R)
	c, isC := u.ResponseWriter.(C)
	h, isH := u.ResponseWriter.(H)
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
		return struct {
			up
			F
			R
			C
		}{u, f, r, c}
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
	type answer struct{ http.ResponseWriter } // and no other method of u's
	if f, ok := u.ResponseWriter.(http.Flusher); ok {
		return struct {
			answer
			flusher
		}{answer{u}, flusher{f}}
	}
	return answer{u}
}
