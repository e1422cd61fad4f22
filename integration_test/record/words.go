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

// EventText is a close event as the tables write it: `peer closed 1000 clean, sent 1000,
// received 1000 "bye"`, with what was intended and which rule was broken if that is set.
func EventText(ev closeguard.CloseEvent) string {
	end := ev.End()
	text := fmt.Sprintf("%s %d", KindOf(ev), int(ev.Code()))
	if ev.Clean() {
		text += " clean"
	}
	for _, f := range []struct {
		name  string
		frame *closeguard.CloseFrame
	}{{"sent", end.Sent}, {"received", end.Received}, {"intended", end.Intended}} {
		if f.frame != nil {
			text += ", " + f.name + " " + FrameText(f.frame)
		}
	}
	if broken := (*closeguard.FrameError)(nil); errors.As(ev, &broken) {
		text += fmt.Sprintf(", %s: %d", broken.Rule, broken.Value)
	}
	return text
}

// Why is the causes of an ending in all words that fit: how TCP ended, and what the
// guard did about it.
func Why(ev closeguard.CloseEvent) []string {
	words := Told(ev)
	for _, c := range []struct {
		word   string
		target error
	}{
		{"ping timeout", closeguard.ErrPingTimeout},
		{"no answer", closeguard.ErrCloseIdle},
		{"too long", closeguard.ErrCloseTimeout},
		{"bare close", closeguard.ErrBareClose},
		{"aborted", closeguard.ErrAborted},
		{"shut down", closeguard.ErrShutdown},
	} {
		if errors.Is(ev, c.target) {
			words = append(words, c.word)
		}
	}
	return words
}

// Full is EventText and, behind a colon, Why.
func Full(ev closeguard.CloseEvent) string {
	text := EventText(ev)
	if why := Why(ev); len(why) > 0 {
		text += ": " + strings.Join(why, " and ")
	}
	return text
}

// CloseText is a Close on the wire as an event tells it.
func CloseText(f *rawpeer.Frame) string {
	switch {
	case f == nil:
		return "none"
	case len(f.Payload) < 2:
		return CodeText(1005, "")
	}
	return CodeText(f.CloseCode(), f.CloseReason())
}

// FrameText is a Close of an event.
func FrameText(f *closeguard.CloseFrame) string {
	if f == nil {
		return "none"
	}
	return CodeText(int(f.Code), f.Reason)
}

// CodeText is a Close with that code and reason: `1000 "bye"`, `1000`, and "empty" for
// the 1005 that an event has for an empty one. A reason that is not UTF-8 is repaired as
// events do, and cut where it has got too long by that.
func CodeText(code int, reason string) string {
	switch {
	case reason == "" && code == 1005:
		return "empty"
	case reason == "":
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
