package main

// pattern is how clients send.
type pattern struct {
	name    string
	conns   int
	window  int // messages under way on each connection
	oneCore bool
}

// patterns are ping-pong and pipelining. In ping-pong only one side has something
// to do at any time: on two cores it would depend on the scheduler's whim whether a
// message wakes an idle core, and that takes longer than all the rest. So client
// and server share one.
func (b *bench) patterns() []pattern {
	return []pattern{{"ping-pong", 1, 1, true}, {"200 pipelining", b.scale(200, 20), 16, false}}
}

// underWay is how many connections are used with messages of a size, and how many
// messages are under way on each: at most 32 KiB on a connection and 8 MiB in all, or
// one message. An echo then takes a fraction of the time that is measured, also of
// large messages.
func (p pattern) underWay(size int) (conns, window int) {
	window = max(1, min(p.window, 32<<10/size))
	return max(1, min(p.conns, 8<<20/(window*size))), window
}
