// Package closetest holds what tests of closing connections need: peers that are rude in
// a way that has a name, a recorder of closeguard's events, connections in memory for
// fake time, and a kit that checks an adapter.
//
// How a program bears a client that never answers its Close, in a test that takes no time:
//
//	synctest.Test(t, func(t *testing.T) {
//		var events closetest.Recorder
//		guard, _ := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&events}})
//		listener := closetest.Listen()
//		server := http.Server{Handler: handler(guard)}
//		go server.Serve(listener)
//		defer server.Close()
//		client, _ := listener.Dial(t.Context())
//		peer, _ := closetest.Upgrade(t.Context(), client, "ws://example.com/", nil)
//		seen := closetest.Mute.Run(t.Context(), peer)
//		closed, _ := events.WaitClosed(t.Context(), 1)
//		if seen.Close == nil || closed[0].Clean() {
//			t.Errorf("the client saw %v, the guard told %v", seen, closed[0])
//		}
//	})
//
// Over TCP, [Dial] takes the place of the listener and the bubble. [Rude] has all the
// manners, for a table; a [Peer]'s methods make others. An adapter between closeguard and
// a WebSocket library is checked by [TestAdapter].
//
// # Fake time
//
// [Pipe] and [Listen] make connections in memory that end the way TCP ends them: with a
// FIN, with a reset, or not at all. They are made for [testing/synctest]: a goroutine
// that waits in one of their methods is durably blocked, deadlines follow the bubble's
// clock, and nothing runs in the background. What a bubble uses must be made and closed
// in it; the garbage collector's finalizers and cleanups run outside of every bubble.
package closetest
