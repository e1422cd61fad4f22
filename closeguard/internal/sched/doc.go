// Package sched has what connections share time and goroutines with: a lock
// that may be held over I/O, a pool of goroutines, a queue of alarms and the
// clock that they go by. It knows no connection.
package sched
