// Package twintest is what the adapters of gorilla and coder promise alike, as tests that
// each of them runs: what a program sees that uses the library as it is meant to be used,
// over TCP, with a client of another making. It is for tests only.
//
// An [Adapter] says how the library does what all libraries do. What only one of them has,
// or does otherwise, is tested beside the adapter, with the servers and peers of this
// package. Where the two differ in a word only, a field says it.
//
// closetest.TestAdapter is the other set that each adapter runs: the promises to any
// library, in bubbles, with peers that write frames by hand.
package twintest
