package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// scale is set by make scale: rounds that take long run in full.
var scale = os.Getenv("CLOSEGUARD_SCALE") != ""

// A shutdown comes while 200 clients connect and leave as fast as they can, in
// every way there is: none is left behind, and none is reported twice.
func TestShutdownAtFullSpeed(t *testing.T) {
	rounds := 8
	if scale {
		rounds = 100
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) { bubble(t, func(t *testing.T) { rush(t, int64(150+round*37%400)) }) })
	}
}

// rush shuts down when so many connections have opened.
func rush(t *testing.T, enough int64) {
	log := new(recorder)
	var opened atomic.Int64
	rushHour := make(chan struct{})
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log, closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
		if _, ok := ev.(*closeguard.Opened); ok && opened.Add(1) == enough {
			close(rushHour)
		}
	})}})
	listener := listen(t, g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := upgrade(t, w)
		read := func() error {
			p := make([]byte, 512)
			for {
				if _, err := c.Read(p); err != nil {
					return err
				}
			}
		}
		if strings.HasSuffix(r.URL.Path, "serve") { // as an adapter's handler
			c.(*closeguard.Conn).Driver().Serve(read)
			return
		}
		read()
		c.Close()
	})))

	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			for n := i; visitInARush(t, listener, n); n++ {
			}
		})
	}
	<-rushHour
	before := len(log.Closed())
	began := time.Now()
	report, err := g.Shutdown(context.Background())
	if err != nil || time.Since(began) > 6*time.Second {
		t.Errorf("%v, %v after %v", report, err, time.Since(began))
	}
	all := log.Closed()
	clients.Wait()

	if again := log.Closed(); len(again) != len(all) {
		t.Errorf("%d connections ended after the shutdown", len(again)-len(all))
	}
	shut := 0
	for number := range opened.Load() {
		if ev := log.ending(t, uint64(number+1)); ev != nil && errors.Is(ev, closeguard.ErrShutdown) {
			shut++
		}
	}
	if n := report.Total(); n < shut || n > len(all)-before {
		t.Errorf("%d are in the report; %d were shut down, %d of %d ended before", n, shut, before, len(all))
	}
	if n := started(0); n != 0 {
		t.Errorf("%d goroutines are left", n)
	}
}

// visitInARush connects and leaves in the n-th way; false if it was refused.
func visitInARush(t *testing.T, listener *closetest.Listener, n int) bool {
	c, err := listener.Dial(t.Context())
	if err != nil {
		t.Error(err)
		return false
	}
	v := &visit{c.(*closetest.PipeConn), t}
	defer v.Close()
	request := askUpgrade
	if n%2 == 0 {
		request = strings.Replace(request, "/chat/42", "/serve", 1)
	}
	io.WriteString(v, request)
	switch head := v.head(); {
	case strings.HasPrefix(head, "HTTP/1.1 503 "):
		return false
	case !strings.HasPrefix(head, "HTTP/1.1 101 "):
		t.Errorf("head: %q", head)
		return false
	}
	answer := wireBytes(closeguard.Client, closeWith(1000, ""))
	switch n % 5 {
	case 0: // closes at once
		v.Write(answer)
	case 1: // vanishes
		v.Reset()
		return true
	case 2: // leaves without a word
		return true
	case 3: // leaves in the middle of a frame
		v.Write(answer[:3])
		return true
	}
	r := frameReader{r: v, from: closeguard.Server}
	for frame := r.next(); r.err == nil; frame = r.next() {
		if strings.HasPrefix(frame, "close") {
			v.Write(answer)
		}
	}
	return true
}
