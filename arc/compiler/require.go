package compiler

import "bytes"

// Packages in CommonJS form ask for the platform's modules with require(), which
// an ES module has not got. The bundler puts a stand-in there that looks for a
// global require and throws otherwise; Bun gives every module one of its own, as
// import.meta.require. The stand-in is replaced line by line, so that the source
// map still holds.

// standIn is the bundler's, from its first to its last line. A test builds and
// runs such a package, so another form of it in another version is noticed.
var standInFirst, standInLast = []byte("var __require = /* @__PURE__ */ ((x) => typeof require"), []byte("is not supported');\n});\n")

// bindRequire is code whose require() is the platform's.
func bindRequire(code []byte) []byte {
	from := bytes.Index(code, standInFirst)
	if from < 0 {
		return code
	}
	n := bytes.Index(code[from:], standInLast)
	if n < 0 {
		return code
	}
	to := from + n + len(standInLast)
	lines := bytes.Count(code[from:to], []byte("\n"))
	ours := append([]byte("var __require = import.meta.require;"), bytes.Repeat([]byte("\n"), lines)...)
	return bytes.Join([][]byte{code[:from], code[to:]}, ours)
}
