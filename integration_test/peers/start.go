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

// Start starts the client of that name, one of Names. It runs until Close. The error is a
// *MissingError if something isn't installed.
func Start(name string) (*Client, error) {
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
	node, err := Node(c.name)
	if err != nil {
		return err
	}
	return c.process(node, script)
}

// Node finds Node.js, if the package of npm is there, too.
func Node(pkg string) (program string, err error) {
	node, err := look(pkg, "node")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder(), "node_modules", pkg)); err != nil {
		return "", &MissingError{pkg, "npm package " + pkg}
	}
	return node, nil
}

func (c *Client) python(script string) error {
	python, err := python(c.name)
	if err != nil {
		return err
	}
	return c.process(python, slices.Concat(pythonFlags, []string{script})...)
}

var pythonFlags = []string{"-B", "-X", "utf8"}

// python finds Debian's interpreter, which the packages are for; the first one of PATH can
// be another.
func python(pkg string) (program string, err error) {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		python, err := exec.LookPath(name)
		if err == nil && exec.Command(python, "-c", "import "+pkg).Run() == nil { // one of two names
			return python, nil
		}
	}
	return "", &MissingError{pkg, "Python package " + pkg}
}

func (c *Client) java() error {
	if _, err := look(c.name, "javac"); err != nil { // without which java doesn't run a source file
		return err
	}
	java, err := look(c.name, "java")
	if err != nil {
		return err
	}
	return c.process(java, "java/Jobs.java")
}

// look finds the first of these programs that is installed.
func look(peer string, names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{peer, names[0]}
}
