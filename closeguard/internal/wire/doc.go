// Package wire follows the bytes of a WebSocket connection without owning
// them: a [Scanner] finds the frames of one direction, a [Head] finds the end
// of the HTTP answer before them, and [AppendControl] writes the one kind of
// frame that closeguard sends itself.
//
// Nothing here does I/O, allocates per message or knows the time, so every
// rule about bytes can be tested without a socket.
package wire
