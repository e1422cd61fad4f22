//go:build !race

package debug_test

const slack = 1
