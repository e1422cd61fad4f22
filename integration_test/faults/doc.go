// Package faults breaks the network between a peer and a guarded server, at
// chosen moments and at random, and compares every close event with a record of
// what the server's sockets saw. The record is made below the guard and read
// with rawpeer's parser, which shares no code with closeguard.
//
// It is a module of its own because of what toxiproxy needs.
package faults
