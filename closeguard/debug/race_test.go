//go:build race

package debug_test

const slack = 10 // the race detector takes its time
