package update

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/slot"
)

// This file is all that is done to the EFI partition. FAT has no journal, so each
// file is written beside its name, synced, renamed, and the file system synced.

func newText(s string) io.Reader { return strings.NewReader(s) }

// place makes the file at path whole or leaves what was there.
func place(path string, from io.Reader) error {
	temp := path + ".new"
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return flush(filepath.Dir(path))
}

// flush waits until everything of the folder's file system is on the disk.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// entries of ours, by file name.
func entries(dir string) (map[string]layout.Entry, error) {
	files, err := os.ReadDir(filepath.Join(dir, layout.Entries))
	if err != nil {
		return nil, err
	}
	found := map[string]layout.Entry{}
	for _, f := range files {
		if e, ok := layout.ParseEntry(f.Name()); ok {
			found[f.Name()] = e
		}
	}
	return found, nil
}

// clearEntries removes every entry but that of the running generation, which
// must be there: without it the machine could not start again.
func clearEntries(dir string, running int) error {
	found, err := entries(dir)
	if err != nil {
		return err
	}
	var stale []string
	kept := false
	for name, e := range found {
		if e.Generation == running {
			kept = true
		} else {
			stale = append(stale, name)
		}
	}
	if !kept {
		return fmt.Errorf("the entry of the running generation %d is missing: nothing is touched", running)
	}
	for _, name := range stale {
		if err := os.Remove(filepath.Join(dir, layout.Entries, name)); err != nil {
			return err
		}
	}
	return flush(dir)
}

// nextGeneration is above every one that was ever entered.
func nextGeneration(dir string, running int, rec slot.Record) (int, error) {
	found, err := entries(dir)
	if err != nil {
		return 0, err
	}
	top := running
	for _, e := range found {
		top = max(top, e.Generation)
	}
	if rec.Last != nil {
		top = max(top, rec.Last.Generation)
	}
	return top + 1, nil
}

// settle takes the counter off the entry of a generation: from now on it is what
// the loader starts. It is the one commit point of an update.
func settle(dir string, generation int) error {
	found, err := entries(dir)
	if err != nil {
		return err
	}
	want := layout.Entry{Generation: generation}.Name()
	if _, ok := found[want]; ok {
		return nil
	}
	for name, e := range found {
		if e.Generation != generation {
			continue
		}
		if err := os.Rename(filepath.Join(dir, layout.Entries, name), filepath.Join(dir, layout.Entries, want)); err != nil {
			return err
		}
		return flush(dir)
	}
	return fmt.Errorf("no boot entry of generation %d", generation)
}
