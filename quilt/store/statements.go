package store

import (
	"context"
	"database/sql"
	"strings"
)

// statements keeps the writer's statements prepared: parsing one takes longer
// than running it. They run on the writer's connection, and so inside of its
// transaction. There are as many as the code has texts.
type statements struct {
	conn  *sql.Conn
	known map[string]*sql.Stmt
}

// get is the prepared statement; nil for a text that is several.
func (s *statements) get(text string) (*sql.Stmt, error) {
	if st := s.known[text]; st != nil || strings.Contains(text, ";") {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), text)
	if err == nil {
		s.known[text] = st
	}
	return st, err
}

// Exec runs a statement inside the transaction.
func (t *Tx) Exec(text string, args ...any) (sql.Result, error) {
	st, err := t.statements.get(text)
	if err != nil || st == nil {
		return t.Tx.Exec(text, args...)
	}
	return st.Exec(args...)
}

// Query asks inside the transaction.
func (t *Tx) Query(text string, args ...any) (*sql.Rows, error) {
	st, err := t.statements.get(text)
	if err != nil || st == nil {
		return t.Tx.Query(text, args...)
	}
	return st.Query(args...)
}

// QueryRow asks for one row inside the transaction.
func (t *Tx) QueryRow(text string, args ...any) *sql.Row {
	st, err := t.statements.get(text)
	if err != nil || st == nil {
		return t.Tx.QueryRow(text, args...)
	}
	return st.QueryRow(args...)
}
