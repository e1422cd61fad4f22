// Package closing is the closing handshake of one connection, as a machine: it
// is told what happened and says what follows. It does no I/O, knows no clock and
// holds no lock; points in time are given to it.
//
// [Record] is what crossed, in order. The rules of what may be sent are its
// methods. [Machine] decides: what a Close, the end of TCP, a call of the
// library's or the passing of time leads to.
package closing
