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
// messages are under way on each: of large ones so few that all their bytes come
// back within a measurement.
func (p pattern) underWay(size int) (conns, window int) {
	window = max(1, min(p.window, 128<<10/size))
	return max(1, min(p.conns, 32<<20/(window*size))), window
}
