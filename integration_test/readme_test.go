package integration_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// documents are the README and docs, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, name := range append(names, "../README.md", "../ARCHITECTURE.md", "../CHANGELOG.md", "../CONTRIBUTING.md", "../SECURITY.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(text)
	}
	if len(texts) < 10 {
		t.Fatalf("only %d documents", len(texts))
	}
	return texts
}

// block is a piece of code in a document.
type block struct{ language, code string }

func blocks(text string) []block {
	var found []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		found = append(found, block{m[1], m[2]})
	}
	return found
}

// only is the only block of a language in a document.
func only(t *testing.T, text, language string) string {
	t.Helper()
	var found []string
	for _, b := range blocks(text) {
		if b.language == language {
			found = append(found, b.code)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks of %s, want 1", len(found), language)
	}
	return found[0]
}

// section is what a document has below a heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// The README is read in a few minutes: what is longer belongs into docs.
func TestTheREADMEIsShort(t *testing.T) {
	if n := strings.Count(documents(t)["README.md"], "\n"); n > 170 {
		t.Errorf("%d lines, want at most 170", n)
	}
}

// Every block of Go in the README and in docs compiles, as a package of its own in the
// module that has what it imports.
func TestGoInTheDocumentationCompiles(t *testing.T) {
	for name, text := range documents(t) {
		for i, b := range blocks(text) {
			if b.language == "go" {
				t.Run(name+" block "+strconv.Itoa(i+1), func(t *testing.T) { compile(t, moduleOf(b.code), b.code, os.DevNull) })
			}
		}
	}
}

// moduleOf is the folder of the module for source: an adapter's own, or this one.
func moduleOf(source string) string {
	if m := regexp.MustCompile(`"github.com/closeguard/ws/(adapters/\w+)"`).FindStringSubmatch(source); m != nil {
		folder := filepath.Join("..", m[1])
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
	}
	return "."
}

// compile builds source as if it were a package of the module in a folder: an overlay puts
// it there, and nothing is written beside the tests.
func compile(t *testing.T, module, source, output string) {
	t.Helper()
	here, err := filepath.Abs(module)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "block.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(here, "block", "block.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", output, "./block")
	build.Dir = here
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, source)
	}
}

// Whatever else stands in a block is run or compared by a test, too.
func TestBlocksOfOtherLanguages(t *testing.T) {
	tested := map[string]string{
		"README.md sh":       "TestEchoAsTheREADMEStartsIt",
		"doctor.md sh":       "cmd/closeguard: TestDocumentationsCommand",
		"README.md text":     "TestTheREADMEsServers",
		"events.md json":     "closeguard: TestTheDocumentationHasEveryKey",
		"moving.md sh":       "migration: TestClosevetMovesThem",
		"moving.md diff":     "migration: TestTheDocumentationShowsTheMigrations",
		"reconnecting.md js": "TestReconnecting",
		"shutdown.md yaml":   "examples/echo: TestTheDocumentationsFlags",
		"shutdown.md ini":    "examples/echo: TestTheDocumentationsFlags",
		"shutdown.md text":   "closeguard: TestTheDocumentationHasTheReport",
		"ARCHITECTURE.md ":   "it is a picture",
	}
	for name, text := range documents(t) {
		for _, b := range blocks(text) {
			if b.language != "go" && tested[name+" "+b.language] == "" {
				t.Errorf("%s has a block of %q that no test is for:\n%s", name, b.language, b.code)
			}
		}
	}
}

// Links lead to files and headings that are there.
func TestLinksInTheDocumentation(t *testing.T) {
	all := documents(t)
	anchors := func(text string) string {
		var b strings.Builder
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
			kept := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(m[1]), "")
			b.WriteString("#" + strings.ReplaceAll(kept, " ", "-") + "\n")
		}
		return b.String()
	}
	for name, text := range all {
		folder := "../docs"
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			folder = ".."
		}
		for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := text
			if file != "" {
				b, err := os.ReadFile(filepath.Join(folder, file))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				target = string(b)
			}
			if anchor != "" && !strings.Contains(anchors(target), "#"+anchor+"\n") {
				t.Errorf("%s: there is no heading for %s", name, m[1])
			}
		}
	}
}

// The numbers that the README tells stand in benchmarks.md: those of costs in cells of
// its tables, digit by digit, those of what arrives as its table has them for each client.
func TestNumbersOfTheREADME(t *testing.T) {
	all := documents(t)
	measured := all["benchmarks.md"]
	costs := quantities(section(t, all["README.md"], "What it costs"))
	if len(costs) < 10 {
		t.Errorf("only %q found", costs)
	}
	for _, n := range costs {
		if n != "1.00" && !isMeasured(n, measured) { // which is the same as bare
			t.Errorf("%s is not in benchmarks.md", n)
		}
	}
	changes := section(t, all["README.md"], "What changes for clients")
	for _, tt := range []struct{ row, measured string }{
		{"refuses a message of 20 MB", "upload of 20 MB"},
		{"closes with 1008 while", "flood"},
		{"shuts down", "shutdown"},
	} {
		_, row, ok := strings.Cut(changes, "\n| "+tt.row)
		row, _, _ = strings.Cut(row, "\n")
		if !ok {
			t.Errorf("no row %q", tt.row)
		}
		for _, library := range []string{"gorilla", "coder"} {
			bare, guarded := arrived(t, measured, tt.measured+", "+library)
			if want := fmt.Sprintf("%d %% (%s)", bare, library); bare > 0 && !strings.Contains(row, want) {
				t.Errorf("%s: want %s in %s", tt.row, want, row)
			}
			if want := fmt.Sprintf("| %d %%", guarded); !strings.Contains(row, want) {
				t.Errorf("%s: want %s in %s", tt.row, want, row)
			}
		}
	}
}

// quantities are all numbers in a text, with their units.
func quantities(text string) []string {
	return regexp.MustCompile(`\d(?:[\d,.]*\d)?(?: (?:%|(?:B|KiB|MiB|s|ms|µs)\b)|(?:s|ms|µs)\b)?`).FindAllString(text, -1)
}

// isMeasured reports whether a number stands by itself in a cell of a table.
func isMeasured(n, document string) bool {
	return regexp.MustCompile(`(?m)^\|.*[ +[]` + regexp.QuoteMeta(n) + `(\]| [|·[]| [^ |]+\])`).MatchString(document)
}

// A number that was measured otherwise is found.
func TestNumbersThatWereNotMeasured(t *testing.T) {
	const measured = "Of 18 pairs.\n\n| gorilla | 11,907 B | 12,235 B | +328 B | 0.863 [0.851 0.874] |\n" +
		"| coder, shutdown of 18,000 | 968ms | 12 · 2+1 | +705 B [+700 +710] | 100.0 % |\n"
	for text, want := range map[string][]string{
		"0.863 of bare's, between 0.851 and 0.874": nil,
		"328 B more, of 11,907 B, 705 B":           nil,
		"100.0 % arrive, in 968ms":                 nil,
		"0.86, that is 14 % less":                  {"0.86", "14 %"},
		"18 pairs":                                 {"18"}, // is in no table
		"328 KiB, or 907 B":                        {"328 KiB", "907 B"},
		"2.5 times as long, 968 ms":                {"2.5", "968 ms"},
	} {
		var missing []string
		for _, n := range quantities(text) {
			if !isMeasured(n, measured) {
				missing = append(missing, n)
			}
		}
		if !slices.Equal(missing, want) {
			t.Errorf("%s: %q are not there, want %q", text, missing, want)
		}
	}
}

// arrived is how many percent of a case's runs in benchmarks.md came out right, bare
// and guarded by the adapter.
func arrived(t *testing.T, measured, name string) (bare, guarded int) {
	t.Helper()
	row := regexp.MustCompile(`\| ` + regexp.QuoteMeta(name) + ` \| adapter \| ([\d+ ]+) \| ([\d+ ]+) \|`).FindStringSubmatch(measured)
	if row == nil {
		t.Fatalf("benchmarks.md has no row %q", name)
	}
	share := func(cells string) int {
		sum, clients := 0, strings.Fields(cells)
		for i, cell := range clients {
			right, unclean, _ := strings.Cut(cell, "+")
			n, _ := strconv.Atoi(right)
			sum += n
			if chromium := 4; i == chromium && !strings.HasPrefix(name, "shutdown") {
				n, _ = strconv.Atoi(unclean) // which benchmarks.md says why
				sum += n
			}
		}
		return int(math.Round(float64(100*sum) / float64(50*len(clients))))
	}
	return share(row[1]), share(row[2])
}
