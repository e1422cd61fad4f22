package clients

import (
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func (c *Client) chromium(dir string) error {
	chromium, err := look("chromium", "chromium-browser", "google-chrome")
	if err != nil {
		return err
	}
	c.Unclean = true
	return c.browser(func(url string) *exec.Cmd {
		return exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir, "--no-first-run", // an installed browser
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", url)
	})
}

func (c *Client) firefox(dir string) error {
	firefox, err := look("firefox-esr", "firefox")
	if err != nil {
		return err
	}
	// Nothing is asked of the network, and a connection that failed doesn't
	// delay the next one.
	const prefs = `user_pref("network.websocket.delay-failed-reconnects", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("services.settings.server", "http://127.0.0.1:1/");
user_pref("network.proxy.type", 0);
`
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(prefs), 0o600); err != nil {
		return err
	}
	return c.browser(func(url string) *exec.Cmd {
		return exec.Command(firefox, "--headless", "--no-remote", "--profile", dir, url) // an installed browser
	})
}

// browser serves the page that does the jobs, and opens it.
func (c *Client) browser(command func(url string) *exec.Cmd) error {
	files, err := fs.Sub(scripts, "scripts")
	if err != nil {
		return err
	}
	jobs := make(chan Job, 1000)
	c.send = func(j Job) error {
		jobs <- j
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	mux.HandleFunc("/jobs", func(w http.ResponseWriter, r *http.Request) {
		var due []Job
		select {
		case j := <-jobs:
			due = append(due, j)
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
			return
		}
		for len(jobs) > 0 {
			due = append(due, <-jobs)
		}
		json.NewEncoder(w).Encode(append([]Job{}, due...)) //nolint:errcheck // the browser is gone
	})
	mux.HandleFunc("/results", func(_ http.ResponseWriter, r *http.Request) {
		var result Result
		if json.NewDecoder(r.Body).Decode(&result) == nil {
			c.answer(result)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: mux} // its client is a browser of ours
	go s.Serve(l)                   //nolint:errcheck // Close ends it
	cmd := command("http://" + l.Addr().String() + "/page.html")
	// A browser is many processes, which end with their group.
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		s.Close()
		return err
	}
	go func() {
		defer close(c.dead)
		cmd.Wait() //nolint:errcheck // jobs fail, that is how one learns of it
	}()
	c.close = func() {
		killGroup(cmd)
		<-c.dead
		s.Close()
	}
	return nil
}
