package main

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/closeguard/ws/closeguard"
)

// shutdown is how the program ends: first it isn't ready any more, and goes on
// serving until load balancers have noticed; then WebSockets are closed and
// requests finished; what is left at the end of the grace is aborted.
type shutdown struct {
	wait, window, grace time.Duration
	begun               atomic.Bool
}

// ServeHTTP says whether the program wants more requests.
func (s *shutdown) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if s.begun.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ready\n") //nolint:errcheck // the client is gone
}

func (s *shutdown) run(logger *zap.Logger, guard *closeguard.Guard, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	s.begun.Store(true)
	logger.Info("shutting down")
	<-time.After(s.wait)
	report, err := closeguard.ShutdownServer(ctx, guard, server)
	if err != nil {
		logger.Warn("shut down", zap.Stringer("report", report), zap.Error(err))
		server.Close() // the program ends
		return
	}
	logger.Info("shut down", zap.Stringer("report", report))
}
