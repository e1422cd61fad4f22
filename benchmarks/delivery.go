package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/delivery"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
	"github.com/closeguard/ws/integration_test/peers"
)

// jobTimeout is how long a client waits for a close event: longer than a
// guard's limits for a peer that doesn't send.
const jobTimeout = 8 * time.Second

// delivery measures how often the intended code arrives.
func (b *bench) delivery() (report.Section, error) {
	s := report.Section{Title: "Codes that arrive"}
	all, err := startClients()
	if err != nil {
		progress("delivery: without %v", err)
		s.Note = "Without " + strings.ReplaceAll(err.Error(), "\n", "; ") + ". "
	}
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	if len(all) == 0 {
		return s, errors.Join(errors.New("there is no client"), err)
	}
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	runs := b.scale(50, 4)
	s.Note += fmt.Sprintf("Of %d runs each, how often the client saw the intended code and reason and a clean end. The numbers are those of %s, in this order; behind a plus, the runs in which code and reason were right and the client called the end unclean. "+
		"Chromium does that while bytes that the page has sent are still in its buffer, whatever the server does: for uploads and floods its code and reason are enough. "+
		"Guarded is the library's adapter, or the bare handler's very code under the middleware; "+
		"there some things can't be repaired: a Close that the library never writes, and a deadline or context of its own.", runs, strings.Join(names, ", "))
	for _, sc := range delivery.Scenarios() {
		if err := b.deliver(&s, all, sc, runs); err != nil {
			return s, err
		}
	}
	s.Rows = append(s.Rows, arrived(s.Bars)...)
	return s, nil
}

// deliver runs one scenario with all servers and clients.
func (b *bench) deliver(s *report.Section, all []client, sc delivery.Scenario, runs int) error {
	for _, library := range libraries {
		if !b.match.MatchString(sc.Name + ", " + library) {
			continue
		}
		progress("delivery: %s, %s", sc.Name, library)
		cells := map[string]cell{}
		for _, way := range []string{server.Bare, server.Adapter, server.Plain} {
			d, err := delivery.Serve(library, way)
			if err != nil {
				return err
			}
			if cells[way], err = serve(d, all, sc, runs); err != nil {
				return fmt.Errorf("%s, %s%s: %w", sc.Name, library, way, err)
			}
		}
		bare := cells[server.Bare]
		clean := mustBeClean(all, sc)
		for _, way := range []string{server.Adapter, server.Plain} {
			row := report.Row{
				Case: sc.Name + ", " + library, Measure: strings.TrimPrefix(way, "/"),
				Bare: bare.String(), Guarded: cells[way].String(),
			}
			if way == server.Adapter {
				row.Bar = fmt.Sprintf("all %d", runs)
				row.Verdict, row.Off = judge(cells[way].right(clean), runs*len(all))
			}
			s.Rows = append(s.Rows, row)
		}
		s.Bars = append(s.Bars,
			report.Bar{Scenario: sc.Name, Server: library, Kind: report.Guarded, Right: cells[server.Adapter].right(clean), Runs: runs * len(all)},
			report.Bar{Scenario: sc.Name, Server: library, Kind: report.Bare, Right: bare.right(clean), Runs: runs * len(all)})
	}
	if !sc.Yardstick || !b.match.MatchString(sc.Name) {
		return nil
	}
	return b.yardsticks(s, all, sc, runs)
}

// yardsticks runs a scenario with servers of other libraries.
func (b *bench) yardsticks(s *report.Section, all []client, sc delivery.Scenario, runs int) error {
	ws, stop, err := peers.Serve("ws")
	if err != nil {
		progress("delivery: no yardstick: %v", err)
		return nil
	}
	defer stop()
	gws, err := delivery.ServeGWS()
	if err != nil {
		return err
	}
	defer gws.Shutdown(context.Background())
	gobwas, err := delivery.ServeGobwas()
	if err != nil {
		return err
	}
	defer gobwas.Shutdown(context.Background())
	for _, y := range []struct{ name, url string }{{"npm ws", "ws://" + ws}, {"gws", gws.URL}, {"gobwas", gobwas.URL}} {
		progress("delivery: %s, %s", sc.Name, y.name)
		c, err := run(all, sc, y.url+sc.Path(), runs)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", sc.Name, y.name, err)
		}
		s.Rows = append(s.Rows, report.Row{Case: sc.Name + ", " + y.name + " server", Measure: "yardstick", Bare: c.String()})
		s.Bars = append(s.Bars, report.Bar{Scenario: sc.Name, Server: y.name, Kind: report.Yardstick, Right: c.right(mustBeClean(all, sc)), Runs: runs * len(all)})
	}
	return nil
}

// serve runs a scenario against a server, which ends after it.
func serve(d *delivery.Server, all []client, sc delivery.Scenario, runs int) (cell, error) {
	var ending sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), jobTimeout)
	defer cancel()
	if sc.Name == delivery.Shutdown {
		// All runs of all clients are open then, and have sent their message.
		ending.Go(func() {
			d.Await(ctx, runs*len(all))
			d.Shutdown(ctx)
		})
	}
	c, err := run(all, sc, d.URL+sc.Path(), runs)
	ending.Wait()
	if sc.Name != delivery.Shutdown {
		d.Close()
	}
	return c, err
}

// cell is how many runs of each client were right.
type cell []tally

type tally struct {
	clean  int // right code and reason, and a clean end
	merely int // right code and reason, and an end that the client calls unclean
}

// String shows the clean ones, and behind a plus the merely right ones.
func (t tally) String() string {
	if t.merely == 0 {
		return fmt.Sprint(t.clean)
	}
	return fmt.Sprintf("%d+%d", t.clean, t.merely)
}

func run(all []client, sc delivery.Scenario, url string, runs int) (cell, error) {
	c := make(cell, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, visitor := range all {
		one := func() { c[i], errs[i] = runClient(visitor, sc, url, runs) }
		if sc.Name == delivery.Shutdown {
			wg.Go(one)
		} else {
			one()
		}
	}
	wg.Wait()
	return c, errors.Join(errs...)
}

// runClient does all runs of one client, a few at a time.
func runClient(c client, sc delivery.Scenario, url string, runs int) (t tally, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(runs+1)*2*jobTimeout)
	defer cancel()
	job := sc.Job
	job.URL, job.Timeout = url, jobTimeout
	turns := make(chan struct{}, sc.Parallel)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runs {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			r, failed := c.Run(ctx, job)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case failed != nil:
				err = failed
			case sc.Right(r) && (r.WasClean || c.wordless):
				t.clean++
			default:
				if sc.Right(r) {
					t.merely++
				}
				r.Messages = nil // there may be hundreds
				explain("%s, %s: %+v", url, c.name, r)
			}
		})
	}
	wg.Wait()
	return t, err
}

func (c cell) String() string { return strings.Trim(fmt.Sprint([]tally(c)), "[]") }

// mustBeClean says of which clients a clean end can be asked.
func mustBeClean(all []client, sc delivery.Scenario) func(client int) bool {
	sending := sc.Job.Kind == peers.Upload || sc.Job.Kind == peers.Flood
	return func(i int) bool { return !sending || !all[i].unclean }
}

// right is the number of runs that were right, and clean where that can be asked.
func (c cell) right(clean func(client int) bool) (n int) {
	for i, t := range c {
		n += t.clean
		if !clean(i) {
			n += t.merely
		}
	}
	return n
}
