package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

// command is what a text message that begins with a slash asks for. The zero
// command asks for nothing: the message is echoed.
type command struct {
	verb string          // "close", "fail" or "panic"
	code closeguard.Code // of a close, legal or not
	text string          // a close's reason, or what a handler fails with
}

const usage = "commands are /close CODE REASON, /fail TEXT and /panic"

func parseCommand(text bool, message []byte) (command, error) {
	if !text || len(message) == 0 || message[0] != '/' {
		return command{}, nil
	}
	verb, rest, _ := strings.Cut(string(message[1:]), " ")
	switch verb {
	case "close":
		digits, reason, _ := strings.Cut(rest, " ")
		code, err := strconv.Atoi(digits)
		if err != nil {
			return command{}, fmt.Errorf("code %q is not a number; %s", digits, usage)
		}
		return command{verb: verb, code: closeguard.Code(code), text: reason}, nil
	case "fail":
		if rest == "" {
			return command{}, fmt.Errorf("/fail needs a text; %s", usage)
		}
		return command{verb: verb, text: rest}, nil
	case "panic":
		return command{verb: verb}, nil
	default:
		return command{}, fmt.Errorf("/%s is not known; %s", strings.ToValidUTF8(verb, "\uFFFD"), usage)
	}
}

// isRefused reports whether a Close was illegal, so that the connection goes on. The
// error's own type tells: an event may have such an error in its tree.
func isRefused(err error) bool {
	_, illegal := err.(*closeguard.FrameError) //nolint:errorlint // see above
	return illegal
}

// refusal is the message that answers a command which can't be carried out.
func refusal(err error) []byte { return []byte("error: " + err.Error()) }
