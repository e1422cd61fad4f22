package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/lexicon"
)

func runExplain(_ context.Context, args []string, out output) (int, error) {
	if len(args) != 1 {
		return exitFailed, errors.New("explain needs one code, such as 1006")
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return exitFailed, fmt.Errorf("%q is not a number", args[0])
	}
	_, err = io.WriteString(out.stdout, explanation(lexicon.Look(closeguard.Code(code))))
	return exitGood, err
}

func explanation(e lexicon.Entry) string {
	var text strings.Builder
	fmt.Fprintln(&text, e.Name)
	for _, n := range e.Names {
		fmt.Fprintf(&text, "  %s calls it %q.\n", n.Protocol, n.Name)
	}
	for _, part := range [][2]string{
		{"Who may send it", e.Sender}, {"What clients show", e.Shows}, {"Usual causes", e.Causes}, {"What helps", e.Cures},
	} {
		fmt.Fprintf(&text, "\n%s\n  %s\n", part[0], strings.TrimSpace(part[1]))
	}
	return text.String()
}

func runCodes(_ context.Context, args []string, out output) (int, error) {
	if len(args) > 0 {
		return exitFailed, errors.New("codes needs no arguments")
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CODE\tNAME\tMAY BE SENT BY\tOTHER NAMES") //nolint:errcheck // Flush tells
	for _, e := range lexicon.All() {
		number, name, _ := strings.Cut(e.Name, " ")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", number, name, e.Sender, otherNames(e)) //nolint:errcheck // the same
	}
	return exitGood, table.Flush()
}

func otherNames(e lexicon.Entry) string {
	var names []string
	for _, n := range e.Names {
		names = append(names, n.Protocol+": "+n.Name)
	}
	return strings.Join(names, ", ")
}
