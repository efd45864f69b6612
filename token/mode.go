package token

// Mode is a lock mode on a node of the resource tree, after Gray and Reuter's
// intention locks. A holder of a node's IS or IX works below it; S, U and X
// cover the whole subtree.
type Mode uint8

const (
	None Mode = iota
	IS        // reads something below
	IX        // writes something below; on a leaf: atomic operations by many
	S         // shared
	U         // shared now, exclusive perhaps later
	X         // exclusive
)

// Modes is the number of modes, for tables indexed by Mode.
const Modes = int(X) + 1

// compatible[held][asked]. U is asymmetric on purpose: no new S once U is
// granted, so that an upgrade cannot be starved.
var compatible = [Modes][Modes]bool{
	None: {true, true, true, true, true, true},
	IS:   {true, true, true, true, true, false},
	IX:   {true, true, true, false, false, false},
	S:    {true, true, false, true, true, false},
	U:    {true, true, false, false, false, false},
	X:    {true, false, false, false, false, false},
}

// Compatible reports whether asked can be granted to one while held is held by
// another. It is not symmetric: see U.
func Compatible(held, asked Mode) bool { return compatible[held][asked] }

// Sup is the weakest mode that covers both. There is no SIX: IX with S or U
// gives X.
func Sup(a, b Mode) Mode {
	if a > b {
		a, b = b, a
	}
	if a == IX && (b == S || b == U) {
		return X
	}
	return b
}

// Above is the mode that a holder of m needs on every ancestor.
func (m Mode) Above() Mode {
	switch m {
	case IS, S:
		return IS
	case IX, U, X:
		return IX
	}
	return None
}

func (m Mode) String() string {
	return [Modes]string{"none", "IS", "IX", "S", "U", "X"}[m]
}
