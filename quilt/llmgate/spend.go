package llmgate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// book is what budgets of days may have reached, on disk: one small file that is
// replaced as a whole. What stands in it is never less than what was spent.
type book struct {
	path string

	mu     sync.Mutex
	height map[string]int64
}

// openBook reads the file in dir. A file that cannot be read is an error: with
// an empty one instead, yesterday's limit could be spent again.
func openBook(dir string) (*book, error) {
	b := &book{path: filepath.Join(dir, "llm-spend.json"), height: map[string]int64{}}
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what models cost: %w", err)
	}
	if err := json.Unmarshal(text, &b.height); err != nil {
		return nil, fmt.Errorf("what models cost: %s: %w", b.path, err)
	}
	return b, nil
}

// keep has key's height on disk before it returns. Days that are over go.
func (b *book) keep(key string, height int64) error {
	return b.write(map[string]int64{key: height})
}

func (b *book) write(heights map[string]int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, newest := map[string]int64{}, ""
	for _, m := range []map[string]int64{b.height, heights} {
		for k, v := range m {
			next[k] = v
			newest = max(newest, dayOf(k))
		}
	}
	for k := range next {
		if dayOf(k) < newest {
			delete(next, k)
		}
	}
	text, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return err
	}
	if err := replace(b.path, text); err != nil {
		return err
	}
	b.height = next
	return nil
}

// dayKey is the key of a scope on the day of now, in UTC.
func dayKey(now time.Time, scope string) string {
	return dayPrefix + now.UTC().Format(time.DateOnly) + "/" + scope
}

func dayOf(key string) string {
	day, _, _ := strings.Cut(strings.TrimPrefix(key, dayPrefix), "/")
	return day
}

// replace swaps the file for one that is on disk with its name.
func replace(path string, text []byte) error {
	tmp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
