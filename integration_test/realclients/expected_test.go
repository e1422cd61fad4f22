package realclients

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers"
)

//go:embed expected.txt
var expectedText string

// A row of expected.txt, which says what its columns are.
type row struct {
	line        int
	by          string
	with        []string
	at          string
	sees, tells string
}

// expected is what expected.txt says of one client.
type expected []*row

func expect(t *testing.T, client string) expected {
	t.Helper()
	var rows expected
	number, section := 0, ""
	for line := range strings.Lines(expectedText) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		columns := strings.Split(line, "|")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		if len(columns) != 5 {
			t.Fatalf("expected.txt:%d: %d columns, want 5", number, len(columns))
		}
		if section == client {
			rows = append(rows, &row{
				line: number, by: columns[0], with: strings.Split(columns[1], ", "), at: columns[2], sees: columns[3], tells: columns[4],
			})
		}
	}
	return rows
}

// of returns the one row that is about this closing at this endpoint.
func (rows expected) of(c closing, e endpoint) (*row, error) {
	var found []*row
	for _, r := range rows {
		if r.by == c.by && slices.ContainsFunc(r.with, c.is) && (r.at == "all" || r.at == e.library || r.at == e.use) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("expected.txt has %d rows, want 1", len(found))
	}
	return found[0], nil
}

// is reports whether the closing is meant by a name, a code or a range of codes.
func (c closing) is(item string) bool {
	low, high, ok := strings.Cut(item, "-")
	if !ok {
		high = low
	}
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil {
		return item == c.with
	}
	return c.with != "no code" && closeguard.Code(from) <= c.frame.Code && c.frame.Code <= closeguard.Code(to)
}

// matches reports whether got is what a column says, in which CODE and FRAME
// stand for the Close that began it, and "..." for any reason.
func (c closing) matches(column, got string) bool {
	column = strings.NewReplacer("FRAME", frame(&c.frame), "CODE", strconv.Itoa(int(c.frame.Code))).Replace(column)
	pattern := strings.ReplaceAll(regexp.QuoteMeta(column), regexp.QuoteMeta(`"..."`), `"[^"]+"`)
	return regexp.MustCompile("^" + pattern + "$").MatchString(got)
}

func TestEveryClosingHasOneRow(t *testing.T) {
	for _, name := range peers.Names() {
		rows := expect(t, name)
		used := make(map[*row]bool)
		for _, c := range slices.Concat(byServer(), byClient(name), []closing{shutdown, killed}) {
			for _, e := range endpoints {
				r, err := rows.of(c, e)
				if err != nil {
					t.Errorf("%s, %s %s, %s %s: %v", name, c.by, c.with, e.library, e.use, err)
				}
				used[r] = true
			}
		}
		for _, r := range rows {
			if !used[r] {
				t.Errorf("expected.txt:%d: nothing is like this", r.line)
			}
		}
	}
}
