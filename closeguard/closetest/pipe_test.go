package closetest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard/closetest"
)

var (
	_ net.Conn = (*closetest.PipeConn)(nil)
	_ conn     = (*closetest.PipeConn)(nil)
	_ conn     = (*net.TCPConn)(nil)
)

// conn is what a PipeConn and a TCPConn have in common.
type conn interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// endings says what the two ends of a connection see, step by step. A step without a
// result succeeds.
var endings = []struct{ name, steps string }{
	{"close after data", "a write bye; a close; b read = bye; b read = EOF; b read = EOF"},
	{"first write after close is lost", "a close; b write x; b write x = EPIPE; b write x = EPIPE"},
	{"read after a write that was lost", "a write bye; a close; b write x; b read = bye; b read = EOF; b write x = EPIPE"},
	{"EOF, then a write that is lost", "a close; b read = EOF; b write x; b read = EOF; b write x = EPIPE"},
	{"an empty write is not lost", "a close; b write; b write x; b write = EPIPE"},
	{"both close", "a write bye; a close; b read = bye; b close; b close = closed"},

	{"close with unread data", "a write bye; b write unread; a close; b read = bye; b read = ECONNRESET; b read = EOF; b write x = EPIPE"},
	{"close with unread data, write first", "a write bye; b write unread; a close; b write x = ECONNRESET; b write x = EPIPE; b read = bye; b read = EOF"},
	{"close with unread data and end of data", "b write unread; b closewrite; a close; b read = ECONNRESET; b read = EOF; b write x = EPIPE"},
	{"close with an unread end of data only", "b closewrite; a close; b read = EOF; b write x = EPIPE"},
	{"close with data read in part", "b write unread; a read1 = u; a close; b read = ECONNRESET"},
	{"close with data read", "b write read; a read = read; a close; b read = EOF"},

	{"half-close", "a write bye; a closewrite; b write late; a read = late; b read = bye; b read = EOF; b write later; a read = later; b close; a read = EOF"},
	{"write after half-close", "a closewrite; a write x = EPIPE; a write = EPIPE; b write x; a read = x"},
	{"half-close twice", "a closewrite; a closewrite; b read = EOF"},
	{"half-close of both", "a closewrite; b closewrite; b closewrite = ENOTCONN; a closewrite = ENOTCONN; a read = EOF; b read = EOF; a close; b close"},
	{"half-close after close", "a close; b closewrite; b closewrite = ENOTCONN; b write x = EPIPE"},
	{"half-close after a lost write", "a close; b write x; b closewrite = ENOTCONN"},
	{"half-close, then close with unread data", "a write bye; a closewrite; b write unread; a close; b read = bye; b read = EOF; b write x = EPIPE; b read = EOF"},
	{"half-close of both, then close with unread data", "a closewrite; b write unread; b closewrite; a close; b read = EOF; b write x = EPIPE"},

	{"reset after data", "a write bye; a linger 0; a close; b read = bye; b read = ECONNRESET; b read = EOF; b write x = EPIPE; b write x = EPIPE"},
	{"reset after data, write first", "a write bye; a linger 0; a close; b write x = ECONNRESET; b write x = EPIPE; b read = bye; b read = EOF"},
	{"reset, empty write", "a linger 0; a close; b write = ECONNRESET; b write = EPIPE; b read = EOF"},
	{"reset, half-closed by us", "b closewrite; a linger 0; a close; b read = ECONNRESET; b read = EOF; b write x = EPIPE"},
	{"reset, half-closed by us, write first", "b closewrite; a linger 0; a close; b write x = ECONNRESET; b write x = EPIPE; b read = EOF"},
	{"reset, half-closed by the peer", "a closewrite; a linger 0; a close; b write x = EPIPE; b read = EOF"},
	{"half-close after reset", "a linger 0; a close; b closewrite = ENOTCONN; b read = ECONNRESET; b closewrite = ENOTCONN"},
	{"linger taken back", "a linger 0; a linger -1; a close; b read = EOF"},
	{"linger above zero", "a linger 1; a close; b read = EOF"},
	{"close after reset", "a linger 0; a close; b linger 0; b close; b close = closed"},

	{"use after close", "b write x; a close; a read = closed; a read0 = closed; a write x = closed; a write = closed; a closewrite = closed; a linger 0 = closed; a deadline past = closed; a close = closed"},
	{"empty read", "a read0; b write x; a read0; b close; a read = x; a read0"},

	{"past deadline", "a write bye; b deadline past; b read = deadline; b read0; b write x = deadline; b write = deadline; b deadline none; b write x; a read = x; b read = bye"},
	{"past deadline before end of data", "a close; b deadline past; b read = deadline; b deadline none; b read = EOF"},
	{"past deadline before reset", "a linger 0; a close; b deadline past; b write x = deadline; b read = deadline; b deadline none; b read = ECONNRESET"},
	{"past deadline before EPIPE", "b closewrite; b deadline past; b write x = deadline; b deadline none; b write x = EPIPE"},
	{"past deadline, closed", "b deadline past; b close; b read = closed; b write x = closed"},
}

func TestEndings(t *testing.T) {
	for _, tt := range endings {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := closetest.Pipe()
				if got := play(a, b, tt.steps); got != tt.steps {
					t.Errorf("\n got %s\nwant %s", got, tt.steps)
				}
			})
		})
	}
}

// The table is not invented: TCP over Linux's loopback does the same. The kernel may
// deliver a segment only after the next step, though it hardly ever does, so each row has
// a few attempts.
func TestEndingsOfTCP(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the table is measured on Linux")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range endings {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			for range 5 {
				a, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				b, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if got = play(a.(conn), b.(conn), tt.steps); got == tt.steps {
					return
				}
			}
			t.Errorf("\n got %s\nwant %s", got, tt.steps)
		})
	}
}

// play runs steps and returns them with the results that it saw.
func play(a, b conn, steps string) string {
	stuck := time.AfterFunc(5*time.Second, func() { a.Close(); b.Close() })
	defer func() { stuck.Stop(); a.Close(); b.Close() }()
	var seen []string
	for step := range strings.SplitSeq(steps, "; ") {
		step, _, _ = strings.Cut(step, " = ")
		words := append(strings.Fields(step), "")
		c, arg := map[string]conn{"a": a, "b": b}[words[0]], words[2]
		var data []byte
		var err error
		switch words[1] {
		case "read", "read0", "read1":
			data = make([]byte, map[string]int{"read": 100, "read0": 0, "read1": 1}[words[1]])
			var n int
			n, err = c.Read(data)
			data = data[:n]
		case "write":
			_, err = c.Write([]byte(arg))
		case "close":
			err = c.Close()
		case "closewrite":
			err = c.CloseWrite()
		case "linger":
			err = c.SetLinger(map[string]int{"0": 0, "1": 1, "-1": -1}[arg])
		case "deadline":
			err = c.SetDeadline(map[string]time.Time{"past": time.Now().Add(-1)}[arg])
		default:
			panic("no such step: " + step)
		}
		if result := string(data) + errName(err); result != "" {
			step += " = " + result
		}
		seen = append(seen, step)
	}
	return strings.Join(seen, "; ")
}

func errName(err error) string {
	for name, target := range map[string]error{
		"EOF": io.EOF, "closed": net.ErrClosed, "deadline": os.ErrDeadlineExceeded,
		"ECONNRESET": syscall.ECONNRESET, "EPIPE": syscall.EPIPE, "ENOTCONN": syscall.ENOTCONN,
	} {
		if errors.Is(err, target) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestResetIsLingerAndClose(t *testing.T) {
	a, b := closetest.Pipe()
	if err := a.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); errName(err) != "ECONNRESET" {
		t.Errorf("Read: %v", err)
	}
	if err := a.Reset(); errName(err) != "closed" {
		t.Errorf("second Reset: %v", err)
	}
}

// A write that the closed peer cannot take is lost as far as one buffer goes.
func TestLostWriteIsAtMostOneBuffer(t *testing.T) {
	for _, tt := range []struct {
		size, n int
		err     string
	}{
		{3, 3, ""},
		{4, 4, ""},
		{5, 4, "EPIPE"},
		{100, 4, "EPIPE"},
	} {
		a, b := closetest.PipeSize(4)
		a.Close()
		if n, err := b.Write(make([]byte, tt.size)); n != tt.n || errName(err) != tt.err {
			t.Errorf("Write of %d bytes = %d, %v, want %d, %s", tt.size, n, err, tt.n, tt.err)
		}
	}
}

func TestErrorsArePackageNets(t *testing.T) {
	a, b := closetest.Pipe()
	a.Reset()
	_, reset := b.Read(make([]byte, 1))
	_, epipe := b.Write([]byte("x"))
	b.SetDeadline(time.Now())
	_, late := b.Write([]byte("x"))
	closed := a.Close()
	for _, tt := range []struct {
		err     error
		op      string
		timeout bool
		text    string
	}{
		{reset, "read", false, "read pipe B->A: read: connection reset by peer"},
		{epipe, "write", false, "write pipe B->A: write: broken pipe"},
		{late, "write", true, "write pipe B->A: i/o timeout"},
		{closed, "close", false, "close pipe A->B: use of closed network connection"},
	} {
		var op *net.OpError
		if !errors.As(tt.err, &op) || op.Op != tt.op || op.Net != "pipe" || op.Timeout() != tt.timeout {
			t.Errorf("%#v, want a *net.OpError %q, timeout %t", tt.err, tt.op, tt.timeout)
		}
		text := strings.NewReplacer(a.LocalAddr().String(), "A", b.LocalAddr().String(), "B").Replace(tt.err.Error())
		if text != tt.text {
			t.Errorf("%q, want %q", text, tt.text)
		}
	}
}

// calls are a Read and a Write that block until something ends them.
var calls = []struct {
	name        string
	call        func(c *closetest.PipeConn) (int, error)
	setDeadline func(c *closetest.PipeConn, t time.Time) error
	n           int // bytes moved when the call is cut off
}{
	{"Read", func(c *closetest.PipeConn) (int, error) { return c.Read(make([]byte, 9)) }, (*closetest.PipeConn).SetReadDeadline, 0},
	{"Write", func(c *closetest.PipeConn) (int, error) { return c.Write(make([]byte, 9)) }, (*closetest.PipeConn).SetWriteDeadline, 4},
}

func TestDeadlineEndsBlockedCall(t *testing.T) {
	const s = time.Second
	type set struct{ when, deadline time.Duration } // since the start; deadline 0: none
	for _, tt := range []struct {
		name string
		sets []set
		want time.Duration
	}{
		{"set before", []set{{0, 3 * s}}, 3 * s},
		{"set while blocked", []set{{1 * s, 3 * s}}, 3 * s},
		{"moved forward", []set{{0, 9 * s}, {1 * s, 3 * s}}, 3 * s},
		{"moved back", []set{{0, 2 * s}, {1 * s, 3 * s}}, 3 * s},
		{"moved at the last moment", []set{{0, 2 * s}, {2*s - 1, 3 * s}}, 3 * s},
		{"cleared, set again", []set{{0, 2 * s}, {1 * s, 0}, {60 * s, 61 * s}}, 61 * s},
		{"in the past", []set{{3 * s, 1 * s}}, 3 * s},
		{"now", []set{{3 * s, 3 * s}}, 3 * s},
		{"long before the start", []set{{3 * s, -1e9 * s}}, 3 * s},
	} {
		for _, c := range calls {
			for _, both := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/both=%t", tt.name, c.name, both), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a, _ := closetest.PipeSize(4)
						start := time.Now()
						apply := func(s set) {
							var at time.Time
							if s.deadline != 0 {
								at = start.Add(s.deadline)
							}
							if both {
								a.SetDeadline(at)
							} else {
								c.setDeadline(a, at)
							}
						}
						for _, s := range tt.sets {
							if s.when == 0 {
								apply(s)
								continue
							}
							go func() {
								time.Sleep(s.when)
								apply(s)
							}()
						}
						n, err := c.call(a)
						if d := time.Since(start); d != tt.want || n != c.n || errName(err) != "deadline" {
							t.Errorf("%d, %v after %v, want %d, deadline after %v", n, err, d, c.n, tt.want)
						}
					})
				})
			}
		}
	}
}

func TestDeadlineOfOneSideLeavesTheOtherAlone(t *testing.T) {
	for i, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := closetest.PipeSize(4)
				calls[1-i].setDeadline(a, time.Now().Add(time.Second))
				b.SetDeadline(time.Now().Add(time.Second))
				go func() {
					time.Sleep(time.Hour)
					a.Close()
				}()
				if _, err := c.call(a); errName(err) != "closed" {
					t.Errorf("%v, want no deadline", err)
				}
			})
		})
	}
}

// A deadline beats what happens at the same instant, whichever goroutine is first.
func TestDeadlineIsExact(t *testing.T) {
	for _, tt := range []struct {
		early time.Duration
		want  string
	}{
		{0, "deadline"},
		{1, "x"},
	} {
		t.Run(fmt.Sprint(tt.early), func(t *testing.T) {
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					a, b := closetest.Pipe()
					go func() {
						time.Sleep(time.Second - tt.early)
						b.Write([]byte("x"))
					}()
					a.SetReadDeadline(time.Now().Add(time.Second))
					p := make([]byte, 9)
					n, err := a.Read(p)
					if got := string(p[:n]) + errName(err); got != tt.want {
						t.Fatalf("got %q, want %q", got, tt.want)
					}
				})
			}
		})
	}
}

func TestCutWriteCountsWhatThePeerReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := closetest.PipeSize(4)
		go func() {
			time.Sleep(time.Second)
			io.ReadFull(b, make([]byte, 3))
		}()
		a.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n, err := a.Write([]byte("0123456789"))
		if n != 7 || errName(err) != "deadline" {
			t.Errorf("Write = %d, %v, want 7, deadline", n, err)
		}
		a.SetWriteDeadline(time.Time{})
		go func() {
			a.Write([]byte("789"))
			a.Close()
		}()
		if rest, err := io.ReadAll(b); string(rest) != "3456789" || err != nil {
			t.Errorf("the peer read %q, %v, want 3456789", rest, err)
		}
	})
}

// What else ends a blocked call, and what the call returns.
func TestBlockedCallIsWoken(t *testing.T) {
	for _, tt := range []struct {
		name        string
		by          func(a, b *closetest.PipeConn)
		read, write string // results of a; "": still blocked
	}{
		{"Close", func(a, b *closetest.PipeConn) { a.Close() }, "0 closed", "4 closed"},
		{"Reset", func(a, b *closetest.PipeConn) { a.Reset() }, "0 closed", "4 closed"},
		{"CloseWrite", func(a, b *closetest.PipeConn) { a.CloseWrite() }, "", "4 EPIPE"},
		{"the peer's Close", func(a, b *closetest.PipeConn) { b.Close() }, "0 EOF", "4 ECONNRESET"},
		{"the peer's Reset", func(a, b *closetest.PipeConn) { b.Reset() }, "0 ECONNRESET", "4 ECONNRESET"},
		{"the peer's CloseWrite", func(a, b *closetest.PipeConn) { b.CloseWrite() }, "0 EOF", ""},
		{"the peer's CloseWrite and Reset", func(a, b *closetest.PipeConn) { b.CloseWrite(); b.Reset() }, "0 EOF", "4 EPIPE"},
		{"the peer's Write", func(a, b *closetest.PipeConn) { b.Write([]byte("xy")) }, "2 ", ""},
		{"the peer's Read of too little", func(a, b *closetest.PipeConn) { go b.Read(make([]byte, 4)) }, "", ""},
		{"the peer's Read of all", func(a, b *closetest.PipeConn) { go io.ReadFull(b, make([]byte, 9)) }, "", "9 "},
	} {
		for i, want := range []string{tt.read, tt.write} {
			t.Run(tt.name+"/"+calls[i].name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := closetest.PipeSize(4)
					defer b.Close()
					defer a.Close()
					result := make(chan string, 1)
					go func() {
						n, err := calls[i].call(a)
						result <- fmt.Sprint(n, " ", errName(err))
					}()
					synctest.Wait()
					tt.by(a, b)
					synctest.Wait()
					got := ""
					select {
					case got = <-result:
					default:
					}
					if got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			})
		}
	}
}

// Linux tells one of them, and with both blocked that is the Write.
func TestResetIsToldToTheWriterFirst(t *testing.T) {
	for _, tt := range []struct {
		name        string
		deadline    time.Duration // of the Write; 0: none
		read, write string
	}{
		{"both blocked", 0, "EOF", "ECONNRESET"},
		{"Write times out at that instant", time.Second, "ECONNRESET", "deadline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					a, b := closetest.PipeSize(4)
					if tt.deadline > 0 {
						a.SetWriteDeadline(time.Now().Add(tt.deadline))
					}
					for i, want := range []string{tt.read, tt.write} {
						go func() {
							if _, err := calls[i].call(a); errName(err) != want {
								t.Errorf("%s: %v, want %s", calls[i].name, err, want)
							}
						}()
					}
					time.Sleep(time.Second)
					b.Reset()
					synctest.Wait()
				})
			}
		})
	}
}

// The writer that has its turn and the ones that wait for it are all durably blocked:
// time passes, and Close ends them.
func TestBlockedWritersLetTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := closetest.PipeSize(4)
		var mu sync.Mutex
		counts := map[int]int{}
		for range 3 {
			go func() {
				n, err := a.Write(make([]byte, 9))
				if errName(err) != "closed" {
					t.Errorf("Write: %v, want closed", err)
				}
				mu.Lock()
				defer mu.Unlock()
				counts[n]++
			}()
		}
		time.Sleep(time.Hour)
		a.Close()
		synctest.Wait()
		if counts[4] != 1 || counts[0] != 2 {
			t.Errorf("bytes written: calls = %v, want 4:1 0:2", counts)
		}
		if p, err := io.ReadAll(b); len(p) != 4 || err != nil {
			t.Errorf("the peer read %d bytes, %v, want 4", len(p), err)
		}
	})
}

func TestBufferSize(t *testing.T) {
	for _, tt := range []struct {
		name string
		pipe func() (a, b *closetest.PipeConn)
		size int
	}{
		{"default", closetest.Pipe, 64 << 10},
		{"1 byte", func() (a, b *closetest.PipeConn) { return closetest.PipeSize(1) }, 1},
		{"5,000 bytes", func() (a, b *closetest.PipeConn) { return closetest.PipeSize(5000) }, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := tt.pipe()
				for _, c := range []*closetest.PipeConn{a, b} {
					c.SetWriteDeadline(time.Now().Add(time.Second))
					if n, err := c.Write(make([]byte, tt.size)); n != tt.size || err != nil {
						t.Fatalf("Write = %d, %v, want %d at once", n, err, tt.size)
					}
					if n, err := c.Write([]byte("x")); n != 0 || errName(err) != "deadline" {
						t.Fatalf("Write into the full buffer = %d, %v, want it to block", n, err)
					}
				}
			})
		})
	}
}

func TestPipeSizePanics(t *testing.T) {
	for _, n := range []int{0, -1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := fmt.Sprintf("closetest: PipeSize(%d): a buffer holds at least 1 byte", n)
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic %v, want %s", got, want)
				}
			}()
			closetest.PipeSize(n)
		})
	}
}

// Every byte arrives, in order, whatever the sizes of buffer, writes and reads.
func TestBytesArriveInOrder(t *testing.T) {
	sent := make([]byte, 70_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	for _, size := range []int{1, 7, 4079, 4080, 4081, 8160, 64 << 10} {
		for _, most := range []int{3, 4080, 100_000} { // bytes a call
			t.Run(fmt.Sprintf("%d/%d", size, most), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := closetest.PipeSize(size)
					go func() {
						random := rand.New(rand.NewPCG(3, 4))
						for rest := sent; len(rest) > 0; {
							n, err := a.Write(rest[:min(len(rest), 1+random.IntN(most))])
							if err != nil {
								t.Error(err)
								break
							}
							rest = rest[n:]
						}
						a.CloseWrite()
					}()
					var got []byte
					p := make([]byte, most)
					for {
						n, err := b.Read(p[:1+random.IntN(most)])
						got = append(got, p[:n]...)
						if err != nil {
							break
						}
					}
					if !bytes.Equal(got, sent) {
						t.Errorf("read %d bytes that differ from the %d written", len(got), len(sent))
					}
				})
			})
		}
	}
}

func TestConcurrentWritesDoNotMix(t *testing.T) {
	for _, size := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := closetest.PipeSize(size)
				const writers, each = 5, 33
				var wg sync.WaitGroup
				for w := range writers {
					wg.Go(func() { a.Write(bytes.Repeat([]byte{byte('a' + w)}, each)) })
				}
				go func() {
					wg.Wait()
					a.Close()
				}()
				synctest.Wait()
				got, _ := io.ReadAll(b)
				if len(got) != writers*each {
					t.Fatalf("read %d bytes, want %d", len(got), writers*each)
				}
				for run := range slices.Chunk(got, each) {
					if !bytes.Equal(run, bytes.Repeat(run[:1], each)) {
						t.Errorf("mixed: %s", run)
					}
				}
			})
		})
	}
}

func TestConcurrentReadsShareTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := closetest.PipeSize(10)
		var mu sync.Mutex
		var seen [256]int
		for range 4 {
			go func() {
				p := make([]byte, 3)
				for {
					n, err := b.Read(p)
					mu.Lock()
					for _, x := range p[:n] {
						seen[x]++
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
		var all []byte
		for x := range seen {
			all = append(all, byte(x))
		}
		a.Write(all)
		a.Close()
		synctest.Wait()
		for x, n := range seen {
			if n != 1 {
				t.Errorf("byte %d was read %d times", x, n)
			}
		}
	})
}

func TestAddrs(t *testing.T) {
	a, b := closetest.Pipe()
	c, _ := closetest.Pipe()
	if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() {
		t.Errorf("%v->%v and %v->%v, want the same two", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if a.LocalAddr() == b.LocalAddr() || a.LocalAddr() == c.LocalAddr() {
		t.Errorf("%v, %v, %v, want three addresses", a.LocalAddr(), b.LocalAddr(), c.LocalAddr())
	}
	if n := a.LocalAddr().Network(); n != "pipe" {
		t.Errorf("Network = %q, want pipe", n)
	}
	if _, _, err := net.SplitHostPort(a.LocalAddr().String()); err != nil {
		t.Error(err)
	}
}

func TestCallsAreCounted(t *testing.T) {
	a, b := closetest.Pipe()
	a.Write([]byte("xy"))
	b.Read(make([]byte, 1))
	b.Read(make([]byte, 1))
	a.Close()
	b.Read(make([]byte, 1))
	b.Write(nil)
	got := [...]int64{a.Reads(), a.Writes(), b.Reads(), b.Writes()}
	if want := [...]int64{0, 1, 3, 1}; got != want {
		t.Errorf("Reads and Writes of a, of b = %d, want %d", got, want)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	a, b := closetest.Pipe()
	for _, size := range []int{1, 125, 4080} {
		p := make([]byte, size)
		if n := testing.AllocsPerRun(1000, func() {
			a.SetWriteDeadline(time.Now().Add(time.Hour))
			b.SetReadDeadline(time.Now().Add(time.Hour))
			a.Write(p)
			b.Read(p)
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations per Write and Read, want 0", size, n)
		}
	}
	a.Close()
	b.Close()
}

func TestPipesAreSmall(t *testing.T) {
	p := make([]byte, 64<<10)
	for _, tt := range []struct {
		name string
		use  func(a, b *closetest.PipeConn)
		kept bool // by the test, else the pipe is garbage
		most int  // bytes a pipe
	}{
		{"fresh", func(a, b *closetest.PipeConn) {}, true, 1024},
		{"emptied", func(a, b *closetest.PipeConn) { a.Write(p); io.ReadFull(b, p) }, true, 1024},
		{"closed with unread data", func(a, b *closetest.PipeConn) { a.Write(p); b.Close() }, true, 1024},
		{"closed before its deadline", func(a, b *closetest.PipeConn) { a.SetDeadline(time.Now().Add(time.Hour)); a.Close() }, false, 64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			var pipes [2000]*closetest.PipeConn
			before := heap()
			for i := range pipes {
				a, b := closetest.Pipe()
				tt.use(a, b)
				if tt.kept {
					pipes[i] = a
				}
			}
			if each := (heap() - before) / len(pipes); each > tt.most {
				t.Errorf("%d bytes a pipe, want at most %d", each, tt.most)
			}
			if n := runtime.NumGoroutine(); n > goroutines {
				t.Errorf("%d goroutines more", n-goroutines)
			}
			runtime.KeepAlive(pipes)
		})
	}
}

// heap returns the bytes in use after two collections, which empty pools.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{125, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			x, y := closetest.Pipe()
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				x.Write(p)
				if _, err := io.ReadFull(y, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
