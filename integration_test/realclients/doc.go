// Package realclients tests guarded servers with WebSocket clients that nobody
// here wrote: browsers, and libraries of other languages. Each closes and is
// closed in every way it knows, and what it sees and what the server's event
// says is compared with expected.txt.
package realclients
