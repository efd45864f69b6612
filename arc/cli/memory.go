package cli

import (
	"os"
	"runtime/debug"
)

// A build is over before most of what it allocated could be collected, so
// collecting along the way is a third of its time for a twentieth of its memory
// (measured on 60 files). Above the limit the collector works as ever.
const (
	garbage     = 800 // percent of what is in use
	memoryLimit = 1 << 30
)

// spendMemory sets the collector, unless the user has.
func spendMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(garbage)
		debug.SetMemoryLimit(memoryLimit)
	}
}
