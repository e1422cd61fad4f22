package main

import (
	"fmt"
	"testing"
	"unicode/utf8"
)

// A command is its text again, and what begins with no slash is none.
func FuzzParseCommand(f *testing.F) {
	for _, text := range []string{"hello", "/close 1000 bye", "/close 70000", "/close -1 x", "/close +1000", "/close 99999999999999999999", "/fail", "/fail a b", "/panic now", "/", "/x\xff"} {
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, message string, text bool) {
		c, err := parseCommand(text, []byte(message))
		if isCommand := text && message != "" && message[0] == '/'; !isCommand && (c != command{} || err != nil) || isCommand && c.verb == "" && err == nil {
			t.Errorf("%q is taken for %+v, %v", message, c, err)
		}
		if err != nil && !utf8.ValidString(err.Error()) {
			t.Errorf("%q: %q can't be sent as text", message, err)
		}
		var again string
		switch c.verb {
		case "close":
			again = fmt.Sprintf("/close %d %s", int(c.code), c.text)
		case "fail":
			again = "/fail " + c.text
		case "panic":
			again = "/panic"
		default:
			return
		}
		if c2, err := parseCommand(true, []byte(again)); c2 != c || err != nil {
			t.Errorf("%q is %+v, and %q is %+v, %v", message, c, again, c2, err)
		}
	})
}
