// Command closeguard looks at how WebSocket connections end, from outside:
//
//	closeguard doctor ws://127.0.0.1:8080/ws   examines an endpoint
//	closeguard explain 1006                    says what a close code means
//	closeguard codes                           lists the codes
//
// It ends with 0 if all is good, 1 if something is bad, and 2 if that couldn't be found out.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/closeguard/ws/cmd/closeguard/internal/report"
)

// Exit statuses. Those of an examination are the doctor's to choose.
const (
	exitGood   = 0
	exitFailed = 2
)

// A command writes to these.
type output struct {
	stdout, stderr io.Writer
	watched        bool // stderr is a terminal
}

var commands = map[string]func(context.Context, []string, output) (int, error){
	"doctor":  runDoctor,
	"explain": runExplain,
	"codes":   runCodes,
}

const usage = `usage:
  closeguard doctor [flags] ws://host/path   examine how an endpoint ends connections
  closeguard explain CODE                    what a close code means
  closeguard codes                           all close codes
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], output{os.Stdout, os.Stderr, report.IsTerminal(os.Stderr)}))
}

func run(ctx context.Context, args []string, out output) int {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(out.stderr, usage) //nolint:errcheck // nobody reads it then
		return exitFailed
	}
	status, err := commands[args[0]](ctx, args[1:], out)
	if err != nil {
		fmt.Fprintln(out.stderr, "closeguard:", err) //nolint:errcheck // the same
		return exitFailed
	}
	return status
}
