// Package closeguard is a layer between a Go WebSocket library and its TCP
// connection. It gets the closing handshake right, whichever library is on top,
// and tells the program what really happened.
//
// Make one [Guard] per program. [Guard.Middleware] guards every WebSocket that a
// handler below it opens, with not a line of the handler changed;
// [Guard.WrapConn] guards a connection that no handler made. The packages under
// adapters add, for gorilla/websocket and coder/websocket, errors that are
// events, and handlers whose return value decides which Close frame is sent.
//
// # Endings
//
// A connection ends in one of three ways, by what came first on the wire: the
// peer's Close ([PeerClosed]), ours ([LocalClosed]), or the end of TCP
// ([Dropped]). Each has both Close frames, as far as they went over the wire,
// and the cause. An [Observer] gets every ending once; [LogObserver] logs them.
//
// # Rules on the wire
//
//  0. Until the whole head of a 101 was seen the guard does nothing, and for
//     any other answer it never does.
//  1. Each Close, EOF, reset, failed write and abort is recorded in one order.
//  2. Only legal Close frames leave: an illegal one is replaced by the nearest
//     legal one. Nothing else is ever changed.
//  3. Nothing follows our Close.
//  4. The answer to the peer's Close is the library's; if it gives none, the
//     guard answers when the library reads on or closes.
//  5. Nothing is made up: if the library closes TCP without a Close, none is
//     sent, unless Options.BareClose has a code, the cause of the context that
//     closed it is an [Error], the guard shuts down, or a handler panics, of
//     which the peer is told 1011.
//  6. The handshake is finished: after our Close the guard reads on in the
//     background, so that no reset destroys the frame on its way.
//  7. That has limits: Options.CloseIdle, CloseTimeout and CloseBytes.
//  8. A message that the end of TCP cuts off is an error, also for a library
//     that takes io.EOF for the end of a message.
//  9. The guard's own Close goes between two frames, never into one.
//  10. Every connection yields one Opened and one close event.
//  11. It does no harm: optional interfaces, early bytes, TLS, compression,
//     other middleware. The request's context ends, as without a guard, when
//     reading by the bufio.Reader of Hijack fails.
//  12. It is cheap: no goroutine and no timer per open connection, nothing
//     allocated per message, no more system calls than without it. No byte is
//     held back, but where gorilla/websocket hands a frame over in two pieces
//     at once: both leave together. Of a long frame more is read at a time
//     than the library asks for, up to the frame's end.
//
// # Limits
//
// The guard can't break a library's own locks and timers: coder/websocket's
// Close inside a ping callback blocks for ever, guarded or not. A plain
// coder/websocket connection that a context closed can't be told from one that
// was closed without a frame, so the peer gets BareClose; the adapter knows the
// difference. Programs that assert the type of the library's net.Conn see a
// [Conn], which has NetConn. Not supported: HTTP/2 and HTTP/3 WebSockets,
// servers without net/http, epoll servers, js/wasm.
package closeguard
