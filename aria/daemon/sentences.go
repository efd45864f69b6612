package daemon

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// sentences keeps the vectors of tools' descriptions between starts: to make one
// takes milliseconds, and there may be thousands. What is lost is made again.
type sentences struct {
	db  *sql.DB
	log *slog.Logger

	mu    sync.Mutex
	fresh map[[32]byte][]byte // not written yet
}

const sentenceSchema = `CREATE TABLE IF NOT EXISTS sentences (sum BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID`

func newSentences(db *sql.DB, log *slog.Logger) *sentences {
	if _, err := db.Exec(sentenceSchema); err != nil {
		log.Warn("vectors of descriptions are not kept", "err", err)
	}
	return &sentences{db: db, log: log}
}

// Load gives a vector, or nil.
func (s *sentences) Load(sentence string) []byte {
	sum := sha256.Sum256([]byte(sentence))
	var v []byte
	err := s.db.QueryRow(`SELECT vector FROM sentences WHERE sum = ?`, sum[:]).Scan(&v)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		s.log.Warn("vector of a description", "err", err)
	}
	return v
}

// Save keeps one, in one write with those that come soon after.
func (s *sentences) Save(sentence string, vector []byte) {
	sum := sha256.Sum256([]byte(sentence))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh == nil {
		s.fresh = map[[32]byte][]byte{}
		time.AfterFunc(saveAfter, s.flush)
	}
	s.fresh[sum] = vector
}

const saveAfter = 300 * time.Millisecond

func (s *sentences) flush() {
	s.mu.Lock()
	fresh := s.fresh
	s.fresh = nil
	s.mu.Unlock()
	if err := s.write(fresh); err != nil {
		s.log.Warn("vectors of descriptions are not kept", "err", err)
	}
}

func (s *sentences) write(fresh map[[32]byte][]byte) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	for sum, vector := range fresh {
		if _, err := tx.Exec(`INSERT OR REPLACE INTO sentences VALUES (?,?)`, sum[:], vector); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	return tx.Commit()
}
