package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownProgram is this process's binary, whatever has become of its path.
const ownProgram = "/proc/self/exe"

// engineProgram opens the binary of an engine: the first is ours, one that follows is
// what lies where ours was started from, which after an upgrade is the new one.
// What cannot be used there is said in the log, and ours is taken again.
//
// We open it, and the engine's user executes the open file: folders that this
// user may not enter do not matter, and nobody can exchange what was checked.
func engineProgram(cfg LauncherConfig, later bool) (*os.File, error) {
	if later && cfg.EnginePath != "" {
		f, err := successor(cfg)
		if err == nil {
			return f, nil
		}
		cfg.Log.Warn("the binary on disk cannot follow; the engine is started from the one that runs", "path", cfg.EnginePath, "err", err)
	}
	return openProgram(ownProgram)
}

// successor is the binary at the engine's path. It must be root's alone, as ours
// is, and the engine's user must be able to execute it.
func successor(cfg LauncherConfig) (*os.File, error) {
	f, err := openProgram(cfg.EnginePath)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("it is not a file")
	case st.Uid != cfg.owner() || st.Mode&0o022 != 0:
		err = errors.New("others than root may change it")
	case !mayRun(st, cfg):
		err = fmt.Errorf("user %d may not execute it", cfg.EngineUID)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// owner is who a binary must belong to: root, or, without it, whoever owns ours,
// which may be the real root and look like nobody from here.
func (c LauncherConfig) owner() uint32 {
	var st unix.Stat_t
	if c.Rootless && unix.Stat(ownProgram, &st) == nil {
		return st.Uid
	}
	return 0
}

// mayRun says whether the engine's user may execute root's file st.
func mayRun(st unix.Stat_t, cfg LauncherConfig) bool {
	switch {
	case cfg.EngineUID == 0:
		return st.Mode&0o111 != 0
	case int(st.Gid) == cfg.EngineGID:
		return st.Mode&0o010 != 0
	}
	return st.Mode&0o001 != 0
}

// openProgram opens a file for nothing but to execute it.
func openProgram(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// engineCommand executes binary by its descriptor in the engine, where it is the
// last: nothing that is put in order between fork and exec lands on it.
func engineCommand(cfg LauncherConfig, socket, binary *os.File, later bool) *exec.Cmd {
	args := slices.Clone(cfg.EngineArgv)
	if later {
		args = append(args, "standby")
	}
	files := append([]*os.File{socket}, cfg.EngineFiles...) // from descriptor 3
	files = append(files, binary)
	return &exec.Cmd{
		Path:       fmt.Sprintf("/proc/self/fd/%d", 2+len(files)),
		Args:       args,
		Env:        cfg.EngineEnv,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: files,
		SysProcAttr: &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(cfg.EngineUID), Gid: uint32(cfg.EngineGID), NoSetGroups: cfg.Rootless},
			Pdeathsig:  syscall.SIGKILL,
		},
	}
}
