package record

import (
	"bytes"
	"strings"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A Stream is one direction of a connection.
type Stream struct {
	Head  []byte // the HTTP head, as far as it has come
	Begun bool   // frames follow it: it asks for a WebSocket, or is a 101
	Bytes int    // behind the head

	Close *rawpeer.Frame // the first Close with a header as it has to be
	Start time.Time      // when the call began in which the Close got whole
	At    time.Time      // when that call returned
	After int            // bytes behind it

	Returned time.Time // of a Close that was written with a Pause: when that was over

	Err   error // how it ended, as the kernel said it first
	Ended time.Time
	Said  []string // all that the kernel said of it, in the words of Causes: it tells a failure once

	// Control, if not nil, is given each whole control frame up to that Close.
	Control func(rawpeer.Frame)

	client bool   // it is a client's: its frames are masked
	rest   []byte // not yet a whole header or control frame
	skip   uint64 // of a data frame, still to come
}

var headEnd = []byte("\r\n\r\n")

// Take takes bytes that went over the wire, in a call that began and returned
// then. path is the request's if its head is whole now.
func (s *Stream) Take(p []byte, began, now time.Time) (path string, whole bool) {
	if !s.Begun {
		s.Head = append(s.Head, p...)
		head, rest, ok := bytes.Cut(s.Head, headEnd)
		if !ok {
			return "", false
		}
		line, _, _ := strings.Cut(string(head), "\r\n")
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
			return "", false
		case words[0] == "GET":
			path, _, _ = strings.Cut(words[1], "?")
			s.client = true
		case words[1] != "101":
			return "", false
		}
		s.Begun, s.Head, p = true, nil, rest
		whole = true
	}
	s.Bytes += len(p)
	if s.Close != nil {
		s.After += len(p)
		return path, whole
	}
	if s.skip > 0 && len(s.rest) == 0 { // nothing to be kept
		n := min(s.skip, uint64(len(p)))
		s.skip -= n
		p = p[n:]
	}
	s.rest = append(s.rest, p...)
	s.frames(began, now)
	return path, whole
}

// frames reads what has come of frames. Of a Close whose header is broken
// nothing is known: it is passed over as data is.
func (s *Stream) frames(began, now time.Time) {
	for {
		n := min(s.skip, uint64(len(s.rest)))
		s.skip -= n
		s.rest = s.rest[n:]
		head, size, length := rawpeer.Head(s.rest)
		if s.skip > 0 || size == 0 {
			break
		}
		if head.Opcode < rawpeer.OpClose || length > 125 || !head.Fin || head.RSV != 0 || head.Masked != s.client {
			s.rest, s.skip = s.rest[size:], length
			continue
		}
		f, n2 := rawpeer.Parse(s.rest)
		if n2 == 0 {
			break
		}
		s.rest = s.rest[n2:]
		if s.Control != nil {
			s.Control(f)
		}
		if f.Opcode == rawpeer.OpClose {
			s.Close, s.Start, s.At, s.After = &f, began, now, len(s.rest)
			s.rest = nil
			return
		}
	}
	if len(s.rest) == 0 {
		s.rest = nil
	}
}
