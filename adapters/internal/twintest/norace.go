//go:build !race

package twintest

const poolsForget = false
