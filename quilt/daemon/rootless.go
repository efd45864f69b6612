package daemon

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// standing is what the launcher is.
type standing struct {
	rootless bool // root of a user namespace only
	ids      int  // that it has in it beside its own, for containers
}

var withRoot = standing{}

// rootlessArg is the command of the process that startRootless starts.
const rootlessArg = "in-user-namespace"

// startRootless is quiltd that was not started as root: it executes itself as root
// of a user namespace and waits for that.
func startRootless(cfg Config) error {
	arg, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return sandbox.RunRootless([]string{"quiltd", rootlessArg, string(arg)})
}

// runRootless is the launcher in that namespace. There is one user: the engine is
// it too, without any capability, and so are all callers.
func runRootless(text, ids string, stderr io.Writer) error {
	sandbox.InUserNamespace()
	var cfg Config
	n, err := strconv.Atoi(strings.TrimPrefix(ids, "ids="))
	if err != nil || json.Unmarshal([]byte(text), &cfg) != nil {
		return fault.New(fault.Invalid, "quiltd %s is started by quiltd only", rootlessArg).WithHint("start quiltd")
	}
	cfg.UID, cfg.GID, cfg.SocketGID, cfg.Allow = 0, 0, 0, nil
	return runLauncher(cfg, standing{rootless: true, ids: n}, logger(cfg.LogFormat, stderr))
}
