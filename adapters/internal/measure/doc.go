// Package measure is what prommetrics and otelmetrics measure alike: which metrics there
// are, and in which words they tell of an event. The two bring it to their libraries.
//
// Every word comes from a list that the program or closeguard has made, so nothing that a
// peer makes up is in a series, or makes one.
package measure
