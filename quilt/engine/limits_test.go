package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestLimitsAreWhatTheSpecSays(t *testing.T) {
	spec, err := os.ReadFile("../../docs/spec/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		unit := int64(1)
		if strings.HasSuffix(l.name, "_ms") {
			unit = int64(time.Millisecond)
		}
		row := fmt.Sprintf("| `%s` | %d | %d | %d |", l.name, l.least/unit, l.usual/unit, l.top/unit)
		if !strings.Contains(string(spec), row) {
			t.Errorf("docs/spec/limits.md has no row %s", row)
		}
	}
}

func TestLimitsOutOfBoundsAreRefused(t *testing.T) {
	for _, l := range limits {
		for _, v := range []int64{l.least - 1, l.top + 1} {
			var asked Limits
			if *l.of(&asked) = v; v == 0 {
				continue // the default
			}
			_, err := asked.withDefaults()
			if f, ok := fault.As(err); !ok || f.Code != fault.Invalid || !strings.Contains(f.Message, l.name) || f.Hint == "" {
				t.Errorf("%s of %d: %v", l.name, v, err)
			}
		}
	}
	got, err := Limits{}.withDefaults()
	if err != nil || got.MemoryBytes != 256<<20 || got.Wall != time.Minute || got.Wait != 0 {
		t.Errorf("defaults: %+v, %v", got, err)
	}
}
