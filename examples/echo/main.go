// Command echo is a WebSocket server to try closeguard with. It echoes what it
// is sent, closes as it is told (/close CODE REASON, /fail TEXT, /panic), logs
// how each connection ended, and has a page that shows what the browser saw
// beside what the server recorded, with closeguard and without.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/closeguard/ws/adapters/zaplog"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	addr, format string
	limit        int64
	end          shutdown
}

// parse reads the command line. The error is flag.ErrHelp if it asks for help, which
// has been written then.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := new(settings)
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&s.format, "log", "json", "`format` of the log: json, or console for people")
	flags.Int64Var(&s.limit, "limit", 64<<10, "`bytes` of the largest message to take")
	flags.DurationVar(&s.end.wait, "drain-wait", 0, "`time` between the signal and the shutdown, for load balancers to see that /readyz is 503")
	flags.DurationVar(&s.end.window, "drain-window", 0, "`time` over which the shutdown spreads its Close frames")
	flags.DurationVar(&s.end.grace, "grace", 10*time.Second, "`time` from the signal on after which connections are aborted")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.Usage()
		return nil, err
	case err != nil:
		return nil, err
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.limit <= 0:
		return nil, fmt.Errorf("-limit is %d: must be positive", s.limit)
	case s.end.wait < 0:
		return nil, fmt.Errorf("-drain-wait is %v: must not be negative", s.end.wait)
	case s.end.grace <= s.end.wait:
		return nil, fmt.Errorf("-grace is %v: must be longer than -drain-wait, %v", s.end.grace, s.end.wait)
	}
	return s, nil
}

// run serves until ctx is done, and then shuts down.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	logger, err := newLogger(s.format, stdout)
	if err != nil {
		return err
	}

	ended := new(closes)
	page, err := debug.New(debug.Options{})
	if err != nil {
		return err
	}
	guard, err := closeguard.New(closeguard.Options{
		Observers:   []closeguard.Observer{zaplog.Observer(logger), ended, page},
		Attrs:       attrs,
		DrainWindow: s.end.window,

		// Handlers here close with a code, or say by an error why not: one that just
		// closes has failed.
		BareClose: closeguard.InternalError,
	})
	if err != nil {
		return err
	}
	errorLog, err := zap.NewStdLogAt(logger, zap.ErrorLevel)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", &s.end)
	mux.Handle("/debug/websockets/", page.Handler(guard)) // behind authentication where it isn't an example
	mux.Handle("/", newHandler(guard, ended, s.limit))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          errorLog,
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	logger.Info("listening", zap.String("url", "http://"+listener.Addr().String()+"/"))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		guard.Close() // it is always nil
		return err
	case <-ctx.Done():
		s.end.run(logger, guard, server)
		return nil
	}
}

// newLogger writes one line per entry: JSON, or what people like to read.
func newLogger(format string, w io.Writer) (*zap.Logger, error) {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.EncodeTime = "time", zapcore.ISO8601TimeEncoder
	var encoder zapcore.Encoder
	switch format {
	case "json":
		encoder = zapcore.NewJSONEncoder(config)
	case "console":
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(config)
	default:
		return nil, fmt.Errorf("-log is %q: must be json or console", format)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel)), nil
}
