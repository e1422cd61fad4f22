// Package differential looks for what a server with the guard does worse than
// one without. A seed makes a script: what a peer sends, byte for byte, what
// the handler does, which library and which wrappers lie between them. The
// script is played twice over loopback, bare and under Guard.Middleware, and
// everything that the two sides can observe is compared: the HTTP answers and
// the frames, how and when TCP ended, what every call of the handler's
// returned, when the request's context ended, what net/http logged, which panic
// reached the server.
//
// What may differ stands in one table, each row with the principle or the rule
// of the design that allows it (allowed_test.go). What differs and is a fault
// that is known stands in a second one, each row with a script that shows it
// (known_test.go): a row whose script shows nothing any more fails, and is to
// be removed. Any other difference fails, with the seed, the script in words,
// made as short as possible, and both observations.
//
//	go test ./differential                               1,000 scripts, always the same
//	go test ./differential -seed 7 -scripts 1            one script again
//	go test ./differential -seed 7 -scripts 1 -show      and what it looks like
//	make differential                                    100,000 scripts by the clock
//
// The tests play the same scripts every time, so that one that fails is about
// the change that is tested; new ones are for make differential.
//
// # What is in time
//
// A script is one list of steps, so that it says who acts first. A step begins
// when the one before is done. A handler's call that blocks until the peer acts
// can't be done first; the script knows which these are and goes on as soon as
// the call has begun. What a machine under load changes in that order changes
// the observations, so a difference only counts if it comes again and again, at
// a slower pace: there must be no two plays, one bare and one guarded, that
// agree.
package differential
