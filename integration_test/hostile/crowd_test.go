package hostile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

const (
	crowdSize = 400 // connections of one guard
	atOnce    = 140 // of them at the same time
	warmUp    = 100
)

// A crowd is the connections of one guard with options of its own.
type crowd struct {
	*tally
	number   int
	opts     closeguard.Options
	prompt   bool        // handlers that wait for the shutdown return as soon as it begins
	amid     bool        // the shutdown comes while peers do
	called   atomic.Bool // the shutdown
	guard    *closeguard.Guard
	recorder *record.Recorder
	http     *http.Server
	plain    string // addresses: recorded, over TLS and recorded, not recorded
	secure   string
	bare     string

	accepted, done atomic.Int64 // of net/http's connections
	running        atomic.Int64 // handlers, but those that wait for the shutdown
	others         sync.WaitGroup

	mu          sync.Mutex
	connected   int64
	connections map[string]*connection
	kept        []any
}

// A connection is one of a crowd: what was to happen, and what was told of it.
type connection struct {
	script *script
	path   string
	crowd  string // its options in words
	peer   *peer  // nil if it could not connect
	record *record.Record

	mu           sync.Mutex
	handled      bool
	opened       int
	info         closeguard.ConnInfo
	refused      []*closeguard.Refused
	closed       []closeguard.CloseEvent
	toldAt       time.Time // when the close event came
	toldDraining bool      // and whether a shutdown had begun, so that all could see it
	toldCalled   bool      // and whether it was called
	misfits      []string
}

func (c *connection) complain(misfit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misfits = append(c.misfits, misfit)
}

// over reports whether the close event has come.
func (c *connection) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.closed) > 0
}

// crowd lets so many peers of the crowd of that number come, and judges.
func (t *tally) crowd(number, size int, until time.Time) {
	random := rand.New(rand.NewPCG(t.seed, uint64(number)<<32))
	if *only >= 0 {
		random = rand.New(rand.NewPCG(t.seed, uint64(*only/crowdSize)<<32))
	}
	c := &crowd{
		tally: t, number: number, opts: drawOptions(random),
		recorder: record.NewRecorder(), connections: make(map[string]*connection),
	}
	c.recorder.Pause = pause
	c.prompt = random.IntN(8) == 0
	drawn := random.IntN(4) == 0
	if !c.serve() {
		return
	}
	defer c.http.Close()
	defer c.guard.Close()
	var amid sync.WaitGroup
	numbers := make(chan int)
	var peers sync.WaitGroup
	for range atOnce {
		peers.Go(func() {
			for n := range numbers {
				c.come(n)
			}
		})
	}
	for i := range size {
		if time.Now().After(until) {
			break
		}
		numbers <- number*crowdSize + i
		if drawn && i == size*3/4 {
			c.amid = true
			amid.Go(c.shutDown)
		}
	}
	close(numbers)
	peers.Wait()
	c.settle()
	if !c.amid {
		c.shutDown()
	}
	amid.Wait()
	c.judge()
}

// pause is how long a Write of a Close returns late, as on a busy machine: now
// and then for a moment, seldom for longer.
func pause() time.Duration {
	switch rand.IntN(30) {
	case 0:
		return time.Duration(rand.IntN(400)) * time.Millisecond
	case 1, 2, 3, 4, 5, 6:
		return time.Duration(rand.IntN(20)) * time.Millisecond
	default:
		return 0
	}
}

// serve starts the guard and its server, with and without TLS.
func (c *crowd) serve() bool {
	opts := c.opts
	opts.Observers = []closeguard.Observer{c}
	var err error
	if c.guard, err = closeguard.New(opts); err != nil {
		c.Error(err)
		return false
	}
	mux := http.NewServeMux()
	for _, w := range ways {
		serve := w.serve(c)
		mux.Handle(w.path+"/{number}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.running.Add(1)
			defer c.running.Add(-1)
			serve.ServeHTTP(w, r)
		}))
	}
	c.http = &http.Server{
		Handler:  mux,
		ErrorLog: log.New(io.Discard, "", 0), // peers vanish, handlers panic
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				c.done.Add(1)
			}
		},
	}
	for _, addr := range []*string{&c.plain, &c.secure, &c.bare} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.Error(err)
			return false
		}
		*addr = l.Addr().String()
		l = &counted{l, &c.accepted}
		switch addr {
		case &c.plain:
			l = c.recorder.Listener(l)
		case &c.secure:
			l = c.recorder.TLS(l, &tls.Config{Certificates: []tls.Certificate{certificate()}})
		}
		go c.http.Serve(l)
	}
	return true
}

// counted counts what a listener accepts.
type counted struct {
	net.Listener
	accepted *atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return nc, err
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// come is one peer's life.
func (c *crowd) come(number int) {
	of := number
	if *only >= 0 {
		of = *only // but for its path
	}
	s := drawScript(number, rand.New(rand.NewPCG(c.seed, uint64(of)<<32|1)))
	conn := &connection{script: s, path: s.path(), crowd: optionsText(c.opts)}
	c.mu.Lock()
	c.connections[conn.path] = conn
	c.mu.Unlock()
	addr := c.plain
	switch {
	case s.secure:
		addr = c.secure
	case s.bare:
		addr = c.bare
	}
	p, err := connect(s, addr)
	if err != nil {
		conn.complain("it can't connect: " + err.Error())
		return
	}
	conn.peer = p
	c.mu.Lock()
	c.connected++
	c.mu.Unlock()
	p.live()
}

func (c *crowd) byPath(path string) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connections[path]
}

// keep holds a connection as programs do that forget it.
func (c *crowd) keep(conn any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, conn)
}

// settle waits until nothing is at work and everything that has ended is told.
func (c *crowd) settle() {
	c.others.Wait()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); !c.quiet() && time.Now().Before(deadline); <-look.C {
	}
	c.others.Wait()
}

// quiet reports whether only kept connections are left.
func (c *crowd) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.Load() < max(c.connected, c.accepted.Load()) || c.running.Load() > 0 {
		return false
	}
	records := c.recorder.All()
	for path, of := range c.connections {
		of.mu.Lock()
		open := len(of.closed) == 0 && (of.handled || of.opened > 0)
		of.mu.Unlock()
		if r := records[path]; r != nil && !open {
			open = r.Switched() && !of.over()
		}
		if open && !of.script.habit.keeps {
			return false
		}
	}
	return true
}

// shutDown shuts the guard down, and counts whom it closes.
func (c *crowd) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.called.Store(true)
	called, began := time.Now(), make(chan time.Time, 1)
	go func() {
		<-c.guard.Draining()
		began <- time.Now()
	}()
	report, err := c.guard.Shutdown(ctx)
	if err != nil || report.Handlers > 0 {
		c.wrongCrowd(c.number, fmt.Sprintf("shutdown says %v, %v", report, err))
	}
	c.counted()
	certain, possible, waited := c.open(called, <-began)
	switch n := report.Total(); {
	case n >= certain && n <= possible:
	case c.prompt && n < certain && n >= certain-waited:
		c.wrongCrowd(c.number, fmt.Sprintf("%s: %d are reported, %d were open, %d of these returned", lacks, n, certain, waited))
	default:
		c.wrongCrowd(c.number, fmt.Sprintf("shutdown says %v; open were from %d to %d", report, certain, possible))
	}
}

const lacks = "the report lacks connections whose handlers waited for the shutdown"

// open is how many connections a shutdown has closed that was called then and
// had begun by then. Some events say so. In a crowd that has settled that is known. Amid one, what
// ends at nearly the same moment may count or not. Of those that count, waited
// is how many handlers had waited for the shutdown to return.
func (c *crowd) open(called, began time.Time) (certain, possible, waited int) {
	moment := 500*time.Millisecond + record.Stalls.Between(called.Add(-time.Second), time.Now())
	all := c.recorder.All()
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, of := range c.connections {
		of.mu.Lock()
		ended, told, draining := time.Time{}, of.toldAt, of.toldDraining
		over, says := len(of.closed) > 0, false
		if over {
			says = errors.Is(of.closed[0], closeguard.ErrShutdown)
		}
		of.mu.Unlock()
		if !over {
			continue
		}
		after := called
		if r := all[path]; r == nil {
			ended, after = told, began.Add(moment)
		} else {
			r.Look(func(r *record.Record) { ended = r.Closed })
		}
		if c.amid {
			after = began.Add(moment)
		}
		if says || draining && !ended.Before(after) {
			certain++
			if of.script.habit.keeps && of.script.way.handler {
				waited++
			}
		}
		if draining || c.amid && !told.Before(called.Add(-moment)) {
			possible++
		}
	}
	return certain, possible, waited
}
