//go:build !newest

package coder_test

// errTooBig is the library's error for a message over the read limit, which the oldest
// release doesn't have: see newest_test.go.
var errTooBig error
