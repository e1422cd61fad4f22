// Package model lets rapid make up lives of connections and holds what the
// guard did and told against two plain judges.
//
// A life is a setting, the options and the two sides' habits, and a script: who
// does what, one step after the other, each when the one before has settled,
// or several at the same moment. It runs in a testing/synctest bubble over
// closetest.Pipe, so that a minute of a life takes no time and a life that
// hangs is seen. The first judge is the wire as it was: what the transport
// below the guard was given, read by rawpeer's parser. It holds for every life.
// The second is the model: a state of a few fields that says, step by step, for
// lives in which nobody is blocked and no two act at once, which Close leaves,
// when TCP ends, and what the event says.
//
// # Reproducing a failure
//
// A failing life is made as short as possible and printed as its setting and
// its script. Beside it rapid prints a line with the seed and one with a file
// under testdata/rapid, either of which plays the same life again:
//
//	go test -run 'TestLives' -rapid.seed=1234 ./model
//	go test -run 'TestLives' -rapid.failfile=testdata/rapid/TestLives/TestLives-....fail ./model
//
// Where a step is marked with "at once", the goroutines race for real, and one
// play may not be enough: add -count=200. -rapid.checks=100000 makes up more
// lives than the tests do by themselves.
package model
