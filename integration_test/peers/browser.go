package peers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func (c *Client) chromium() error {
	chromium, err := look(c.name, "chromium", "chromium-browser", "google-chrome")
	if err != nil {
		return err
	}
	return c.browser(syscall.SIGKILL, func(profile, url string) (*exec.Cmd, error) {
		return exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+profile, "--no-first-run", // an installed browser
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
			"--disable-popup-blocking", "--ignore-certificate-errors", url), nil
	})
}

func (c *Client) firefox() error {
	firefox, err := look(c.name, "firefox-esr", "firefox")
	if err != nil {
		return err
	}
	// Nothing is asked of the network, pages may open tabs, and a connection
	// that failed doesn't delay the next one.
	const prefs = `user_pref("network.websocket.delay-failed-reconnects", false);
user_pref("dom.disable_open_during_load", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("services.settings.server", "http://127.0.0.1:1/");
user_pref("network.proxy.type", 0);
`
	return c.browser(syscall.SIGKILL, func(profile, url string) (*exec.Cmd, error) {
		err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600)
		return exec.Command(firefox, "--headless", "--no-remote", "--profile", profile, url), err // an installed browser
	})
}

// webkit is WebKitGTK, Safari's engine: its MiniBrowser, on a screen in memory.
// They have nothing to do at SIGTERM but to remove the screen's lock.
func (c *Client) webkit() error {
	screen, err := look(c.name, "xvfb-run")
	if err != nil {
		return err
	}
	browsers, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.1/MiniBrowser")
	if err != nil || len(browsers) == 0 {
		return &MissingError{c.name, "libwebkit2gtk-4.1-0"}
	}
	err = c.browser(syscall.SIGTERM, func(profile, url string) (*exec.Cmd, error) {
		cmd := exec.Command(screen, "-a", browsers[0], "--ignore-tls-errors", "--javascript-can-open-windows-automatically=true", url) // an installed browser
		cmd.Env = append(os.Environ(), "HOME="+profile, "XDG_RUNTIME_DIR="+profile, "TMPDIR="+profile, "LIBGL_ALWAYS_SOFTWARE=1",
			"WEBKIT_DISABLE_COMPOSITING_MODE=1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1") // CI is root
		return cmd, nil
	})
	c.kill = c.end // all its processes: the first one is the screen's
	return err
}

// browser serves the page that runs jobs, and opens it with a new profile. In
// the end all the browser's processes get the signal.
func (c *Client) browser(end syscall.Signal, command func(profile, url string) (*exec.Cmd, error)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("peers: client %s: %w", c.name, err)
	}
	profile, err := os.MkdirTemp("", "closeguard-"+c.name+"-")
	if err != nil {
		return errors.Join(err, l.Close())
	}
	cmd, err := command(profile, "http://"+l.Addr().String()+"/page.html")
	if err == nil {
		// A browser is many processes, which end with their group.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		err = cmd.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("peers: client %s: %w", c.name, err), l.Close(), os.RemoveAll(profile))
	}
	server := &http.Server{Handler: c.page()} // its client is a browser of ours
	go server.Serve(l)                        //nolint:errcheck // Close ends it
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // its jobs fail, which is how one learns of it
	}()
	c.kill = func() { _ = cmd.Process.Kill() } // it may have ended
	c.end = func() {
		_ = syscall.Kill(-cmd.Process.Pid, end) // as above
		<-c.ended
		_ = server.Close()
		_ = os.RemoveAll(profile) // its processes may still be busy ending
	}
	return nil
}

// page serves the page, and what it asks for.
func (c *Client) page() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join(folder(), "browser"))))
	mux.HandleFunc("/jobs.mjs", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(folder(), "jobs.mjs"))
	})
	mux.HandleFunc("/jobs", func(w http.ResponseWriter, r *http.Request) {
		select {
		case job := <-c.jobs:
			_, _ = w.Write(job) // or the browser is gone
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/results", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = c.answer(body)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	return mux
}
