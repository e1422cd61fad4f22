// Package child runs parts of this program in processes of their own, and
// calls them: net/rpc over standard input and output. Only then do a process's
// CPU time, memory and descriptors say something about one side.
package child

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
)

// variable holds a child's role.
const variable = "CLOSEGUARD_BENCHMARK_ROLE"

// Main serves the role this process was started for and exits when its parent
// is gone; in a process that was not started by [Start] it does nothing. A
// role is a value with methods as net/rpc wants them.
func Main(roles map[string]any) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Child", roles[name]); err != nil {
		fmt.Fprintf(os.Stderr, "benchmarks: role %q: %v\n", name, err)
		os.Exit(2)
	}
	server.ServeConn(pipes{os.Stdin, os.Stdout})
	os.Exit(0)
}

// Process is a running child.
type Process struct {
	cmd    *exec.Cmd
	client *rpc.Client
}

// Start starts a child with a role, on all cores or on one, which is the same for
// all that are started so.
func Start(role string, oneCore bool) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := cmd.Start
	if oneCore {
		start = func() error { return onOneCore(cmd.Start) }
	}
	if err := start(); err != nil {
		return nil, err
	}
	return &Process{cmd, rpc.NewClient(pipes{out, in})}, nil
}

// Call calls a method of the child's role; reply is a pointer.
func (p *Process) Call(method string, args, reply any) error {
	err := p.client.Call("Child."+method, args, reply)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// Close ends the child and waits for it.
func (p *Process) Close() {
	p.client.Close()
	p.cmd.Wait() //nolint:errcheck // how it exits says nothing
}

// None is for calls that take or return nothing.
type None struct{}

type pipes struct {
	io.ReadCloser
	io.WriteCloser
}

func (p pipes) Close() error { return errors.Join(p.ReadCloser.Close(), p.WriteCloser.Close()) }
