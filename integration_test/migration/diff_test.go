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
			added, diff := compare(source(t, filepath.Join(program, "before")), source(t, filepath.Join(program, "after")))
			if n := len(added); n == 0 || n > maxAdded {
				t.Errorf("%d lines added, want 1 to %d:\n%s", n, maxAdded, diff)
			}
		})
	}
}

// The two commands of docs/moving.md make of each program what it is after, whose tests are
// those of this package.
func TestClosevetMovesThem(t *testing.T) {
	moving, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^closevet (-fix.*?) \./\.\.\.`).FindAllSubmatch(moving, -1)
	if len(commands) != 2 {
		t.Fatalf("%d commands in docs/moving.md, want 2", len(commands))
	}
	closevet := filepath.Join(t.TempDir(), "closevet")
	run(t, "../../closevet", "go", "build", "-o", closevet, ".")
	moved := copyOf(t)
	for _, command := range commands {
		run(t, moved, closevet, append(strings.Fields(string(command[1])), "./...")...)
	}
	for _, program := range programs {
		missing, diff := compare(source(t, filepath.Join(moved, program)), source(t, filepath.Join(program, "after")))
		if len(missing) > 0 {
			t.Errorf("what closevet makes of %s lacks these lines: %q\n%s", program, missing, diff)
		}
	}
}

// copyOf returns a module that has the programs as they are before.
func copyOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("=> ../\n"), []byte("=> "+root+"\n"), 1)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range programs {
		if err := os.CopyFS(filepath.Join(dir, program), os.DirFS(filepath.Join(program, "before"))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
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
		_, diff := compare(source(t, filepath.Join(program, "before")), source(t, filepath.Join(program, "after")))
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

// source reads the files of a program.
func source(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
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

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
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
