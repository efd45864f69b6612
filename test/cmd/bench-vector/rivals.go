package main

import (
	"database/sql"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite"
	_ "modernc.org/sqlite/vec" // vec0 tables, for the comparison
)

// generate makes vectors of length 1 around 500 centres; questions are made the
// same way and are none of them.
func generate(n, asks int) (docs, questions [][]float32) {
	r := rand.New(rand.NewPCG(1, 2))
	centres := make([][]float32, 500)
	for i := range centres {
		centres[i] = make([]float32, dims)
		for j := range centres[i] {
			centres[i][j] = float32(r.NormFloat64())
		}
	}
	one := func() []float32 {
		c, v, sum := centres[r.IntN(len(centres))], make([]float32, dims), 0.0
		for j := range v {
			v[j] = c[j] + 0.7*float32(r.NormFloat64())
			sum += float64(v[j]) * float64(v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(sum))
		}
		return v
	}
	for range n {
		docs = append(docs, one())
	}
	for range asks {
		questions = append(questions, one())
	}
	return docs, questions
}

// compareAll is what one would write first, and the truth.
func compareAll(docs [][]float32, q []float32) []int {
	type found struct {
		at    int
		score float32
	}
	var best []found
	for i, d := range docs {
		var a, b, c, e float32
		for j := 0; j < dims; j += 4 {
			a += d[j] * q[j]
			b += d[j+1] * q[j+1]
			c += d[j+2] * q[j+2]
			e += d[j+3] * q[j+3]
		}
		s := a + b + c + e
		if len(best) == answers && s <= best[answers-1].score {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, s, func(f found, s float32) int {
			if f.score >= s {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, found{i, s})
		best = best[:min(len(best), answers)]
	}
	out := make([]int, len(best))
	for i, b := range best {
		out[i] = b.at
	}
	return out
}

// measureSQLiteVec fills and asks a vec0 table; few questions, for it is slow.
func measureSQLiteVec(dir, kind string, docs, asks [][]float32, truth [][]int) (figures, error) {
	f := figures{name: "sqlite-vec " + kind}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "v.db")+"?_pragma=journal_mode(wal)")
	if err != nil {
		return f, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("create virtual table v using vec0(e " + kind + "[384])"); err != nil {
		return f, err
	}
	value := map[string]string{"float": "?", "bit": "vec_quantize_binary(?)"}[kind]
	began := time.Now()
	tx, err := db.Begin()
	if err != nil {
		return f, err
	}
	put, err := tx.Prepare("insert into v (rowid, e) values (?, " + value + ")")
	if err != nil {
		return f, err
	}
	for i, d := range docs {
		if _, err := put.Exec(i+1, raw(d)); err != nil {
			return f, err
		}
	}
	if err := tx.Commit(); err != nil {
		return f, err
	}
	f.fill = time.Since(began)
	asks = asks[:min(30, len(asks))]
	var times []float64
	for i, q := range asks {
		began := time.Now()
		ids, err := near(db, "select rowid from v where e match "+value+" and k = 10", q)
		if err != nil {
			return f, err
		}
		times = append(times, ms(time.Since(began)))
		if i == 0 {
			f.first = time.Since(began)
		}
		for _, id := range ids {
			if slices.Contains(truth[i], id-1) {
				f.recall += 1 / float64(answers*len(asks))
			}
		}
	}
	f.p50, f.p99 = quantile(times, 0.5), quantile(times, 0.99)
	return f, nil
}

func near(db *sql.DB, query string, q []float32) (ids []int, err error) {
	rows, err := db.Query(query, raw(q))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
