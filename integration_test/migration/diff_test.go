package migration_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxAdded is how many lines a migration may cost, imports included.
const maxAdded = 6

var programs = []string{"chat", "feed"}

func TestMigrationAddsFewLines(t *testing.T) {
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			added, diff := compare(source(t, program, "before"), source(t, program, "after"))
			if n := len(added); n == 0 || n > maxAdded {
				t.Errorf("%d lines added, want 1 to %d:\n%s", n, maxAdded, diff)
			}
		})
	}
}

// What the rewrites of docs/moving.md make of a program is what it needs to be after:
// only imports, the guard and the types of fields and parameters are missing.
func TestRewritesDoTheRest(t *testing.T) {
	gofmt, err := exec.LookPath("gofmt")
	if err != nil {
		t.Fatal(err) // it comes with Go
	}
	moving, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`gofmt -r '(.+?)'`).FindAllSubmatch(moving, -1)
	if len(rules) != 3 {
		t.Fatalf("%d rewrites in docs/moving.md, want 3", len(rules))
	}
	byHand := regexp.MustCompile(`^\t"github\.com/closeguard/ws/|^var guard, |\*(gorilla|coder)\.Conn\b`)
	used := make([]bool, len(rules))
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			rewritten := source(t, program, "before")
			for file, text := range rewritten {
				for i, rule := range rules {
					out := run(t, text, gofmt, "-r", string(rule[1]))
					used[i] = used[i] || out != text
					text = out
				}
				rewritten[file] = text
			}
			missing, diff := compare(rewritten, source(t, program, "after"))
			missing = slices.DeleteFunc(missing, byHand.MatchString)
			if len(missing) > 0 {
				t.Errorf("the rewrites don't make these lines: %q\n%s", missing, diff)
			}
		})
	}
	for i, rule := range rules {
		if !used[i] {
			t.Errorf("%s changes nothing", rule[1])
		}
	}
}

var update = flag.Bool("update", false, "write what the programs differ in into docs/moving.md")

// docs/moving.md shows what the programs differ in; -update writes it.
func TestTheDocumentationShowsTheMigrations(t *testing.T) {
	const file = "../../docs/moving.md"
	moving, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(moving)
	for _, program := range programs {
		_, diff := compare(source(t, program, "before"), source(t, program, "after"))
		begin := "<!-- made by integration_test/migration: " + program + " -->\n"
		before, rest, ok := strings.Cut(text, begin)
		shown, after, closed := strings.Cut(rest, "<!-- end -->")
		if !ok || !closed {
			t.Fatalf("docs/moving.md has no place for %s", program)
		}
		want := "```diff\n" + diff + "```\n"
		if shown != want && !*update {
			t.Errorf("docs/moving.md doesn't have what %s differs in (-update writes it):\n%s", program, diff)
		}
		text = before + begin + want + "<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// source reads the files of one version of a program.
func source(t *testing.T, program, version string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(program, version, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of %s %s: %v", program, version, err)
	}
	texts := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &stderr)
	}
	return string(out)
}

// compare returns the lines that after has and before hasn't, and the whole
// difference for people.
func compare(before, after map[string]string) (added []string, diff string) {
	var text strings.Builder
	names := make(map[string]bool)
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, now := strings.Split(before[name], "\n"), strings.Split(after[name], "\n")
		common := commonLines(old, now)
		for i, j := 0, 0; i < len(old) || j < len(now); {
			switch {
			case i < len(old) && j < len(now) && old[i] == now[j]:
				i, j = i+1, j+1
			case j == len(now) || i < len(old) && common[i+1][j] >= common[i][j+1]:
				text.WriteString("-" + old[i] + "\n")
				i++
			default:
				text.WriteString("+" + now[j] + "\n")
				added = append(added, now[j])
				j++
			}
		}
	}
	return added, text.String()
}

// commonLines counts, for each pair of places, the lines behind them that a and
// b have in common, in order.
func commonLines(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
