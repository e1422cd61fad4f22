// Package hostile lets thousands of peers that keep no rule connect to guarded
// servers whose handlers don't either, and holds every close event against a
// record of the wire that is made below the guard.
//
// go test runs it for a while, make hostile to the end of 23,000 connections.
package hostile
