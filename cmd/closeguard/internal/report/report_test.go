package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// results are of a probe that is good and one that is bad, whose peer chose its words to do harm.
func results(t *testing.T) []doctor.Result {
	t.Helper()
	probes, err := doctor.Select([]string{"echo/1000", "echo/1014"}, false)
	if err != nil {
		t.Fatal(err)
	}
	return []doctor.Result{
		{Probe: "echo/1000", RFC: "5.5.1", Wants: "Close 1000, then FIN", Seen: "Close 1000 normal closure, FIN", Verdict: doctor.Good, Kind: probes[0].Kind},
		{Probe: "echo/1014", RFC: "5.5.1", Wants: "Close 1014, then FIN", Seen: `Close 1002 "</script><b onclick='x'>&", FIN`, Verdict: doctor.Bad, Kind: probes[1].Kind},
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, "ws://127.0.0.1/", results(t)); err != nil {
		t.Fatal(err)
	}
	want := `PROBE      EXPECTED (RFC 6455)           SEEN                                         VERDICT
echo/1000  Close 1000, then FIN (5.5.1)  Close 1000 normal closure, FIN               good
echo/1014  Close 1014, then FIN (5.5.1)  Close 1002 "</script><b onclick='x'>&", FIN  bad

ws://127.0.0.1/: 1 good, 1 bad, 0 can't tell.

echo: `
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "\nWhat to do: ") {
		t.Errorf("got\n%s\nwant\n%s...", got, want)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, "ws://127.0.0.1/", results(t)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "<>&") {
		t.Errorf("it can't stand in a page:\n%s", &out)
	}
	var got struct {
		URL, Verdict string
		Results      []struct{ Probe, Expected, Seen, Verdict string }
		Faults       []struct{ Kind, Means, Cure string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.URL != "ws://127.0.0.1/" || got.Verdict != "bad" || len(got.Results) != 2 || got.Results[1].Seen != results(t)[1].Seen ||
		got.Results[0].Verdict != "good" || len(got.Faults) != 1 || got.Faults[0].Kind != "echo" || got.Faults[0].Cure == "" {
		t.Errorf("%+v", got)
	}
}

func TestPage(t *testing.T) {
	var out bytes.Buffer
	if err := Page(&out, `ws://127.0.0.1/?"><script>`, results(t)); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"<script", "</script", "<b ", `/?">`} {
		if strings.Contains(out.String(), raw) {
			t.Errorf("%s is not escaped:\n%s", raw, &out)
		}
	}
	if !strings.Contains(out.String(), `<td class="bad">bad`) {
		t.Errorf("the verdict is missing:\n%s", &out)
	}
}

// Whoever writes to a full disk is told.
func TestErrorsAreTold(t *testing.T) {
	full := func() io.Writer { return failing{} }
	for name, err := range map[string]error{
		"table": Table(full(), "", results(t)), "JSON": JSON(full(), "", results(t)), "page": Page(full(), "", results(t)), "list": Probes(full(), doctor.Probes()),
	} {
		if !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := Progress{W: &out, All: 2}
	for _, r := range results(t) {
		p.Step(r)
	}
	want := "\r\x1b[K[###############...............] 1 of 2  echo/1000: good" +
		"\r\x1b[K[##############################] 2 of 2  echo/1014: bad\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

func TestProbes(t *testing.T) {
	var out bytes.Buffer
	if err := Probes(&out, doctor.Probes()); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != len(doctor.Probes())+1 {
		t.Errorf("%d lines:\n%s", lines, &out)
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 150)
	for text, want := range map[string]string{
		"":                                      "\n",
		"one two":                               "one two\n",
		long + " y":                             long + "\ny\n",
		strings.Repeat("abcdefghi ", 11):        strings.Repeat("abcdefghi ", 9) + "abcdefghi\nabcdefghi\n",
		strings.Repeat("x", columns-2) + " y z": strings.Repeat("x", columns-2) + " y\nz\n",
	} {
		if got := wrap(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
