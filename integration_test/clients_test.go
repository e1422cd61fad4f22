package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"github.com/closeguard/ws/integration_test/peers"
	"github.com/closeguard/ws/integration_test/peers/peertest"
)

// buildEcho builds the echo example.
func buildEcho(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "echo")
	build := exec.Command("go", "build", "-modfile=newest.mod", "-o", program, "./examples/echo")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// startEcho runs the echo example as a user would; it ends with the test, on SIGTERM, and
// has to exit 0.
func startEcho(t *testing.T) (base string) {
	t.Helper()
	server := exec.Command(buildEcho(t), "-addr", "127.0.0.1:0")
	_, stdout := startProgram(t, server)
	lines := bufio.NewScanner(stdout)
	for base == "" && lines.Scan() {
		var line struct{ URL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		base = strings.TrimSuffix(line.URL, "/")
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for lines.Scan() {
			if !json.Valid(lines.Bytes()) {
				t.Errorf("log line %q", lines.Text())
			}
		}
	}()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		<-logged
		if err := server.Wait(); err != nil {
			t.Errorf("echo: %v", err)
		}
	})
	return base
}

// recorded is what the echo server knows of a connection.
type recorded struct {
	Ending       string `json:"ending"`
	Clean        bool   `json:"clean"`
	SentCode     int    `json:"sent_code"`
	SentReason   string `json:"sent_reason"`
	ReceivedCode int    `json:"received_code"`
}

func closesOf(t *testing.T, base, tag string) []recorded {
	t.Helper()
	resp, err := http.Get(base + "/closes.json?t=" + tag)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var closes []recorded
	if err := json.NewDecoder(resp.Body).Decode(&closes); err != nil {
		t.Fatal(err)
	}
	return closes
}

// A server that closes while its client is still sending: in every run the
// client gets code and reason, and both sides know that the end was clean. The
// handlers contain no wait. What the unguarded endpoints do is reported beside
// it and not asserted: it depends on the machine.
func TestClosesArriveWhileTheClientSends(t *testing.T) {
	const runs, bareRuns = 20, 5
	cases := []struct {
		name   string
		job    peers.Job
		code   int
		reason map[string]string // by library
	}{
		{"20 MB against 64 KiB", peers.Job{Kind: peers.Upload, Size: 20 * 1000 * 1000}, 1009,
			map[string]string{"gorilla": "", "coder": "read limited at 65537 bytes"}},
		{"close while flooded", peers.Job{Kind: peers.Flood, Texts: []string{"/close 1008 slow down"}}, 1008,
			map[string]string{"gorilla": "slow down", "coder": "slow down"}},
	}
	base := startEcho(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tclient\tendpoint\tright\tseen")
	for _, tt := range cases {
		for _, client := range []string{"ws", "undici"} {
			for _, path := range []string{"/gorilla", "/coder", "/plain/gorilla", "/plain/coder", "/bare/gorilla", "/bare/coder"} {
				bare := strings.HasPrefix(path, "/bare")
				n, reason := runs, tt.reason[filepath.Base(path)]
				if bare {
					n = bareRuns
				}
				right, seen := 0, map[string]int{}
				t.Run(tt.name+" "+client+path, func(t *testing.T) {
					c := peertest.Shared(t, client)
					for i := range n {
						tag := strings.NewReplacer(" ", "-", "/", "-").Replace(fmt.Sprintf("%s-%s-%s-%d", tt.name, client, path, i))
						job := tt.job
						job.URL = "ws" + strings.TrimPrefix(base, "http") + path + "?t=" + tag
						r, err := c.Run(t.Context(), job)
						if err != nil {
							t.Fatal(err)
						}
						seen[fmt.Sprintf("%d clean=%t", r.Code, r.WasClean)]++
						if r.Code == tt.code && r.Reason == reason && r.WasClean {
							right++
						} else if !bare {
							t.Errorf("run %d: the client saw %+v", i, r)
						}
						if bare {
							continue
						}
						want := []recorded{{"local_closed", true, tt.code, reason, tt.code}}
						var got []recorded
						eventually(t, func() string { return fmt.Sprintf("run %d: the server recorded %+v, want %+v", i, got, want) }, func() bool {
							got = closesOf(t, base, tag)
							return slices.Equal(got, want)
						})
					}
				})
				fmt.Fprintf(w, "%s\t%s\t%s\t%d of %d\t%v\n", tt.name, client, path, right, n, seen)
			}
		}
	}
	w.Flush()
	t.Logf("\n%s", table.String())
}
