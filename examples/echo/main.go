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
)

// shutdownTimeout is how long connections get to end by themselves.
const shutdownTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, and then shuts down.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on")
	format := flags.String("log", "json", "`format` of the log: json, or console for people")
	limit := flags.Int64("limit", 64<<10, "`bytes` of the largest message to take")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.Usage()
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *limit <= 0:
		return fmt.Errorf("-limit is %d: must be positive", *limit)
	}
	logger, err := newLogger(*format, stdout)
	if err != nil {
		return err
	}

	ended := new(closes)
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{zaplog.Observer(logger), ended},
		Attrs:     attrs,
	})
	if err != nil {
		return err
	}
	errorLog, err := zap.NewStdLogAt(logger, zap.ErrorLevel)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newHandler(guard, ended, *limit),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          errorLog,
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	logger.Info("listening", zap.String("url", "http://"+listener.Addr().String()+"/"))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		guard.Close() //nolint:errcheck // it is always nil
		return err
	case <-ctx.Done():
		shutDown(logger, guard, server)
		return nil
	}
}

// shutDown ends the WebSockets through the guard and everything else through
// the server, which leaves WebSockets alone.
func shutDown(logger *zap.Logger, guard *closeguard.Guard, server *http.Server) {
	logger.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	requests := make(chan error, 1)
	go func() { requests <- server.Shutdown(ctx) }()
	report, err := guard.Shutdown(ctx)
	if err := errors.Join(err, <-requests); err != nil {
		logger.Warn("shut down", zap.Stringer("report", report), zap.Error(err))
		server.Close() //nolint:errcheck // the program ends
		return
	}
	logger.Info("shut down", zap.Stringer("report", report))
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
