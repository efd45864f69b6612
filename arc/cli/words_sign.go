package cli

// The sentences about signing and comparing; the rules are those of words.go.
const (
	wordsKeyLong = `Keys are ed25519 pairs in minisign's file format, kept in the configuration folder
(~/.config/aria/keys): NAME.key is the secret half, which only you can read,
NAME.pub the public one. Wherever a key is asked for, a name, a path or, for a
public key, the key itself ("RW…") will do.`
	wordsSignLong = `Puts a signature by your key into the bundle, and writes FILE.minisig beside it,
which Debian's minisign checks: minisign -V -p NAME.pub -m FILE. The bundle's
digest stays what it was. Several keys can sign one bundle; FILE.minisig is the
last one's.`
	wordsTrustLong = `The trust file says whose signatures count. A rule is for a namespace: "acme" is
every acme/… and a bundle named acme, "acme/orders" one bundle, "*" everything
that has no rule of its own. Where no rule holds, no bundle is trusted. The same
file, given to ariad, decides what it takes in.`
	wordsVerifyLong = `Checks a bundle: its form, its digest, every file against the manifest, every
signature, and that one of the signers may sign for its name by the trust file.
A bundle that is damaged gives exit code 3, one that is sound but signed by
nobody you trust gives 4.`
	wordsDiffLong = `Compares two versions of a bundle: permissions, units, schemas, limits,
descriptions, dependencies, size. Each is a .aria file, a project folder, which is
built, or NAME@VERSION, NAME or a digest on a server.

Exit code 0: the new version may do no more than the old and breaks no caller.
1: it may do more, or a schema or unit changed so that a caller can fall over.`
)
