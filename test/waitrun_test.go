package test

import (
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// cmdWaitRun waits until the run whose id is in stdout, or that $RUN names, has
// ended, and puts the id into $RUN: waitrun.
func cmdWaitRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: waitrun")
	}
	id := strings.TrimSpace(ts.ReadFile("stdout"))
	if !strings.HasPrefix(id, "run_") || strings.ContainsAny(id, " \n") {
		id = ts.Getenv("RUN")
	}
	ts.Setenv("RUN", id)
	for end := time.Now().Add(testenv.Patience(30 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec("arc", "logs", id))
		if strings.Contains(ts.ReadFile("stdout"), " ended ") {
			return
		}
	}
	ts.Fatalf("run %s does not end", id)
}
