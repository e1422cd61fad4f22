package need

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// taken are the addresses that were given away: some servers share a port without a word.
var taken sync.Map

// FreeAddr is an address on which nobody listens, below the ports that the kernel gives to
// connections: one of those could take it while a server is restarted. Nobody listens on it
// to find that out either: the child of another test, on its way to exec, would go on
// listening.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		addr := fmt.Sprint("127.0.0.1:", 12000+rand.IntN(20000))
		if _, again := taken.LoadOrStore(addr, nil); again {
			continue
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return addr
		}
		c.Close()
	}
	tb.Fatal("no port is free")
	return ""
}
