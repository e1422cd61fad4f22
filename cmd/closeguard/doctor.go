package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
	"github.com/closeguard/ws/cmd/closeguard/internal/report"
)

func runDoctor(ctx context.Context, args []string, out output) (int, error) {
	s, err := parseDoctor(args, out.stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood, nil
	case err != nil:
		return exitFailed, err
	case s.list:
		return exitGood, report.Probes(out.stdout, s.probes)
	}
	if err := locate(ctx, s); err != nil {
		return exitFailed, err
	}
	examination := &doctor.Examination{Endpoint: s.endpoint, Probes: s.probes, Timeout: s.timeout}
	if err := examination.Opens(ctx); err != nil {
		return exitFailed, fmt.Errorf("there is nothing to examine at %s: %w", s.url(), err)
	}
	if out.watched {
		examination.Done = (&report.Progress{W: out.stderr, All: len(s.probes)}).Step
	}
	results := examination.Run(ctx)
	if err := s.write(out, results); err != nil {
		return exitFailed, err
	}
	return doctor.Judge(results).ExitStatus(), nil
}

// locate says how to allow another host than this one.
func locate(ctx context.Context, s *doctorSettings) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, doctor.ErrTimeout)
	defer cancel()
	err := s.endpoint.Locate(ctx, s.anyHost)
	if foreign := new(client.ForeignHostError); errors.As(err, &foreign) {
		return fmt.Errorf("%w; if it is yours to test, say -yes-i-may-test-this-host", err)
	}
	return err
}

func (s *doctorSettings) write(out output, results []doctor.Result) error {
	if s.html != "" {
		if err := s.writePage(results); err != nil {
			return err
		}
	}
	if s.json {
		return report.JSON(out.stdout, s.url(), results)
	}
	return report.Table(out.stdout, s.url(), results)
}

func (s *doctorSettings) writePage(results []doctor.Result) error {
	f, err := os.Create(s.html)
	if err != nil {
		return err
	}
	if err := report.Page(f, s.url(), results); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
