// Package coder is github.com/coder/websocket with close events: a [Conn] has
// the library's methods, and once the connection has ended their errors are a
// *closeguard.PeerClosed, *closeguard.LocalClosed or *closeguard.Dropped, with
// the library's own error in its tree.
//
// The rules of closing are kept on the wire, by the closeguard.Conn below the
// library, so that nothing gets round them: not a promoted method, and not
// what the library sends by itself. What the adapter adds is that an illegal
// code or reason is an error before anything is sent, and the connection stays
// usable; and that a connection that a context ended gets no Close frame that nobody
// chose.
package coder
