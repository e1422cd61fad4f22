package doctor

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// The example's endpoints are as bad, or good, as the libraries that serve them.
func TestExample(t *testing.T) {
	t.Parallel()
	base := startExample(t)
	for _, library := range []string{"gorilla", "coder"} {
		for path, use := range map[string]string{"/bare/": "bare", "/plain/": "guarded", "/": "guarded"} {
			t.Run(path+library, func(t *testing.T) {
				t.Parallel()
				Check(t, library+" "+use, base+path+library, "-heavy")
			})
		}
	}
}

// startExample runs examples/echo until the test ends, and returns its URL.
func startExample(t *testing.T) string {
	t.Helper()
	if _, err := Built(); err != nil { // it makes the folder
		t.Fatal(err)
	}
	program, err := build("./examples/echo")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatal("the example said nothing: ", lines.Err())
	}
	var said struct{ URL string }
	if err := json.Unmarshal(lines.Bytes(), &said); err != nil || said.URL == "" {
		t.Fatalf("the example said %q: %v", lines.Text(), err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	return "ws" + strings.TrimSuffix(strings.TrimPrefix(said.URL, "http"), "/")
}
