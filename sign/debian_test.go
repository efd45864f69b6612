package sign

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// Debian's minisign takes our keys and signatures, and we take its.
func TestDebianMinisign(t *testing.T) {
	minisign := testenv.Program(t, "minisign", "make setup-test")
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(stdin string, args ...string) (string, error) {
		cmd := exec.Command(minisign, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	s, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("PK\x03\x04 not really\n")
	file := put("orders.aria", content)
	pub := put("ours.pub", s.Public.File())

	sig, err := s.Detached(content, "sha256:00 acme/orders 1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	put("orders.aria.minisig", sig)
	if out, err := run("", "-V", "-p", pub, "-m", file); err != nil || !strings.Contains(out, "acme/orders 1.2.3") {
		t.Errorf("minisign -V: %v\n%s", err, out)
	}
	put("orders.aria", append(content, 'x'))
	if out, err := run("", "-V", "-p", pub, "-m", file); err == nil {
		t.Errorf("minisign -V takes another file: %s", out)
	}
	put("orders.aria", content)

	for _, password := range []string{"", "correct horse"} {
		secret, err := s.File(password)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"-S", "-s", put("ours.key", secret), "-m", file, "-t", "theirs"}
		if password == "" {
			args = append(args, "-W")
		}
		if out, err := run(password+"\n", args...); err != nil {
			t.Errorf("minisign -S with our key, password %q: %v\n%s", password, err, out)
			continue
		}
		sig, err := os.ReadFile(file + ".minisig")
		if err != nil {
			t.Fatal(err)
		}
		if comment, err := s.Public.VerifyDetached(content, sig); err != nil || comment != "theirs" {
			t.Errorf("a signature of minisign's: %q, %v", comment, err)
		}
	}

	theirs, theirPub := filepath.Join(dir, "theirs.key"), filepath.Join(dir, "theirs.pub")
	if out, err := run("", "-G", "-W", "-s", theirs, "-p", theirPub); err != nil {
		t.Fatalf("minisign -G: %v\n%s", err, out)
	}
	secret, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(theirPub)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseSecret(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ParsePublic(public); err != nil || p != key.Public {
		t.Errorf("a key of minisign's: %v, %v", p, err)
	}
}
