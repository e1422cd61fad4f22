//go:build !linux

package closeguard

import "net"

// unreadBytes is how many bytes lie in the kernel that nobody has read. Here the
// system isn't asked.
func unreadBytes(net.Conn) (n int, known bool) { return 0, false }

// unackedBytes is how many bytes of ours the peer's kernel has not acknowledged.
// Here the system isn't asked.
func unackedBytes(net.Conn) (n int, known bool) { return 0, false }
