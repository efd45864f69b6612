package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The tools that look for a way out of a container, pinned.
const (
	amicontainedModule = "github.com/genuinetools/amicontained@v0.4.9"
	cdkModule          = "github.com/cdk-team/CDK@v1.5.5"
	cdkSource          = "https://github.com/cdk-team/CDK"
	cdkTag             = "v1.5.5"
)

// lookAround builds both tools and has them look from inside Quilt's own
// containers (quilt/sandbox, eyes_test.go). given is the source of CDK, for
// machines that reach neither its module nor its repository.
func lookAround(bin, work, given string) error {
	work, err := filepath.Abs(work)
	if err != nil {
		return err
	}
	bun, err := filepath.Abs(filepath.Join(bin, "bun"))
	if err != nil {
		return err
	}
	tools := filepath.Join(work, "bin")
	ami, cdk := filepath.Join(work, "amicontained"), filepath.Join(work, "cdk")
	if err := module(amicontainedModule, ami); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(ami, "vendor")); err != nil {
		return err
	}
	if err := build(ami, filepath.Join(tools, "amicontained"), "."); err != nil {
		return err
	}
	if given != "" {
		cdk = given
	} else if err := module(cdkModule, cdk); err != nil {
		if e := command("", "git", "clone", "-q", "--depth", "1", "--branch", cdkTag, cdkSource, cdk); e != nil {
			return fmt.Errorf("%w\n%w\nfetch its source by other means and name the folder with -cdk", err, e)
		}
	}
	if err := build(cdk, filepath.Join(tools, "cdk"), "./cmd/cdk"); err != nil {
		return err
	}
	cmd := exec.Command("go", "test", "-count=1", "-tags", "eyes", "-run", "^TestOutsideEyes$", "./quilt/sandbox", "-v")
	cmd.Env = append(os.Environ(), "ARIA_TEST_ROOT=1", "ARIA_EYES="+tools, "ARIA_BUN="+bun)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return printLast(out)
}
