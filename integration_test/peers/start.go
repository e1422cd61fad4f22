package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// Names are the clients that there are.
func Names() []string {
	var names []string
	for _, d := range drivers {
		names = append(names, d.name)
	}
	return names
}

// A driver starts a client.
type driver struct {
	name  string
	start func(*Client) error
}

var drivers = []driver{
	{"chromium", (*Client).chromium},
	{"firefox", (*Client).firefox},
	{"webkit", (*Client).webkit},
	{"ws", func(c *Client) error { return c.node("ws.mjs") }},
	{"undici", func(c *Client) error { return c.node("undici.mjs") }},
	{"websockets", func(c *Client) error { return c.python("python/websockets_jobs.py") }},
	{"aiohttp", func(c *Client) error { return c.python("python/aiohttp_jobs.py") }},
	{"jdk", (*Client).java},
}

func start(name string) (*Client, error) {
	i := slices.IndexFunc(drivers, func(d driver) bool { return d.name == name })
	if i < 0 {
		return nil, fmt.Errorf("peers: %q is not a client: %q", name, Names())
	}
	c := newClient(name)
	if err := drivers[i].start(c); err != nil {
		return nil, err
	}
	return c, nil
}

// folder is this package's, with the scripts.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

func (c *Client) node(script string) error {
	node, err := c.lookNode()
	if err != nil {
		return err
	}
	return c.process(node, script)
}

// lookNode finds Node.js, if the npm package of the client's name is there, too.
func (c *Client) lookNode() (string, error) {
	node, err := c.look("node")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder(), "node_modules", c.name)); err != nil {
		return "", &missingError{c.name, "npm package " + c.name}
	}
	return node, nil
}

func (c *Client) python(script string) error {
	python, err := c.lookPython()
	if err != nil {
		return err
	}
	return c.process(python, slices.Concat(pythonFlags, []string{script})...)
}

var pythonFlags = []string{"-B", "-X", "utf8"}

// lookPython finds Debian's interpreter, which the packages are for; the first
// one of PATH can be another.
func (c *Client) lookPython() (string, error) {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		python, err := exec.LookPath(name)
		if err == nil && exec.Command(python, "-c", "import "+c.name).Run() == nil { // one of two names
			return python, nil
		}
	}
	return "", &missingError{c.name, "Python package " + c.name}
}

func (c *Client) java() error {
	if _, err := c.look("javac"); err != nil { // without which java doesn't run a source file
		return err
	}
	java, err := c.look("java")
	if err != nil {
		return err
	}
	return c.process(java, "java/Jobs.java")
}

// look finds the first of these programs that is installed.
func (c *Client) look(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &missingError{c.name, names[0]}
}
