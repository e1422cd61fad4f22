package integration_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxComment is how many columns a comment takes at most that has a line of its own, a
// tab counted as 4. CONTRIBUTING.md says so.
const maxComment = 100

// Comments have one width. What an example prints has its own.
func TestWidthOfComments(t *testing.T) {
	const root = ".."
	output := regexp.MustCompile(`^// (Output|Unordered output):`)
	files := 0
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "node_modules":
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		printed, n := false, 0
		for line := range bytes.Lines(text) {
			n++
			comment := strings.TrimSpace(string(line))
			if !strings.HasPrefix(comment, "//") {
				printed = false
				continue
			}
			printed = printed || output.MatchString(comment)
			width := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimRight(string(line), "\n"), "\t", "    "))
			if width > maxComment && !printed {
				t.Errorf("%s:%d: a comment of %d columns, want at most %d", name, n, width, maxComment)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}
