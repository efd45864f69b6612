package pid1

import (
	"errors"
	"syscall"
	"time"
)

// silence is how long a daemon may run without an answer before it counts as
// hung. A busy machine answers late, so it is long.
const silence = 90 * time.Second

// vitals asks the machine for its health for as long as it is up. A daemon that runs
// and does not answer is killed, and the supervisor starts it again. The machine is not
// restarted: a daemon that cannot start, as on a full disk, would restart it for ever.
func (m *machine) vitals() {
	well := time.Now()
	for range time.Tick(10 * time.Second) {
		err := healthy()
		if err == nil {
			m.problem = ""
			well = time.Now()
			continue
		}
		m.problem = err.Error()
		if time.Since(well) < silence {
			continue
		}
		name := "ariad"
		if errors.Is(err, errQuiltd) {
			name = "quiltd"
		}
		m.log.Error("aria: a daemon does not answer and is killed", "daemon", name, "err", err)
		m.sup.signal(name, syscall.SIGKILL)
		well = time.Now()
	}
}
