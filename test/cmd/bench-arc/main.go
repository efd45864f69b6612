// Command bench-arc measures `arc build` beside what it replaces: `tsc --noEmit`
// and then esbuild, both from npm, on the same two projects, turn by turn in one
// run. The small project is examples/orders; the large one is made here: 60 files
// and 240 tools with zod, openai and date-fns. Then it measures what one changed
// file costs in `arc dev`. The last line has the figures; it exits 0 only if the
// gates hold.
//
// The rivals do less: they check and bundle, they make no schema, no permission
// list and no package. esbuild is called as the native program it is, not through
// its Node wrapper. The gate compares with TypeScript 5.9.3; the native TypeScript
// 7.0.2, which arc links, is shown beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// The gates. Ratios are of medians, taken turn by turn in the same minutes. The
// times are held by the minimum: neighbours on the machine can only add to it, and
// on two shared cores they multiply the median by five.
const (
	maxSmallMS   = 60.0
	minSmall     = 15.0
	minLarge     = 3.0
	maxRebuildMS = 15.0
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	dir := flag.String("dir", "test/bench-arc", "folder with the rivals in its node_modules")
	small := flag.Int("small", 15, "builds of the small project by each")
	large := flag.Int("large", 5, "builds of the large project by each")
	changes := flag.Int("changes", 25, "changes under arc dev")
	flag.Parse()
	if err := run(*bin, *dir, *small, *large, *changes); err != nil {
		fmt.Fprintln(os.Stderr, "bench-arc:", err)
		os.Exit(1)
	}
}

func run(bin, dir string, small, large, changes int) error {
	ctx := context.Background()
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	work := filepath.Join(dir, "work") // beneath node_modules' folder, so that it is found
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	first, err := orders(work)
	if err != nil {
		return err
	}
	second, err := generated(work)
	if err != nil {
		return err
	}
	table := newTable()
	a, err := table.measure(ctx, contenders(bin, dir, first), "small", small)
	if err != nil {
		return err
	}
	b, err := table.measure(ctx, contenders(bin, dir, second), "large", large)
	if err != nil {
		return err
	}
	quick, slow, err := rebuilds(ctx, bin, first, second, changes)
	if err != nil {
		return err
	}
	table.rebuilds("small", quick)
	table.rebuilds("large", slow)
	return report(a, b, quick)
}

func report(small, large []result, rebuild result) error {
	arc, pair := small[0].wall, small[1].wall
	overSmall := pair.at(.5) / arc.at(.5)
	overLarge := large[1].wall.at(.5) / large[0].wall.at(.5)
	fmt.Printf("bench-arc: small min %.0f ms (p50 %.0f), %.1f x faster than tsc 5.9.3 + esbuild; large min %.0f ms (p50 %.0f), %.1f x; rebuild min %.1f ms (p50 %.1f); peak %.0f and %.0f MiB\n",
		arc.at(0), arc.at(.5), overSmall, large[0].wall.at(0), large[0].wall.at(.5), overLarge, rebuild.wall.at(0), rebuild.wall.at(.5), small[0].peak, large[0].peak)
	var missed []error
	miss := func(bad bool, format string, args ...any) {
		if bad {
			missed = append(missed, fmt.Errorf(format, args...))
		}
	}
	miss(arc.at(0) > maxSmallMS, "a small build takes at least %.0f ms, promised %.0f", arc.at(0), maxSmallMS)
	miss(overSmall < minSmall, "small: %.1f times faster than the pair, promised %.0f", overSmall, minSmall)
	miss(overLarge < minLarge, "large: %.1f times faster than the pair, promised %.0f", overLarge, minLarge)
	miss(rebuild.wall.at(0) > maxRebuildMS, "a rebuild takes at least %.1f ms, promised %.0f", rebuild.wall.at(0), maxRebuildMS)
	return errors.Join(missed...)
}
