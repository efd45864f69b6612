package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// While one is killed all containers together weigh more, and not for a moment
// longer; one that is killed twice counts once.
func TestKilledWeighMore(t *testing.T) {
	testenv.NeedRoot(t)
	c := sharedClient(t)
	l := shared.launcher
	weight := func() int {
		file, one := filepath.Join(l.tree.own["cpu"], l.tree.base, "cpu.shares"), 1024
		if l.tree.version == 2 {
			file, one = filepath.Join(l.tree.own[""], l.tree.base, "cpu.weight"), 100
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n / one
	}
	k := begin(t, c, Spec{}, `setInterval(()=>{},1e6)`)
	defer k.Close()
	r := l.find(k.n)
	if w := weight(); w != baseWeight {
		t.Fatalf("containers weigh %d, want %d", w, baseWeight)
	}
	l.condemn(r)
	l.condemn(r)
	if w := weight(); w != dyingWeight {
		t.Errorf("containers weigh %d while one is to die, want %d", w, dyingWeight)
	}
	l.kill(r)
	eventually(t, 5*time.Second, "it is gone", func() bool { return l.find(k.n) == nil })
	if w := weight(); w != baseWeight {
		t.Errorf("containers weigh %d when all is over, want %d", w, baseWeight)
	}
	l.condemn(r) // too late to count
	if w := weight(); w != baseWeight {
		t.Errorf("containers weigh %d for one that is gone, want %d", w, baseWeight)
	}
}
