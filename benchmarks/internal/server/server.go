// Package server is the server's side of the measurements: both libraries,
// bare and guarded, in one process.
package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/pprof"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/closeguard"
)

// Server is the role of the server's process. It serves one configuration.
type Server struct {
	guard   *closeguard.Guard
	list    *list
	http    *http.Server
	profile *os.File
}

// Config says what a server serves.
type Config struct {
	Library  string // "gorilla" or "coder"
	TLS      bool
	Compress bool
	Address  string // host to listen on, "" for 127.0.0.1
}

// Start begins to serve on a fresh port and tells the URL, without a path.
func (s *Server) Start(c Config, url *string) error {
	if s.http != nil {
		return errors.New("a server is running")
	}
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, h := range Echoes(c.Library, guard, c.Compress) {
		mux.Handle(path, h)
	}
	if c.Address == "" {
		c.Address = "127.0.0.1"
	}
	s.list = &list{open: make(map[*listed]bool)}
	mux.Handle(Listed, s.list.handler(c))
	l, err := net.Listen("tcp", net.JoinHostPort(c.Address, "0"))
	if err != nil {
		return err
	}
	*url = "ws://" + l.Addr().String()
	if c.TLS {
		cert, err := Certificate()
		if err != nil {
			return err
		}
		*url = "wss://" + l.Addr().String()
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	s.guard = guard
	s.http = &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)} // its clients are ours
	go s.http.Serve(l)                                                        //nolint:errcheck // it ends with the process
	return nil
}

// Profile begins a CPU profile in a file, or ends it with an empty name.
func (s *Server) Profile(file string, _ *child.None) error {
	if file == "" {
		pprof.StopCPUProfile()
		return s.profile.Close()
	}
	f, err := os.Create(file) // it is the caller's
	if err != nil {
		return err
	}
	s.profile = f
	return pprof.StartCPUProfile(f)
}
