// Command benchmarks measures what closeguard costs and what it brings: bare
// and guarded, alternating in one run, for gorilla/websocket and
// coder/websocket. It prints one table and what of it missed its bar; with -docs it
// also writes the page benchmarks.md and the chart delivery.svg there.
//
// Everything stays on the loopback interface. Numbers of two runs, or of two
// machines, should not be compared; the ratios of one run are what counts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// parts are in the order of the documents: what closeguard brings, then what it costs.
var parts = []part{
	{"delivery", (*bench).delivery},
	{"rude", (*bench).rude},
	{"echo", (*bench).echo},
	{"memory", (*bench).memory},
	{"life", (*bench).life},
	{"growth", (*bench).growth},
}

// roles are those that this program is started in again.
var roles = map[string]any{"server": new(server.Server), "load": new(load.Load)}

func main() {
	child.Main(roles)
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	b := new(bench)
	flag.BoolVar(&b.quick, "quick", false, "measure little, to see that everything works")
	flag.IntVar(&b.pairs, "pairs", 0, "pairs of each comparison, but of those that open thousands of connections; 0: 18, or 3 if quick; fewer than 6 decide nothing")
	flag.DurationVar(&b.slice, "slice", 0, "length of one measurement of echoes, 0: 150ms, or 50ms if quick")
	only := flag.String("only", strings.Join(names, ","), "parts to run, \"\" to write the documents only")
	match := flag.String("match", "", "measure only those echoes and deliveries whose `name` matches; not with -docs")
	docs := flag.String("docs", "", "folder to write benchmarks.md, benchmarks.json and delivery.svg to; parts that don't run stay as they are there")
	profile := flag.String("profile", "", "folder to write CPU profiles of the server to, bare and guarded, instead of measuring")
	flag.BoolVar(&verbose, "v", false, "tell what clients saw where it wasn't what was intended")
	flag.Parse()
	if b.pairs == 0 {
		b.pairs = b.scale(18, 3)
	}
	if b.slice == 0 {
		b.slice = time.Duration(b.scale(150, 50)) * time.Millisecond
	}
	matching, err := regexp.Compile(*match)
	b.match = matching
	switch {
	case err != nil:
	case *match != "" && *docs != "":
		err = errors.New("-docs is for whole parts, -match for some of one")
	case *profile != "":
		err = b.profiles(*profile)
	default:
		err = b.run(strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }), names, *docs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func (b *bench) run(only, names []string, docs string) error {
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%q is not a part: %s", name, strings.Join(names, ", "))
		}
	}
	all := new(report.Report)
	if docs != "" {
		var err error
		if all, err = report.Load(filepath.Join(docs, "benchmarks.json")); err != nil {
			return err
		}
	}
	var errs []error
	now := new(report.Report)
	for _, p := range parts {
		if !slices.Contains(only, p.name) {
			continue
		}
		began, before := time.Now(), usage()
		progress("%s", p.name)
		s, err := p.run(b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
			progress("%s: %v", p.name, err)
			continue
		}
		s.Name, s.Machine = p.name, machine(began, usage().since(before))
		now.Set(s, names)
		all.Set(s, names)
	}
	fmt.Print(now.Text())
	if docs != "" {
		errs = append(errs, write(all, docs))
	}
	return errors.Join(errs...)
}

// write writes the documents.
func write(r *report.Report, docs string) error {
	files := map[string]string{"benchmarks.md": r.Markdown()}
	for _, s := range r.Sections {
		if len(s.Bars) > 0 {
			files["delivery.svg"] = s.Chart()
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(content), 0o644); err != nil { // they are for everybody
			return err
		}
	}
	return r.Store(filepath.Join(docs, "benchmarks.json"))
}
