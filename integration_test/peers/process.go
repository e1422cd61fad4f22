package peers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// process starts a client that takes jobs on its standard input, one a line,
// and writes results to its standard output. It ends when its input does.
func (c *Client) process(name string, args ...string) error {
	cmd, stdin, stdout, err := piped(name, args)
	if err != nil {
		return fmt.Errorf("peers: client %s: %w", c.name, err)
	}
	c.kill = func() { _ = cmd.Process.Kill() } // it may have ended
	c.end = c.Kill
	go c.write(stdin)
	go func() {
		defer close(c.ended)
		c.read(stdout)
		_ = cmd.Process.Kill() // if it was its output that can't be understood
		_ = cmd.Wait()         // its jobs fail, which is how one learns of it
	}()
	return nil
}

// piped starts a program of this folder's.
func piped(name string, args []string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.Reader, err error) {
	cmd = exec.Command(name, args...)
	cmd.Dir = folder()
	cmd.Stderr = struct{ io.Writer }{os.Stderr} // not the file itself: Node.js would make it non-blocking, and go test's output be lost
	if stdin, err = cmd.StdinPipe(); err != nil {
		return nil, nil, nil, err
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, nil, nil, err
	}
	return cmd, stdin, stdout, cmd.Start()
}

func (c *Client) write(stdin io.WriteCloser) {
	defer stdin.Close()
	for {
		select {
		case line := <-c.jobs:
			if _, err := stdin.Write(append(line, '\n')); err != nil {
				return
			}
		case <-c.ended:
			return
		}
	}
}

func (c *Client) read(stdout io.Reader) {
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := c.answer(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
	}
}
