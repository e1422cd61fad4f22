package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard/closetest"
)

// command runs one, and returns its exit status and what it wrote.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, output{&out, &err, false})
	return status, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name, args string
		status     int
		says       string
	}{
		{"nothing", "", 2, "usage:"},
		{"an unknown command", "cure", 2, "usage:"},
		{"help", "doctor -h", 0, "-yes-i-may-test-this-host"},
		{"no URL", "doctor", 2, "needs one URL"},
		{"two URLs", "doctor ws://127.0.0.1/ ws://127.0.0.1/", 2, "needs one URL"},
		{"another scheme", "doctor http://127.0.0.1/", 2, "must be ws or wss"},
		{"no host", "doctor ws:///x", 2, "no host"},
		{"not a URL", "doctor ws://%/", 2, "invalid URL escape"},
		{"an unknown flag", "doctor -x ws://127.0.0.1/", 2, "-x"},
		{"an unknown probe", "doctor -only echo/1 ws://127.0.0.1/", 2, "echo/1"},
		{"a heavy probe that was not allowed", "doctor -only heavy ws://127.0.0.1/", 2, "heavy"},
		{"no time", "doctor -timeout 0s ws://127.0.0.1/", 2, "-timeout"},
		{"a header without a name", "doctor -header x ws://127.0.0.1/", 2, "Name: value"},
		{"certificates that are not there", "doctor -ca /nowhere.pem wss://127.0.0.1/", 2, "/nowhere.pem"},
		{"another host", "doctor ws://192.0.2.1/", 2, "-yes-i-may-test-this-host"},
		{"nobody listens", "doctor ws://127.0.0.1:1/", 2, "nothing to examine"},
		{"a list", "doctor -list -heavy", 0, "heavy/refused-upload"},
		{"explain nothing", "explain", 2, "one code"},
		{"explain a word", "explain going-away", 2, "not a number"},
		{"explain", "explain 1006", 0, "TCP ended without a Close"},
		{"explain a catalog's", "explain 4401", 0, `GraphQL (graphql-transport-ws) calls it "unauthorized".`},
		{"codes", "codes", 0, "1010  mandatory extension         clients only"},
		{"codes of catalogs", "codes", 0, "Centrifugo: invalid token"},
		{"codes of something", "codes 1006", 2, "no arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := command(t, strings.Fields(tt.args)...)
			if status != tt.status || !strings.Contains(stdout+stderr, tt.says) {
				t.Errorf("status %d, want %d, and %q:\n%s%s", status, tt.status, tt.says, stdout, stderr)
			}
		})
	}
}

// The three reports are of the same results.
func TestReports(t *testing.T) {
	url := serve(t, polite)
	file := filepath.Join(t.TempDir(), "report.html")
	status, stdout, stderr := command(t, "doctor", "-json", "-html", file, "-timeout", "10s", "-only", "ping/short,echo/1000", url)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	var report struct {
		Verdict string
		Results []struct{ Probe, Seen, Verdict string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Verdict != "good" || len(report.Results) != 2 {
		t.Errorf("error %v in\n%s", err, stdout)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if !strings.Contains(string(page), r.Probe) || !strings.Contains(string(page), r.Seen) {
			t.Errorf("%+v is not in the page:\n%s", r, page)
		}
	}
}

// Who watches, and who says nothing, sees how the server goes, or that it doesn't.
func TestWatchAndIdle(t *testing.T) {
	servers := map[string]func(context.Context, net.Conn){
		"says why": sayGoodbye, "vanishes": opened(func(context.Context, *closetest.Peer) {}), "stays": polite,
	}
	for _, tt := range []struct {
		flags, server string
		status        int
		says          string
	}{
		{"-watch 3 -for 1m", "says why", 0, `restart/client-3  a Close, 1001 or 1012 mostly, then FIN (7.4.1)  Close 1012 service restart "bye", FIN  good`},
		{"-watch 3 -for 1m", "vanishes", 1, "no Close, FIN"},
		{"-watch 3 -for 1s", "stays", 2, "no Close, TCP open after 1s"},
		{"-idle 1m -only echo/1000", "says why", 1, `Close 1012 service restart "bye", FIN`},
		{"-idle 1m -only echo/1000", "vanishes", 1, "idle/quiet"},
		{"-idle 1s -only echo/1000", "stays", 0, "no Close, TCP open after 1s"},
	} {
		t.Run(tt.flags+" "+tt.server, func(t *testing.T) {
			args := append([]string{"doctor"}, strings.Fields(tt.flags)...)
			status, stdout, stderr := command(t, append(args, serve(t, servers[tt.server]))...)
			if status != tt.status || !strings.Contains(stdout, tt.says) {
				t.Errorf("status %d, want %d, and %s:\n%s%s", status, tt.status, tt.says, stdout, stderr)
			}
		})
	}
}
