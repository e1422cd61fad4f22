package record

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// Causes are what of an ending an application can tell with errors.Is, in a word
// each.
func Causes(err error) (words []string) {
	for _, c := range []struct {
		word    string
		targets []error
	}{
		{"FIN", []error{io.EOF, io.ErrUnexpectedEOF}},
		{"reset", []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"killed", []error{syscall.ECONNABORTED}},
		{"timeout", []error{syscall.ETIMEDOUT}},
	} {
		if slices.ContainsFunc(c.targets, func(target error) bool { return errors.Is(err, target) }) {
			words = append(words, c.word)
		}
	}
	return words
}

// Told is how the event says that TCP ended. What coder/websocket is told
// inside a message is kept from being io.EOF, and only its text tells it.
func Told(ev closeguard.CloseEvent) []string {
	words := Causes(ev)
	if strings.Contains(ev.Error(), "ended inside a message: "+io.EOF.Error()) {
		words = append(slices.DeleteFunc(words, func(word string) bool { return word == "FIN" }), CutOff)
	}
	return words
}

// CutOff is the word for that.
const CutOff = "FIN inside a message"

// KindOf names the type of a close event.
func KindOf(ev closeguard.CloseEvent) string {
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return "peer closed"
	case *closeguard.LocalClosed:
		return "local closed"
	default:
		return "dropped"
	}
}

// CloseText is a Close on the wire as an event tells it.
func CloseText(f *rawpeer.Frame) string {
	switch {
	case f == nil:
		return "none"
	case len(f.Payload) < 2:
		return "1005"
	}
	return text(f.CloseCode(), f.CloseReason())
}

// FrameText is a Close of an event.
func FrameText(f *closeguard.CloseFrame) string {
	if f == nil {
		return "none"
	}
	return text(int(f.Code), f.Reason)
}

// text repairs a reason that is not UTF-8 as events do: cut where it has got too long.
func text(code int, reason string) string {
	if reason == "" {
		return fmt.Sprint(code)
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	const most = 123
	for n := most; len(reason) > most; n-- {
		if utf8.RuneStart(reason[n]) {
			reason = reason[:n]
		}
	}
	return fmt.Sprintf("%d %q", code, reason)
}

// mayBeSent reports whether a Close with that code may begin a closing
// handshake: RFC 6455 section 7.4 and IANA's registry. 1010 is a client's.
func mayBeSent(code int, client bool) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 && (client || code != 1010) || code >= 3000 && code <= 4999
}

// legal reports whether the payload of a Close is.
func legal(f *rawpeer.Frame, client bool) bool {
	return len(f.Payload) == 0 || len(f.Payload) >= 2 && mayBeSent(f.CloseCode(), client) && utf8.ValidString(f.CloseReason())
}
