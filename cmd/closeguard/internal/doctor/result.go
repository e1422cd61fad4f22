package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

// A Result is what one probe came to. All that the peer chose in it is printable and short.
type Result struct {
	Probe   string        `json:"probe"`
	RFC     string        `json:"rfc"`
	Does    string        `json:"does"`
	Wants   string        `json:"expected"`
	Seen    string        `json:"seen"`
	Verdict Verdict       `json:"verdict"`
	Took    time.Duration `json:"-"`
	MS      int64         `json:"ms"`

	// Unexamined: there was no WebSocket to look at.
	Unexamined bool `json:"unexamined,omitempty"`

	Kind *Kind `json:"-"`
}

// mostSeen is how many characters of what was seen are told.
const mostSeen = 240

// printable escapes what a terminal or an editor might take for more than text.
func printable(s string) string {
	var out strings.Builder
	count := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if count++; count > mostSeen {
			out.WriteString("...")
			break
		}
		if strconv.IsPrint(r) || r == utf8.RuneError {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return out.String()
}

func (p *Probe) result(seen string, v Verdict, took time.Duration) Result {
	return Result{
		Probe: p.FullName(), RFC: p.RFC, Does: p.Does, Wants: p.Wants, Seen: printable(seen), Verdict: v,
		Took: took, MS: took.Milliseconds(), Kind: p.Kind,
	}
}

// describe says what was seen, and that nothing more came if the time ran out.
func describe(o outcome) string {
	out := o.String()
	if o.Close == nil && o.Bytes > 0 {
		out += fmt.Sprintf(", %d bytes came", o.Bytes)
	}
	if o.End == client.Open {
		out += fmt.Sprintf(" after %v", o.limit)
	}
	return out
}
