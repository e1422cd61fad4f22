package scenario

import (
	"strings"
	"testing"
)

// TestOtherLibraries runs the table with libraries that closeguard has never
// heard of. Their words are their own, so of the row only the type, the code
// and whether it was clean are compared, and the event with the wire.
func TestOtherLibraries(t *testing.T) {
	for _, library := range []string{"gobwas", "gws", "xnet"} {
		t.Run(library, func(t *testing.T) {
			all := newServers(t)
			runs, different := 0, 0
			t.Run("rows", func(t *testing.T) {
				for _, r := range table() {
					if _, ok := elsewhere[library][r.name]; ok {
						different++
					}
					r, skip := r.loosely(library)
					if skip {
						continue
					}
					for _, s := range pairwise(product([]string{library}, r.only)) {
						if !r.runs(s) {
							continue
						}
						runs++
						t.Run(r.name+"/"+s.String(), func(t *testing.T) {
							t.Parallel()
							r.run(t, all, s)
						})
					}
				}
			})
			t.Logf("%s: %d runs; in %d rows the library differs", library, runs, different)
		})
	}
}

// loosely returns the row with what must be the same for any library, and
// whether the library can't run it.
func (r row) loosely(library string) (row, bool) {
	for _, b := range r.but {
		if b.when == "plain" || b.when == "server" {
			r, _ = r.in(setting{library, "server", "ws", "plain", "bare"})
		}
	}
	r.but, r.wire = nil, "*"
	r.cause = nil
	what, _, _ := strings.Cut(r.event, ",")
	r.event = strings.TrimSuffix(what, "*") + "*"
	if o, ok := elsewhere[library][r.name]; ok {
		r.event = o.event
		return r, o.event == ""
	}
	return r, false
}

// An other is what becomes of a row with a library, and why; without an event
// the row doesn't run.
type other struct{ why, event string }

const (
	noLimit     = "its limit isn't set for one connection"
	asItIs      = "it takes the frame as it is and goes on"
	cutsReason  = "it cuts the reason at 123 bytes and sends it"
	closes1000  = "its Close sends 1000"
	headerAlone = "the header of a Close is the end to it, whatever follows, and its handler's return closes"
)

// elsewhere are the rows that come out differently with a library.
var elsewhere = map[string]map[string]other{
	"gobwas": {
		"plain code closes with a reason of 124 bytes": {cutsReason, "local closed 4000 clean*"},
		"text that is not UTF-8":                       {"it checks text, tells the application and sends nothing", "local closed 1001 clean*"},
		"a message over the limit":                     {why: noLimit},
		"a fragment over the limit":                    {why: noLimit},
		"2 MiB over the limit":                         {why: noLimit},
	},
	"gws": {
		"a negative length":                            {why: "what the library does then is for its maintainers to know first"},
		"a close of a tebibyte":                        {"it is too large a message to it", "local closed 1009, sent 1009*"},
		"we close before we have read the peer's FIN":  {"its loop reads meanwhile: who is first, the FIN or our close, is open", "*"},
		"a message over the limit":                     {why: noLimit},
		"a fragment over the limit":                    {why: noLimit},
		"2 MiB over the limit":                         {why: noLimit},
		"plain code closes with a reason of 124 bytes": {cutsReason, "local closed 4000 clean*"},
		"we close with 0":                              {"it makes codes below 1000 into 1000", "local closed 1000 clean*"},
		"we close with 999":                            {"it makes codes below 1000 into 1000", "local closed 1000 clean*"},
		"a blocked read is interrupted":                {"it sends the error's text with 1000", `local closed 1000, sent 1000 "read tcp*`},
	},
	"xnet": {
		"FIN inside a close":                           {headerAlone, "local closed 1001*"},
		"every byte a segment":                         {headerAlone, "*closed * clean*"},
		"behind a message every byte a segment":        {headerAlone, "*closed * clean*"},
		"a bare close":                                 {closes1000, "local closed 1000 clean*"},
		"a bare close is never answered":               {closes1000, "local closed 1000, sent 1000"},
		"a bare close while the peer uploads":          {closes1000, "local closed 1000 clean*"},
		"a bare close while a writer is blocked":       {why: "its Close waits for the writer without an end"},
		"a handler that never reads, dropped":          {closes1000, "local closed 1000 clean*"},
		"shutdown and a bare close":                    {closes1000 + ", if it is first", "local closed 100* clean*"},
		"our bare close behind a fragment of ours":     {closes1000, "local closed 1000 clean*"},
		"our bare close between our fragments":         {closes1000, "local closed 1000 clean*"},
		"plain code closes with a reason of 124 bytes": {"it has no reasons", "local closed 4000 clean*"},
		"a message over the limit":                     {why: noLimit},
		"a fragment over the limit":                    {why: noLimit},
		"2 MiB over the limit":                         {why: noLimit},
		"a violation is never answered":                {why: asItIs},
		"a broken frame behind a message":              {why: asItIs},
		"text inside a message":                        {why: asItIs},
		"a continuation of nothing":                    {why: asItIs},
		"opcode 3":                                     {why: asItIs},
		"opcode 11":                                    {why: asItIs},
		"a negative length":                            {why: asItIs},
		"RSV1 on text":                                 {why: asItIs},
		"RSV1 on a continuation":                       {why: asItIs},
		"RSV2 on text":                                 {why: asItIs},
		"RSV3 on text":                                 {why: asItIs},
		"a ping that is not final":                     {why: asItIs},
		"a ping of 126 bytes":                          {why: asItIs},
	},
}
