package proxies

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/closeguard/ws/integration_test/need"
)

// A proxy is one of the four, and how it is run in the foreground. Its signals
// go to the process that was started.
type proxy struct {
	name    string
	program []string // its names or paths
	config  string   // template of its file of settings
	args    func(config, dir string) []string
	ready   func(*running) bool // is asked when it answers already, nil: then it is
	reload  func(*testing.T, *running)
	stop    syscall.Signal // lets connections finish
	end     syscall.Signal // doesn't
}

var proxies = []*proxy{&nginx, &haproxy, &apache, &caddy}

// settings are what a template is filled with.
type settings struct {
	Dir     string // for all that the proxy writes
	Modules string // of apache
	Front   string // address to listen on
	Backend string
	Idle    int // seconds that a connection may be idle
	Version int // counts up with each reload, and is what it answers to /version
}

// A running proxy is a process group of its own.
type running struct {
	*proxy
	settings
	cmd  *exec.Cmd
	file string        // of its settings
	log  string        // file of what it writes
	gone chan struct{} // closed when the first process has ended
}

// start runs the proxy in front of backend until the test ends.
func (p *proxy) start(t *testing.T, backend string, idle int) *running {
	t.Helper()
	program := need.Program(t, p.program...)
	dir := t.TempDir()
	r := &running{
		proxy:    p,
		settings: settings{Dir: dir, Modules: modules, Front: need.FreeAddr(t), Backend: backend, Idle: idle},
		file:     filepath.Join(dir, "proxy.conf"),
		log:      filepath.Join(dir, "proxy.log"),
		gone:     make(chan struct{}),
	}
	r.configure(t)
	log, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.cmd = exec.Command(program, p.args(r.file, dir)...)
	r.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	// The signal is for a test that ends in a panic.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: p.end}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.gone)
		r.cmd.Wait()
	}()
	t.Cleanup(func() { r.cleanUp(t) })
	r.await(t, "is ready", func() bool { return r.runs() && (p.ready == nil || p.ready(r)) })
	return r
}

// runs reports whether it answers as its file of settings says.
func (r *running) runs() bool {
	fresh := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	resp, err := fresh.Get("http://" + r.Front + "/version")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return err == nil && strings.TrimSpace(string(said)) == strconv.Itoa(r.Version)
}

// configure writes the file of settings, which differs from the last one.
func (r *running) configure(t *testing.T) {
	t.Helper()
	var text bytes.Buffer
	r.Version++
	if err := template.Must(template.New("").Parse(r.config)).Execute(&text, r.settings); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits for what no event tells, as long as the proxy runs.
func (r *running) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-look.C {
		select {
		case <-r.gone:
			t.Fatalf("%s ended before it %s:\n%s", r.name, what, r.wrote())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("20 s later it is not true that %s %s:\n%s", r.name, what, r.wrote())
		}
	}
}

// signal sends the first process a signal.
func (r *running) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
}

// kill ends all its processes at once.
func (r *running) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Errorf("%s: kill: %v", r.name, err)
	}
}

// freeze makes all its processes stand still.
func (r *running) freeze(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Errorf("%s: stop: %v", r.name, err)
	}
}

// cleanUp ends the proxy, and leaves no process of it.
func (r *running) cleanUp(t *testing.T) {
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH { // they may have ended by themselves
		t.Errorf("%s: kill: %v", r.name, err)
	}
	<-r.gone
	for deadline := time.Now().Add(10 * time.Second); len(r.processes()) > 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s: processes %v are left", r.name, r.processes())
			break
		}
	}
	if t.Failed() {
		t.Logf("%s wrote:\n%s", r.name, r.wrote())
	}
}

// processes are those of the group that run.
func (r *running) processes() (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // behind the name: state, parent, group
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[2] == strconv.Itoa(r.cmd.Process.Pid) && fields[0] != "Z" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func (r *running) wrote() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
