package realclients

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers"
	"github.com/closeguard/ws/integration_test/record"
)

// sees is what a client saw, in the words of expected.txt: an error's name, the
// Close, and whether it calls that clean.
func sees(r peers.Result) string {
	var words []string
	if r.Error != "" {
		name, _, _ := strings.Cut(r.Error, ":")
		words = append(words, name)
	}
	if r.Closed {
		words = append(words, frame(&closeguard.CloseFrame{Code: closeguard.Code(r.Code), Reason: r.Reason}))
	} else {
		words = append(words, "no close")
	}
	if r.WasClean {
		words = append(words, "clean")
	}
	return strings.Join(words, ", ")
}

// tells is what a server's event says, in the words of expected.txt.
func tells(ev closeguard.CloseEvent) string {
	end := ev.End()
	var words []string
	first, answer := end.Sent, end.Received
	switch kind := record.KindOf(ev); kind {
	case "peer closed":
		first, answer = end.Received, end.Sent
		words = append(words, kind+" "+frame(first))
	case "local closed":
		words = append(words, kind+" "+frame(first))
	default:
		words = append(words, kind, cause(ev))
	}
	if answer != nil {
		words = append(words, "answered "+frame(answer))
	}
	if end.Intended != nil {
		words = append(words, "intended "+frame(end.Intended))
	}
	if end.Answered() != (first != nil && answer != nil) {
		words = append(words, fmt.Sprint("but Answered ", end.Answered()))
	}
	if ev.Clean() {
		words = append(words, "clean")
	}
	return strings.Join(words, ", ")
}

func cause(err error) string {
	switch {
	case errors.Is(err, closeguard.ErrAborted):
		return "aborted"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "EOF"
	default:
		return err.Error()
	}
}

// frame is a Close as its code and, if there is one, its reason.
func frame(f *closeguard.CloseFrame) string {
	switch {
	case f == nil:
		return "none"
	case f.Reason == "":
		return fmt.Sprint(int(f.Code))
	default:
		return fmt.Sprintf("%d %q", int(f.Code), f.Reason)
	}
}
