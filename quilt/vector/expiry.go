package vector

import "github.com/ariacomputecompany/firmware/quilt/store"

// expired is a document whose time is over.
type expired struct {
	space       int64
	key, tenant string
}

// expiry removes documents whose time is over, some at each sweep. Until then
// they are found by nobody, but take a place among the candidates.
func (s *service) expiry() store.Change {
	var gone map[int64][]int64 // rows by space
	return store.Change{
		Do: func(tx *store.Tx) (any, error) {
			gone = map[int64][]int64{}
			found, err := findExpired(tx)
			if err != nil {
				return nil, err
			}
			for _, e := range found {
				row, err := removeRow(tx, e.space, e.key, e.tenant)
				if err != nil {
					return nil, err
				}
				gone[e.space] = append(gone[e.space], row)
			}
			return nil, nil
		},
		Then: func() {
			for space, rows := range gone {
				s.indexes.note(space, nil, rows)
			}
		},
	}
}

func findExpired(tx *store.Tx) (out []expired, err error) {
	rows, err := tx.Query(`select vec.space, vec.key, space.tenant from vec join space on space.id = vec.space
		where expires <= ? order by expires limit 500`, tx.Now.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e expired
		if err := rows.Scan(&e.space, &e.key, &e.tenant); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
