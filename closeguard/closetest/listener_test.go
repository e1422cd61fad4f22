package closetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard/closetest"
)

var _ net.Listener = (*closetest.Listener)(nil)

// A whole HTTP exchange in fake time: a slow answer costs no time, and Shutdown leaves
// nothing behind.
func TestServeHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closetest.Listen()
		remotes := make(map[string]bool)
		srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			remotes[r.RemoteAddr] = true
			body, _ := io.ReadAll(r.Body)
			time.Sleep(time.Minute)
			w.Write(body)
		})}
		defer srv.Close()
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()

		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }}
		defer transport.CloseIdleConnections()
		client := http.Client{Transport: transport}
		start := time.Now()
		for i := range 3 {
			want := strings.Repeat(fmt.Sprint(i), 200_000)
			resp, err := client.Post("http://example.com/", "text/plain", strings.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != want {
				t.Fatalf("%d bytes, %v, want the %d bytes sent", len(got), err, len(want))
			}
			resp.Body.Close()
		}
		if d := time.Since(start); d != 3*time.Minute {
			t.Errorf("three slow requests took %v, want 3m0s", d)
		}
		if len(remotes) != 1 {
			t.Errorf("clients %v, want one connection kept alive", remotes)
		}

		if err := srv.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v, want %v", err, http.ErrServerClosed)
		}
		if _, err := client.Get("http://example.com/"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Get after Shutdown: %v, want ECONNREFUSED", err)
		}
	})
}

func TestDialAndAcceptMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closetest.Listen()
		go func() {
			server, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			if server.LocalAddr() != l.Addr() {
				t.Errorf("the server's address is %v, want the listener's %v", server.LocalAddr(), l.Addr())
			}
			io.Copy(server, server)
			server.Close()
		}()
		client, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if client.RemoteAddr() != l.Addr() {
			t.Errorf("the client's peer is %v, want the listener %v", client.RemoteAddr(), l.Addr())
		}
		fmt.Fprint(client, "hello")
		client.(*closetest.PipeConn).CloseWrite()
		if got, err := io.ReadAll(client); string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v, want hello", got, err)
		}
	})
}

func TestListenerClose(t *testing.T) {
	accept := func(ctx context.Context, l *closetest.Listener) error { _, err := l.Accept(); return err }
	dial := func(ctx context.Context, l *closetest.Listener) error { _, err := l.Dial(ctx); return err }
	for _, tt := range []struct {
		name string
		call func(context.Context, *closetest.Listener) error
		want error
	}{
		{"Accept", accept, net.ErrClosed},
		{"Dial", dial, syscall.ECONNREFUSED},
		{"Close", func(_ context.Context, l *closetest.Listener) error { l.Close(); return l.Close() }, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := closetest.Listen()
				blocked := make(chan error, 1)
				go func() { blocked <- tt.call(t.Context(), l) }()
				synctest.Wait()
				l.Close()
				after := tt.call(t.Context(), l)
				for when, err := range map[string]error{"blocked": <-blocked, "after Close": after} {
					var op *net.OpError
					if !errors.As(err, &op) || op.Net != "pipe" || !errors.Is(err, tt.want) {
						t.Errorf("%s: %v, want a *net.OpError with %v", when, err, tt.want)
					}
				}
			})
		})
	}
}

func TestDialObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closetest.Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := l.Dial(ctx)
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("Dial that nobody accepts: %v after %v, want the context's error after 1s", err, d)
		}
		go l.Accept()
		synctest.Wait()
		for range 20 {
			if _, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Dial with a context that has ended: %v", err)
			}
		}
		l.Close()
	})
}
