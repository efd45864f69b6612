package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/scrypt"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// SecretKey makes signatures.
type SecretKey struct {
	Public PublicKey
	key    ed25519.PrivateKey
}

// NewKey makes a key pair. Its id is the first 8 bytes of the sha256 of the
// public key, so that two keys of ours never share one by chance.
func NewKey() (SecretKey, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return SecretKey{}, fault.Wrap(err, fault.Internal, "no random bytes for a key")
	}
	s := SecretKey{key: key}
	h := sha256.Sum256(pub)
	copy(s.Public.ID[:], h[:8])
	copy(s.Public.key[:], pub)
	return s, nil
}

// The blob of a secret key file (minisign's struct SeckeyStruct):
// algorithms 3×2, salt 32, opslimit 8, memlimit 8, then, perhaps under the
// password's stream: id 8, key 64, checksum 32.
const (
	saltAt     = 6
	opsAt      = saltAt + 32
	memAt      = opsAt + 8
	sealedAt   = memAt + 8
	sealedSize = 8 + ed25519.PrivateKeySize + blake2b.Size256
	secretSize = sealedAt + sealedSize
)

// Cost of a password guess with keys of ours: scrypt with N = 2^17, r = 8, p = 1.
const (
	ourOps = 4 << 20
	ourMem = 128 << 20
	// maxMem is what a key file may ask of us: twice minisign's own default.
	maxMem = 2 << 30
)

// File is the secret key as a file; an empty password leaves it readable to
// whoever can read the file.
func (s SecretKey) File(password string) ([]byte, error) {
	raw := make([]byte, secretSize)
	copy(raw, algorithm+noKDF+checksum)
	sealed := raw[sealedAt:]
	copy(sealed, s.Public.ID[:])
	copy(sealed[8:], s.key)
	copy(sealed[8+ed25519.PrivateKeySize:], s.sum())
	if password != "" {
		copy(raw[2:], scryptKDF)
		if _, err := rand.Read(raw[saltAt:opsAt]); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "no random bytes for a key")
		}
		binary.LittleEndian.PutUint64(raw[opsAt:], ourOps)
		binary.LittleEndian.PutUint64(raw[memAt:], ourMem)
		if err := stream(raw, password); err != nil {
			return nil, err
		}
	}
	return []byte(untrusted + "minisign secret key " + s.Public.ID.String() + "\n" + base64Text(raw) + "\n"), nil
}

func (s SecretKey) sum() []byte {
	h := blake2b.Sum256(append(append([]byte(algorithm), s.Public.ID[:]...), s.key...))
	return h[:]
}

// Encrypted says whether a secret key file needs a password.
func Encrypted(file []byte) bool {
	raw, err := secretBlob(file)
	return err == nil && string(raw[2:4]) == scryptKDF
}

func secretBlob(file []byte) ([]byte, error) {
	lines := textLines(file)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], untrusted) {
		return nil, fault.New(fault.Invalid, "not a secret key file").WithHint(`make one with "arc key new"`)
	}
	raw, err := base64Line(lines[1])
	if err != nil || len(raw) != secretSize || string(raw[:2]) != algorithm || string(raw[4:6]) != checksum {
		return nil, fault.New(fault.Invalid, "not a secret key of minisign's format").WithHint(`make one with "arc key new"`)
	}
	return raw, nil
}

// ParseSecret reads a secret key file. A missing or wrong password is
// fault.Denied.
func ParseSecret(file []byte, password string) (SecretKey, error) {
	raw, err := secretBlob(file)
	if err != nil {
		return SecretKey{}, err
	}
	switch kdf := string(raw[2:4]); {
	case kdf == scryptKDF && password == "":
		return SecretKey{}, fault.New(fault.Denied, "the secret key is under a password").
			WithHint("give --password and write the password to stdin")
	case kdf == scryptKDF:
		if err := stream(raw, password); err != nil {
			return SecretKey{}, err
		}
	case kdf != noKDF:
		return SecretKey{}, fault.New(fault.Invalid, "the secret key is under a password of an unknown kind")
	}
	sealed := raw[sealedAt:]
	s := SecretKey{key: bytes.Clone(sealed[8 : 8+ed25519.PrivateKeySize])}
	copy(s.Public.ID[:], sealed)
	copy(s.Public.key[:], s.key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	sum := sealed[8+ed25519.PrivateKeySize:]
	// minisign leaves the checksum of a key without a password at zero.
	blank := string(raw[2:4]) == noKDF && bytes.Equal(sum, make([]byte, len(sum)))
	if !blank && subtle.ConstantTimeCompare(s.sum(), sum) != 1 {
		if password != "" {
			return SecretKey{}, fault.New(fault.Denied, "wrong password for the secret key")
		}
		return SecretKey{}, fault.New(fault.Invalid, "the secret key is damaged: its checksum differs")
	}
	// The two halves must belong together, or a signature would leak the key.
	if !s.key.Equal(ed25519.NewKeyFromSeed(s.key.Seed())) {
		return SecretKey{}, fault.New(fault.Invalid, "the secret key is damaged: its public half is another's")
	}
	return s, nil
}

// stream puts the password's key stream over the sealed part, or takes it off.
func stream(raw []byte, password string) error {
	ops, mem := binary.LittleEndian.Uint64(raw[opsAt:]), binary.LittleEndian.Uint64(raw[memAt:])
	n, p, ok := scryptCost(ops, mem)
	if !ok {
		return fault.New(fault.Invalid, "the secret key asks for %d MiB to check its password, which is refused", mem>>20)
	}
	mask, err := scrypt.Key([]byte(password), raw[saltAt:opsAt], n, 8, p, sealedSize)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the secret key's password settings cannot be used")
	}
	subtle.XORBytes(raw[sealedAt:], raw[sealedAt:], mask)
	return nil
}

// scryptCost is libsodium's choice of N and p (r is 8) for its two limits
// (crypto_pwhash_scryptsalsa208sha256, pickparams).
func scryptCost(ops, mem uint64) (n, p int, ok bool) {
	if mem > maxMem || ops > 1<<32 {
		return 0, 0, false
	}
	ops = max(ops, 32768)
	most := ops / (8 * 4)
	if ops >= mem/32 {
		most = mem / (8 * 128)
	}
	log := 1
	for log < 63 && uint64(1)<<log <= most/2 {
		log++
	}
	p = 1
	if ops >= mem/32 {
		p = int(min(ops/4>>log, 0x3fffffff) / 8)
	}
	return 1 << log, p, p > 0
}
