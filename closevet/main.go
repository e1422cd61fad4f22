// Command closevet finds mistakes about the end of WebSockets before a program runs: in
// plain gorilla/websocket and coder/websocket code, and in code on closeguard's adapters.
//
//	closevet ./...                             # what it finds
//	closevet -fix ./...                        # and mends it, where it can
//	closevet -fix -diff ./...                  # or shows how
//	closevet help                              # the checks, each with its flags
//	go vet -vettool=$(which closevet) ./...    # inside of go vet, with its cache
//
// golangci-lint takes it as a plugin, see the package plugin.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"

	"github.com/closeguard/ws/closevet/check"
)

func main() { multichecker.Main(check.All()...) }
