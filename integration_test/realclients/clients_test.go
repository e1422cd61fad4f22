package realclients

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers"
	"github.com/closeguard/ws/integration_test/peers/peertest"
)

// Whoever closes, and however: what the client sees and what the server's event
// says is what expected.txt has of it, with all endpoints alike but where that
// says so.
func TestRealClients(t *testing.T) {
	for _, name := range peers.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := visitor{client: peertest.Start(t, name), expected: expect(t, name)}
			closings := slices.Concat(byServer(), byClient(name))
			schemes := []string{"wss", "ws"}
			if name == "firefox" { // takes no certificate of a test server's
				schemes = schemes[1:]
			}
			for _, scheme := range schemes {
				t.Run(scheme, func(t *testing.T) {
					v.site = serve(t, scheme)
					for _, e := range endpoints {
						t.Run(e.library+" "+e.use, func(t *testing.T) { v.each(t, e, closings) })
					}
					t.Run("shutdown", v.shutDown)
				})
			}
			t.Run("killed", v.kill)
		})
	}
}

// A visitor is a client at a site.
type visitor struct {
	client   *peers.Client
	site     *site
	expected expected
}

// each does these closings, several at a time: browsers slow down beyond that.
func (v *visitor) each(t *testing.T, e endpoint, closings []closing) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, 8)
	for _, c := range closings {
		slots <- struct{}{}
		wg.Go(func() {
			path := v.site.expect(e, c.plan)
			c.job.URL = v.site.url + path
			result, err := v.client.Run(t.Context(), c.job)
			<-slots
			if err != nil {
				t.Errorf("%s, %s: %v", c.by, c.with, err)
				return
			}
			v.check(t, c, e, path, sees(result))
		})
	}
}

// check compares what the client saw and what the server's event says with the
// data file.
func (v *visitor) check(t *testing.T, c closing, e endpoint, path, seen string) {
	told := v.site.ended(t, path)
	want, err := v.expected.of(c, e)
	switch {
	case err != nil:
		t.Errorf("%s | %s | the client sees %s | the server tells %s: %v", c.by, c.with, seen, told, err)
	case !c.matches(want.sees, seen) || !c.matches(want.tells, told):
		t.Errorf("%s | %s | the client sees %s | the server tells %s; expected.txt:%d: %s | %s",
			c.by, c.with, seen, told, want.line, want.sees, want.tells)
	}
}

// shutDown shuts the guard down while a connection is open at each endpoint.
func (v *visitor) shutDown(t *testing.T) {
	v.together(t, shutdown, func() {
		if _, err := v.site.guard.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// kill kills the client while a connection is open at each endpoint.
func (v *visitor) kill(t *testing.T) {
	v.site = serve(t, "ws")
	v.together(t, killed, v.client.Kill)
}

// together opens a connection at each endpoint, ends them all and checks how.
func (v *visitor) together(t *testing.T, c closing, end func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	open := make(chan struct{}, len(endpoints))
	c.plan = func(_ *closeguard.Handle, s socket) error {
		open <- struct{}{}
		_, _, err := s.Read()
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, e := range endpoints {
		path := v.site.expect(e, c.plan)
		wg.Go(func() {
			seen := "nothing"
			if result, err := v.client.Run(ctx, peers.Job{Kind: peers.Text, URL: v.site.url + path, Texts: []string{"here"}}); err == nil {
				seen = sees(result)
			}
			v.check(t, c, e, path, seen)
		})
	}
	for range endpoints {
		select {
		case <-open:
		case <-ctx.Done():
			t.Error("not all connections have opened within 30 s")
		}
	}
	end()
}
